"""The networks that ship; they know no compression method. Importing this imports no torch."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from mobilekit.nets.catalog import NetConfig


def build(config: "NetConfig") -> "nn.Module":
    """Build the network of a configuration, with torch's current generator for its weights."""
    import importlib

    module = importlib.import_module(f"mobilekit.nets.{config.kind.replace('-', '_')}")
    network: nn.Module = module.build(config)
    return network
