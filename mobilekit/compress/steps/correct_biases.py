"""Round weights to the grid of a form, and take what that does to the means of layers into their biases.

What it does:
    Leaves weights on the integers that `form` means, a scale per output channel. Then both networks see the
    same inputs: where a layer's outputs have another mean per channel than before, its bias takes the
    difference, and the layers behind it see the corrected outputs. Layers without a bias get one. The
    report says in decibels how far the outputs are with and without the correction.

When to use it:
    After training, before `--quantize` with the same form, which then finds the same integers: where a
    file loses too much and there is no time or data to train (`quantize_aware`). On images like those of
    real use; some tens are enough for means.

When not:
    Where other variants are made of the same network: its float weights are the rounded ones afterwards.
    With 8 bits per channel, where there is little to correct. For palettes.

Source:
    Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction", section
    4.2, and its empirical correction. Departures: one pass over all inputs at once corrects layer by layer;
    the means are those of the layer's own outputs, before any batch norm; activations stay float.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import torch
from torch import Tensor, nn

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.graph.untouched import evaluating
from mobilekit.compress.quantization.means import means_of, set_means
from mobilekit.compress.quantization.swapping import Swap
from mobilekit.compress.quantization.targets import targets, trainable
from mobilekit.compress.quantization.weights import grid_of
from mobilekit.compress.sensitivity.sqnr import sqnr
from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import DataError, NoEffectError, RecipeError


@dataclass(frozen=True)
class Corrected:
    """A network on its grid, with and without the correction."""

    network: nn.Module
    rounded: nn.Module
    corrected: tuple[str, ...]
    """Paths of the layers whose biases changed."""
    left: tuple[str, ...]
    """Rounded weights without a correction: shared biases, layers that run never or several times."""


def correct_biases(
    network: nn.Module,
    inputs: Sequence[Tensor],
    form: str = "weights:int8",
    layers: Mapping[str, str] | None = None,
) -> Corrected:
    """Round weights and correct the biases.

    Args:
        network: any module; it is left as found, the results are copies in the same modes.
        inputs: one batch of positional inputs like those of real use, `[N, ...]` each.
        form: words such as `weights:int4`; only what it says of weights counts.
        layers: pattern of names → words of a form, or `float`; the last that matches counts.

    Raises:
        NoEffectError: no layer can be corrected.
        RecipeError: a form without integers, or a pattern that matches nothing.
        ModelError: a weight that is computed from others.
        DataError: inputs that the network refuses, or that give no finite means.
    """
    rounded = duplicate(network)
    wanted, _ = targets(rounded, form, layers or {})
    for each in wanted:
        _check(each.form.words)
    grids = {each.name: grid_of(each, learned=False) for each in wanted}
    Swap(grids, {each.name: each.weight for each in wanted}).bake()
    means = means_of(network, inputs)
    result = duplicate(rounded)
    biases = Counter(id(each) for _, each in result.named_parameters(remove_duplicate=False))
    chosen = [
        each.name
        for each in wanted
        if each.name in means and biases[id(result.get_submodule(each.name).bias)] <= 1
    ]
    if not chosen:
        raise NoEffectError(
            "correct_biases: no layer that is rounded runs once as a module with a bias of its own"
        )
    set_means(result, inputs, {name: means[name] for name in chosen})
    left = tuple(each.name for each in wanted if each.name not in chosen)
    return Corrected(result, rounded, tuple(chosen), left)


class CorrectBiases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    form: str = "weights:int8"
    """What to round weights for, in the words of `--quantize`: `weights:int8`, `weights:int4`, ..."""
    layers: dict[str, str] = {}
    """Pattern of names → words of a form, or `float`; the last that matches counts."""
    images: Annotated[int, msgspec.Meta(ge=1)] = 64
    """How many of the calibration inputs the means are of; all run at once."""

    def __post_init__(self) -> None:
        for words in (self.form, *self.layers.values()):
            if words != "float" or words == self.form:
                _check(trainable(words, "correct_biases").words)

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the network on its grid; its function changes, so there is no residual.

        Raises:
            NoEffectError: no layer can be corrected.
            RecipeError: a pattern that matches nothing.
            ModelError: a weight that is computed from others.
            DataError: no or unfit calibration inputs.
        """
        inputs, others = _parted(context.calibration, self.images)
        seen = len(inputs[0])
        context.progress(f"correcting biases on {seen} inputs")
        found = correct_biases(network, inputs, self.form, self.layers)
        judged = others if len(others[0]) else inputs
        measure = sqnr(network, [judged], context.provenance)
        with evaluating(found.rounded), evaluating(found.network):
            before, after = measure.of(found.rounded), measure.of(found.network)
        of = f" of {context.provenance}" if context.provenance else ""
        notes = [
            f"{len(found.corrected)} layers rounded for {self.form} and corrected, on {seen} inputs{of}",
            f"outputs at {before:.1f} dB when rounded, {after:.1f} dB when corrected, on"
            f" {f'{len(judged[0])} others' if len(others[0]) else 'the same inputs'}",
            *(f"{name} is rounded, not corrected" for name in found.left),
        ]
        counts = count_parameters(network), count_parameters(found.network)
        return found.network, StepReport("correct_biases", *counts, None, tuple(notes))


def _check(words: str) -> None:
    if "palette" in words:
        raise RecipeError(
            f"correct_biases: {words} has no integers to round to; `--quantize` makes the palette itself"
        )


def _parted(
    batches: Sequence[tuple[Tensor, ...]], count: int
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Join batches of the first one's shapes; return at most `count` inputs, and as many of the rest."""
    if not batches:
        raise DataError(
            "correct_biases: there are no calibration inputs; give some tens of images like those of real"
            " use"
        )
    shapes = [tensor.shape[1:] for tensor in batches[0]]
    alike = [batch for batch in batches if [tensor.shape[1:] for tensor in batch] == shapes]
    joined = [torch.cat(parts) for parts in zip(*alike, strict=True)]
    return tuple(one[:count] for one in joined), tuple(one[count : 2 * count] for one in joined)
