"""Losses by which a small network learns from a large one: its outputs, its features, and both mixed."""
