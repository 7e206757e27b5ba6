"""Specialization: a network that knows some of its classes only, every head cut exactly to them."""
