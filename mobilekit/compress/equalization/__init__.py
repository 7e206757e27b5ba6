"""Equalization: which layers hand channels to one another, and how large each channel should be."""
