"""Terms that make groups of weights small while a network trains: kernel sparsity and group norms."""
