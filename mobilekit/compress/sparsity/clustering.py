"""Filters that look for the same: clusters of their signature images, so that rare filters survive.

The signature of a filter is the input image that activates it most, found by gradient ascent from noise
(activation maximization, Erhan et al. 2009). The images are encoded by a network and clustered by k-means;
within a cluster the filters compete: all clusters lose their worst members first, and a cluster's best
filter goes only after every other cluster has lost as many.

Source: Hubens' thesis, section 5.4. There the encoder is AlexNet trained on ImageNet; here the network
itself, or a module that is given.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.compress.asking import asking
from mobilekit.compress.graph.untouched import evaluating
from mobilekit.compress.sparsity.grouped import Grouped
from mobilekit.core.errors import ModelError
from mobilekit.core.seeding import child_seed

STEPS, RATE, DECAY = 30, 0.1, 1e-3
ENCODER = "clustered: the encoder"
BATCH = 32
"""Images that are in memory at once with all that the network makes of them."""


@dataclass(eq=False)
class Clusters:
    """The cluster of each filter, per layer, found when first asked for."""

    network: nn.Module
    count: int
    """k, clusters of each layer, at most; fewer where there are fewer filters."""
    image: tuple[int, ...]
    """Shape of one input, `[C, H, W]`."""
    encoder: nn.Module | None = None
    """From images `[N, C, H, W]` to features; the network itself where there is none."""
    seed: int = 0
    steps: int = STEPS
    labels: dict[str, Tensor] = field(default_factory=dict)

    def apart(self, group: Grouped, scores: Tensor) -> Tensor:
        """Return scores by which filters compete within their cluster, shape `[count]`.

        A filter's rank from the best of its cluster decides, the criterion between equal ranks.
        """
        if group.layer not in self.labels:
            self.labels[group.layer] = self._clustered(group)
        return competing(scores, self.labels[group.layer].to(scores.device))

    def check(self) -> None:
        """Make sure that the encoder takes the network's images, before anything is asked of it.

        Raises:
            ModelError: it does not take them, or gives no features.
        """
        if self.encoder is not None:
            encoded(torch.zeros(1, *self.image), self.encoder)

    def state_dict(self) -> dict[str, Any]:
        """Return the clusters that have been found."""
        return {f"clusters.{name}": labels for name, labels in self.labels.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave."""
        start = "clusters."
        self.labels = {
            name.removeprefix(start): labels
            for name, labels in state.items()
            if name.startswith(start)
        }

    def _clustered(self, group: Grouped) -> Tensor:
        seed = child_seed(self.seed, "clusters", group.layer)
        images = signatures(self.network, group.layer, group.count, self.image, seed, self.steps)
        features = encoded(images, self.encoder or self.network)
        return clustered(features, self.count, seed)


def competing(scores: Tensor, labels: Tensor) -> Tensor:
    """Return −rank within the cluster, plus the place among all, below 1; shape `[n]`, float64.

    >>> competing(torch.tensor([9.0, 8.0, 7.0, 1.0]), torch.tensor([0, 0, 0, 1]))  # the last is rare
    tensor([ 0.7500, -0.5000, -1.7500,  0.0000], dtype=torch.float64)
    """
    order = scores.argsort(descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(scores), device=scores.device)
    beaten = (labels == labels.unsqueeze(1)) & (place < place.unsqueeze(1))
    return -beaten.sum(1).double() + (len(scores) - 1 - place).double() / len(scores)


