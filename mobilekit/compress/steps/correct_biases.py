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
from torch.nn.modules.conv import _ConvNd

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.graph.untouched import evaluating
from mobilekit.compress.quantization.hooks import Hooks
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
    means = _means(network, inputs)
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
    _correct(result, inputs, {name: means[name] for name in chosen})
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
        inputs = _first(context.calibration, self.images)
        seen = len(inputs[0])
        context.progress(f"correcting biases on {seen} inputs")
        found = correct_biases(network, inputs, self.form, self.layers)
        measure = sqnr(network, [inputs], context.provenance)
        with evaluating(found.rounded), evaluating(found.network):
            before, after = measure.of(found.rounded), measure.of(found.network)
        of = f" of {context.provenance}" if context.provenance else ""
        notes = [
            f"{len(found.corrected)} layers rounded for {self.form} and corrected, on {seen} inputs{of}",
            f"outputs at {before:.1f} dB when rounded, {after:.1f} dB when corrected, on the same inputs",
            *(f"{name} is rounded, not corrected" for name in found.left),
        ]
        counts = count_parameters(network), count_parameters(found.network)
        return found.network, StepReport("correct_biases", *counts, None, tuple(notes))


def _check(words: str) -> None:
    if "palette" in words:
        raise RecipeError(
            f"correct_biases: {words} has no integers to round to; `--quantize` makes the palette itself"
        )


def _first(batches: Sequence[tuple[Tensor, ...]], count: int) -> tuple[Tensor, ...]:
    """Join batches of the first one's shapes into one of at most `count` inputs."""
    if not batches:
        raise DataError(
            "correct_biases: there are no calibration inputs; give some tens of images like those of real"
            " use"
        )
    shapes = [tensor.shape[1:] for tensor in batches[0]]
    alike = [batch for batch in batches if [tensor.shape[1:] for tensor in batch] == shapes]
    return tuple(torch.cat(parts)[:count] for parts in zip(*alike, strict=True))


def _mean(module: nn.Module, outputs: Tensor) -> Tensor:
    """Return the mean of each channel, shaped to be added to outputs, in float64."""
    spatial = len(module.kernel_size) if isinstance(module, _ConvNd) else 0
    axis = outputs.ndim - spatial - 1
    others = [dim for dim in range(outputs.ndim) if dim != axis]
    return outputs.double().mean(others).reshape(-1, *[1] * spatial)


def _layers(network: nn.Module) -> dict[str, _ConvNd | nn.Linear]:
    return {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, (_ConvNd, nn.Linear)) and path
    }


def _means(network: nn.Module, inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the means of every layer that runs once."""
    hooks, found, runs = Hooks(), dict[str, Tensor](), Counter[str]()

    def watch(path: str, module: nn.Module) -> None:
        def act(outputs: Tensor | None) -> None:
            if outputs is not None:
                runs[path] += 1
                found[path] = _mean(module, outputs)

        hooks.behind(module, act)

    for path, module in _layers(network).items():
        watch(path, module)
    _run(network, inputs, hooks)
    for path, mean in found.items():
        if not mean.isfinite().all():
            raise DataError(
                f"correct_biases: the calibration inputs give {path} no finite means; look for NaN in them"
            )
    return {path: mean for path, mean in found.items() if runs[path] == 1}


def _correct(network: nn.Module, inputs: Sequence[Tensor], means: Mapping[str, Tensor]) -> None:
    """Change biases while the network runs, so that each layer sees what the ones before it give now."""
    hooks = Hooks()

    def mend(module: _ConvNd | nn.Linear, wanted: Tensor) -> None:
        def act(outputs: Tensor | None) -> Tensor | None:
            if outputs is None:
                return None
            change = (wanted - _mean(module, outputs)).to(outputs.dtype)
            assert module.bias is not None  # noqa: S101  given below
            module.bias.data.add_(change.flatten())
            return outputs + change

        hooks.behind(module, act)

    layers = _layers(network)
    for path, wanted in means.items():
        module = layers[path]
        if module.bias is None:
            module.bias = nn.Parameter(module.weight.new_zeros(wanted.numel()))
        mend(module, wanted)
    _run(network, inputs, hooks)


def _run(network: nn.Module, inputs: Sequence[Tensor], hooks: Hooks) -> None:
    try:
        with evaluating(network):
            network(*inputs)
    except (RuntimeError, ValueError, TypeError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise DataError(f"correct_biases: calibration inputs: {words}") from problem
    finally:
        hooks.remove()
