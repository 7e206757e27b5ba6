"""What a network costs, and how long its files take on this machine."""
