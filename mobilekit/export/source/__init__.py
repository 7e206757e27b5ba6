"""A network as Python source that imports nothing but torch, with its weights."""

from mobilekit.export.source.document import MODEL, WEIGHTS, generate, write

__all__ = ["MODEL", "WEIGHTS", "generate", "write"]
