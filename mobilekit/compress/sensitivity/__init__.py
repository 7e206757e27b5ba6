"""How much each layer, or each coupled group of channels, suffers from its sparsity alone."""
