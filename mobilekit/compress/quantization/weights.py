"""The grid that a form means for a weight."""

from collections.abc import Sequence

from torch import Tensor, nn

from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.quantization.grids import Learned, Observed
from mobilekit.compress.quantization.palettes import Palette
from mobilekit.compress.quantization.targets import Target
from mobilekit.compress.sparsity.roles import batch_norm_scales
from mobilekit.core.errors import RecipeError


def grid_of(target: Target, *, learned: bool) -> nn.Module:
    """Make the grid of a weight.

    Args:
        target: whose.
        learned: scales are learned; of palettes, nothing is.
    """
    weights = target.form.weights
    if weights.encoding == "palette":
        return Palette(target.weight, weights.bits)
    kind = Learned if learned else Observed
    return kind(target.channels, weights.bits)


def check_palettes(network: nn.Module, wanted: Sequence[Target], inputs: Sequence[Tensor]) -> None:
    """Make sure that no batch norm scales the filters of a palette: a file has one table per layer.

    Args:
        network: whose layers they are.
        wanted: all layers that are quantized.
        inputs: examples; without any, nothing is looked at.

    Raises:
        RecipeError: one does; its layer is named.
    """
    groups = [each.channels for each in wanted if each.form.weights.encoding == "palette"]
    if not groups or not inputs:
        return
    found = batch_norm_scales(ChannelGraph(network, inputs), network, groups)
    if found:
        name = next(iter(found))
        raise RecipeError(
            f"quantize_aware: {name}: the batch norm behind it will scale its filters in a file, each by a"
            " factor of its own, which a palette does not outlast; put the step fold before"
        )
