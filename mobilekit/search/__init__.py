"""Which layer gets what: choices within a budget, from what was measured."""
