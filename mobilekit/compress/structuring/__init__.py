"""How a smaller network differs from the one it came of."""
