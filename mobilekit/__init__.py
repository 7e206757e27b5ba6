"""Take a PyTorch vision model, make it small and fast, and put it on a phone."""

__version__ = "0.1.0"
