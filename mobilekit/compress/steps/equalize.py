"""Give the channels between two layers equal ranges in both; the function stays what it was.

What it does:
    Finds pairs of layers (convolution, transposed convolution, linear) where one alone reads what the
    other makes, through nothing but calls that let a positive scale per channel pass: ReLU, LeakyReLU,
    PReLU, pooling, resizing, flattening. Filters of the first are divided by s = √(r₁ r₂) / r₂, what the
    second reads of them is multiplied by s, r₁ and r₂ being the channel's largest weight in each. The
    pairs of a row, a depthwise layer between two others included, are repeated until they settle. All
    is computed in float64 and rounded once. Every other layer is named, with the reason.

When to use it:
    Behind `fold`, before weights get one scale per layer (`per_tensor`), or few bits: a filter a hundred
    times smaller than its neighbour keeps its bits.

When not:
    Before `fold`: a batch norm in between makes ranges mean nothing, and is not crossed. Before training:
    it changes the steps. Behind ReLU6 and smooth activations nothing can move. With one scale per output
    channel there is little to gain, and activations that are quantized too get other ranges: compare.

Source:
    Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction", section
    4.1, equations 7 to 11. There the pairs of one block, here all that the graph shows; high biases are
    not absorbed. Channels smaller than 2⁻²⁴ of their layer's largest are left.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor, nn

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.equalization.pairs import Left, Pair, pairs_of
from mobilekit.compress.equalization.scales import ROUNDS, Scaling, rescale, scaling
from mobilekit.compress.folding.layers import Layer
from mobilekit.compress.graph.record import record
from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError, suggestion
from mobilekit.core.seeding import child_seed

LIMIT = 1e-5
"""Largest change of an output, as a share of its largest value, that is rounding in float32."""


@dataclass(frozen=True)
class Equalized:
    """A network of the same function with channels of equal ranges, and an account of its layers."""

    network: nn.Module
    pairs: tuple[tuple[str, str], ...]
    """Paths of the layer that makes and the layer that reads."""
    left: tuple[Left, ...]
    rounds: int
    before: float
    """Precision (0–1): a channel's share of its layer's range where it is made, times that where it is
    read, averaged over channels."""
    after: float


def equalize(network: nn.Module, inputs: Sequence[Tensor], skip: Collection[str] = ()) -> Equalized:
    """Equalize the ranges of channels between layers.

    Args:
        network: any module; it is left as found, the result is a copy in the same modes.
        inputs: examples of its positional inputs; only shapes and types matter.
        skip: paths of layers that are to stay.

    Raises:
        NoEffectError: no two layers can be equalized, or all are already.
        ModelError: the network cannot be traced, or holds numbers that are not finite.
        RecipeError: `skip` names something that is no layer of a pair.
    """
    result = duplicate(network)
    found, left = pairs_of(result, record(result, inputs))
    pairs, skipped = _wanted(found, skip)
    left += skipped
    if not pairs:
        raise NoEffectError(f"equalize: {_nothing(left)}")
    layers = {layer.module: layer for pair in pairs for layer in (pair.producer, pair.consumer)}
    for layer in layers.values():
        _finite(layer, "holds NaN or infinity; mend it first")
    plan = scaling(pairs)
    if not plan.rounds:
        raise NoEffectError(
            f"equalize: the ranges of all {len(pairs)} pairs of layers are equal already; leave this"
            " step out"
        )
    for module, layer in layers.items():
        rescale(layer, plan.sizes[module])
        _finite(layer, "is too large for its type when equalized; name the layer in `skip`")
    return _account(result, pairs, left, plan)


class Equalize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    skip: tuple[str, ...] = ()
    """Paths of layers that stay as they are, such as `features.1`."""

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the equalized network, compared with the given one on inputs of noise.

        Raises:
            NoEffectError: nothing can be equalized.
            ModelError: the network cannot be traced, or the outputs differ.
            RecipeError: `skip` names something that is no layer of a pair.
        """
        context.progress("equalizing channels between layers")
        result = equalize(network, context.inputs, self.skip)
        samples, _ = resolutions(network, context.inputs, child_seed(context.seed, "equalize"))
        samples += [list(sample) for sample in context.calibration[:1]]
        error = residual(network, result.network, samples)
        limit = _limit(network)
        if not error <= limit:
            raise ModelError(
                f"equalize: the outputs changed by {error:.1e} of the largest (at most {limit:.1e} is"
                " rounding): the network depends on something that its calls do not show; use `skip`"
            )
        notes = [
            f"equalized {len(result.pairs)} pairs of layers in {result.rounds} rounds",
            f"precision of the channels (share of a layer's range, made times read): {result.before:.2f}"
            f" before, {result.after:.2f} now",
            *(f"{one.path} keeps its ranges: {one.reason}" for one in result.left),
        ]
        if result.rounds == ROUNDS:
            notes.insert(1, "the ranges had not settled by then; the function is the same")
        count = count_parameters(network)
        return result.network, StepReport("equalize", count, count, error, tuple(notes))


def _wanted(found: list[Pair], skip: Collection[str]) -> tuple[list[Pair], list[Left]]:
    known = {layer.path for pair in found for layer in (pair.producer, pair.consumer)}
    for path in skip:
        if path not in known:
            raise RecipeError(
                f"equalize.skip: {path!r} is no layer that would be equalized.{suggestion(path, known)}"
            )
    pairs, left = [], []
    for pair in found:
        named = {pair.producer.path, pair.consumer.path} & set(skip)
        if named:
            left.append(Left(pair.producer.path, f"{min(named)} is named in `skip`"))
        else:
            pairs.append(pair)
    return pairs, left


def _nothing(left: Sequence[Left]) -> str:
    if not left:
        return "the network has no convolution or linear layer; leave this step out"
    norms = [one for one in left if one.norm]
    if norms:
        return (
            f"batch norms stand between the layers ({norms[0].path}: {norms[0].reason}); put the step"
            " `fold` before this one"
        )
    more = f" (and {len(left) - 3} more)" if len(left) > 3 else ""
    reasons = "; ".join(f"{one.path}: {one.reason}" for one in left[:3])
    return f"no two layers can be equalized: {reasons}{more}"


def _finite(layer: Layer, words: str) -> None:
    for name in ("weight", "bias"):
        tensor = getattr(layer.module, name)
        if tensor is not None and not tensor.isfinite().all():
            raise ModelError(f"equalize: {layer.path}.{name} {words}")


def _account(
    network: nn.Module, pairs: Sequence[Pair], left: Sequence[Left], plan: Scaling
) -> Equalized:
    named = tuple((pair.producer.path, pair.consumer.path) for pair in pairs)
    return Equalized(network, named, tuple(left), plan.rounds, plan.before, plan.after)


def _limit(network: nn.Module) -> float:
    """Return what is rounding: half of the digits where a type is coarser than float32."""
    kinds = {tensor.dtype for tensor in network.parameters() if tensor.is_floating_point()}
    coarse = max((torch.finfo(kind).eps for kind in kinds), default=0.0)
    return math.sqrt(coarse) if coarse > torch.finfo(torch.float32).eps else LIMIT