def signatures(
    network: nn.Module,
    layer: str,
    count: int,
    image: Sequence[int],
    seed: int,
    steps: int = STEPS,
) -> Tensor:
    """Find the image that activates each filter of a layer most, by gradient ascent from noise.

    Args:
        network: is left as found.
        layer: path of the layer; its channel k is filter k.
        count: of filters.
        image: shape of one input, `[C, H, W]`.
        seed: of the noise.
        steps: of ascent.

    Returns:
        Shape `[count, C, H, W]`; each image starts from the same noise.

    Raises:
        ModelError: the network does not run, or the layer with it.
    """
    device = next(network.parameters()).device
    dtype = next(network.parameters()).dtype
    generator = torch.Generator().manual_seed(seed)
    start = (torch.randn([1, *image], generator=generator) * 0.1).to(device, dtype)
    ascent = _Ascent(network, network.get_submodule(layer))
    hook = ascent.module.register_forward_hook(ascent.note)
    frozen = [each for each in network.parameters() if each.requires_grad]
    try:
        for each in frozen:
            each.requires_grad_(False)
        with evaluating(network), torch.enable_grad():
            filters = torch.arange(count, device=device).split(BATCH)  # type: ignore[no-untyped-call]
            images = [ascent.climb(start, own, steps) for own in filters]
    except (RuntimeError, ValueError, TypeError, IndexError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ModelError(
            f"clustered: the network gives no signatures of {layer}: {words}"
        ) from problem
    finally:
        hook.remove()
        for each in frozen:
            each.requires_grad_(True)
    return torch.cat(images)


class _Ascent:
    """Climbs from an image to those that activate filters of one layer."""

    def __init__(self, network: nn.Module, module: nn.Module) -> None:
        self.network, self.module = network, module
        self._seen: list[Tensor] = []

    def note(self, _: nn.Module, given: Any, output: Tensor) -> Tensor:
        """Keep what the layer makes; the next may work in place, on a copy."""
        del given
        self._seen.append(output)
        return output.clone()

    def climb(self, start: Tensor, own: Tensor, steps: int) -> Tensor:
        """Return an image per filter, `[own, C, H, W]`."""
        others = [1] * (start.ndim - 1)
        images = start.repeat(len(own), *others)
        for _ in range(steps):
            self._seen.clear()
            images.requires_grad_()
            self.network(images)
            (slope,) = torch.autograd.grad(self._activation(own), images)
            size = slope.flatten(1).norm(dim=1).clamp_min(1e-12)
            step = slope / size.view(-1, *others) * slope[0].numel() ** 0.5
            images = (images * (1 - DECAY) + RATE * step).detach()
        return images

    def _activation(self, own: Tensor) -> Tensor:
        """Return the sum over the images of each one's filter's mean."""
        maps = self._seen[-1]
        if isinstance(self.module, nn.Linear):
            maps = maps.movedim(-1, 1)
        means = maps.flatten(2).mean(2) if maps.ndim > 2 else maps
        return means.gather(1, own.unsqueeze(1)).sum()


def encoded(images: Tensor, encoder: Callable[..., Any]) -> Tensor:
    """Return a vector per image: what the encoder gives, maps averaged, `[N, F]`.

    Raises:
        ModelError: the encoder does not take the images, or gives no tensor of a vector or of maps per image.
    """
    module = encoder if isinstance(encoder, nn.Module) else nn.Identity()
    like = next((each for each in module.parameters() if each.is_floating_point()), None)
    if like is not None:
        images = images.to(like.device, like.dtype)
    with asking(ENCODER, module, [images]), evaluating(module), torch.no_grad():
        parts = [_vectors(encoder(part)) for part in images.split(BATCH)]  # type: ignore[no-untyped-call]
    return torch.cat(parts)


def _vectors(features: Any) -> Tensor:
    if isinstance(features, Mapping):
        features = next(iter(features.values()))
    if isinstance(features, (list, tuple)):
        features = features[0]
    if not isinstance(features, Tensor):
        raise ModelError("clustered: the encoder returns no tensor")
    if features.ndim == 4:
        features = functional.adaptive_avg_pool2d(features, min(4, *features.shape[2:]))
    vectors: Tensor = features.flatten(1)
    return vectors


def clustered(features: Tensor, count: int, seed: int) -> Tensor:
    """Cluster rows by k-means, the same ones for the same seed; int64, shape `[n]`.

    Raises:
        ModelError: a feature that is no number.

    >>> clustered(torch.tensor([[0.0], [9.0], [0.1], [9.1]]), 2, 0).unique_consecutive().numel()
    4
    """
    rows = features.double().cpu().numpy()
    rows = (rows - rows.mean(0)) / np.maximum(rows.std(0), 1e-12)
    if not np.isfinite(rows).all():
        raise ModelError("clustered: the encoder's features of the signatures are not all finite")
    count = min(count, len(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty cluster does no harm
        _, labels = kmeans2(rows, count, minit="++", rng=np.random.default_rng(seed))
    return torch.from_numpy(labels.astype(np.int64))
