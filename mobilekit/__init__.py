"""Take a PyTorch vision model, make it small and fast, and put it on a phone."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("mobilekit")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"
