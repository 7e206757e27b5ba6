"""The channel graph: which channels of a network live or die together, and their removal."""
