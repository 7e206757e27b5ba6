"""Let the weights of a layer share a few values, and train these on.

What it does:
    At `start_at` each layer's weights that are not zero are grouped by k-means into 2^bits clusters, and
    each takes the value of its cluster. From then on the weights of a cluster move as one: after each step
    of the optimizer they become their mean. What is zero then stays zero.

When to use it:
    To make a network small on disk or to download: with pruned weights and a Huffman code, as deep
    compression does. A Core ML palette of one bit more holds the values: zero is one too.

When not:
    For speed: values are shared, not fewer. And for formats that store integers (LiteRT).

Source:
    Deep compression, Han, Mao, Dally, ICLR 2016, section 3. There the gradients of a cluster are summed for
    its centroid; here the optimizer steps each weight and the cluster takes the mean, which is the same for
    SGD but for a factor of the cluster's size in the learning rate, and lets any optimizer be used.
"""

import fnmatch
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilekit.compress.base import Context, Handle
from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.core.errors import ModelError, RecipeError, suggestion
from mobilekit.core.kmeans import kmeans, nearest

MOST_BITS = 8
Bits = Annotated[int, msgspec.Meta(ge=1, le=MOST_BITS)]


class ShareWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    bits: Bits = 5
    """2^bits values per layer, zero aside."""
    layer_bits: dict[str, Bits] = {}
    """Pattern of names → bits of these layers; the last that matches counts."""
    layers: tuple[str, ...] = ()
    """Patterns of names of convolutions and linear layers; all of them without."""
    without: tuple[str, ...] = ()
    """Patterns of names of layers that are left alone."""
    start_at: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    """Share of the training after which weights are grouped."""

    def start(self, network: nn.Module, context: Context) -> Handle:
        """Find the layers.

        Raises:
            RecipeError: a pattern that matches no layer.
        """
        del context
        groups = groups_of(network, "weight", self.layers, self.without)
        names = [group.layer for group in groups]
        for pattern in self.layer_bits:
            if not fnmatch.filter(names, pattern):
                raise RecipeError(
                    f"share_weights: layer_bits: {pattern!r} matches no layer.{suggestion(pattern, names)}"
                )
        return Sharing(self, groups)


class Sharing(Handle):
    """Groups weights once, and keeps each group at one value."""

    def __init__(self, config: ShareWeights, groups: list[Grouped]) -> None:
        self._config, self._groups = config, groups
        self._clusters: dict[str, Tensor] = {}
        """Of each weight, 0 for zero; by the weight's name. Empty until weights are grouped."""
        if config.start_at == 0.0:
            self._clusters = self._found()

    def settle(self) -> None:
        """Take the clusters to the weights."""
        for group in self._groups:
            if group.name in self._clusters:
                self._clusters[group.name] = self._clusters[group.name].to(group.weight.device)

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Group the weights when their time has come; let each group take its mean."""
        del optimizer
        if progress < self._config.start_at:
            return
        self._clusters = self._clusters or self._found()
        for group in self._groups:
            _share(group.weight, self._clusters[group.name])

    def finish(self) -> tuple[str, ...]:
        """Say how many values are left."""
        if not self._clusters:
            return ("share_weights: the training ended before start_at; no weights are shared",)
        weights = sum(group.weight.numel() for group in self._groups)
        values = sum(int(c.max()) for c in self._clusters.values())
        return (f"share_weights: {weights:,} weights share {values:,} values, zero aside",)

    def state_dict(self) -> dict[str, Any]:
        """Return the clusters, by the weights' names."""
        return {name: clusters.clone() for name, clusters in self._clusters.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the clusters."""
        known = {group.name: group.weight for group in self._groups}
        if state and (
            state.keys() != known.keys()
            or any(state[name].numel() != known[name].numel() for name in known)
        ):
            raise ModelError("share_weights: the checkpoint is of another network")
        self._clusters = {name: value.to(known[name].device) for name, value in state.items()}

    def _found(self) -> dict[str, Tensor]:
        return {group.name: self._grouped(group) for group in self._groups}

    def _grouped(self, group: Grouped) -> Tensor:
        """Return the cluster of each weight, `[elements]`: 1 … 2^bits in the order of their values, 0 for zero."""
        bits = self._config.bits
        for pattern, some in self._config.layer_bits.items():
            if fnmatch.fnmatch(group.layer, pattern):
                bits = some
        flat = group.weight.detach().reshape(-1).cpu().numpy().astype(np.float64)
        nonzero = flat != 0
        clusters = np.zeros(flat.size, np.int64)
        if nonzero.any():
            row = flat[None, nonzero]
            table = np.unique(kmeans(row, 2**bits))[None]
            clusters[nonzero] = nearest(row, table)[0] + 1
        return torch.from_numpy(clusters).to(group.weight.device)


def _share(weight: Tensor, clusters: Tensor) -> None:
    """Give the weights of each cluster their mean; cluster 0 becomes zero."""
    with torch.no_grad():
        flat = weight.detach().reshape(-1).double()
        sums = torch.bincount(clusters, flat)
        counts = torch.bincount(clusters).clamp_min(1)
        means = sums / counts
        means[0] = 0.0
        weight.copy_(means[clusters].reshape(weight.shape).to(weight.dtype))
