"""Layers as products of smaller ones: singular values, Tucker, and how many of them to keep."""
