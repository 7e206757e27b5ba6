"""The parameter or buffer that a state-dict name stands for: some networks convolve with a buffer."""

from torch import Tensor, nn


def stored(network: nn.Module, name: str) -> Tensor:
    """Return a parameter or a buffer, itself and not a copy.

    Raises:
        AttributeError: the network has none of that name.
    """
    owner, _, attribute = name.rpartition(".")
    found: Tensor = getattr(network.get_submodule(owner), attribute)
    return found
