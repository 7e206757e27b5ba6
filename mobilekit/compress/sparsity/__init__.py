"""What to remove: criteria score channels, contexts compare them, rounding fits them to the machine."""
