"""Fake quantization: what weights and activations become in a file, while they are still trained."""
