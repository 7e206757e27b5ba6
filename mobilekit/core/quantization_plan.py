"""What steps leave for those who write files: which form a layer is to have, and the grids it was trained on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from mobilekit.core.errors import RecipeError
from mobilekit.core.quantization import Quantization
from mobilekit.core.targets import (
    CoremlTarget,
    Target,
    TfliteTarget,
    quantization_of,
    quantized,
)

if TYPE_CHECKING:
    from mobilekit.core.reports import StepReport

KEEPING = ("fold", "prune", "flush_denormals", "specialize", "quantize")
"""Steps behind which layers read what they read before, or less of it."""


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an activation was quantized over in training; zero lies in it, and on the grid."""

    low: float
    high: float


class LayerPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One weight of a network, which lies on its grid already."""

    layer: str
    """Name of the weight in the network, without `.weight`."""
    form: str
    """Words of the form; see `mobilekit.core.quantization.parse`."""
    scales: tuple[float, ...] = ()
    """Per output channel; each weight is an integer times its channel's, the largest ±(2^(bits−1) − 1).
    Without one for palettes."""
    table: tuple[float, ...] = ()
    """Of a palette, ascending: each weight is one of these values."""
    input: Range | None = None
    """Of what the layer reads; None where activations are no integers, or are so at run time only."""


class QuantizationPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The grids of a network, layer by layer."""

    form: str
    """Of the layers that no pattern names."""
    layers: tuple[LayerPlan, ...] = ()
    floats: tuple[str, ...] = ()
    """Layers that were left as they are."""
    outputs: tuple[Range | None, ...] = ()
    """Of the network's outputs, in their order; None for one that was never seen."""

    @property
    def forms(self) -> dict[str, str]:
        """Return the words of each layer's form, and `float`: a map for `Quantization.layers`.

        >>> QuantizationPlan("static:int8", (LayerPlan("stem", "weights:int4"),), ("head",)).forms
        {'stem': 'weights:int4', 'head': 'float'}
        """
        return {each.layer: each.form for each in self.layers} | dict.fromkeys(self.floats, "float")


def trained_plan(steps: "Sequence[StepReport]") -> QuantizationPlan | None:
    """Return the plan of a quantization-aware training, as long as its ranges hold.

    Args:
        steps: what was done to the network, in their order.

    Returns:
        None without such a training, or where a step behind it changed what layers read.
    """
    for step in reversed(steps):
        if step.plan is not None and step.kind != "quantize":
            return step.plan
        if step.kind not in KEEPING:
            return None
    return None


def as_planned(targets: Sequence[Target], wanted: Quantization | None) -> tuple[Target, ...]:
    """Return a recipe's targets with the form that its `quantize` step gives those without their own.

    Args:
        targets: of the recipe; ONNX and source files cannot be quantized, and stay.
        wanted: of the step; None without one.

    Raises:
        RecipeError: a target names another form, or its format or system has none such.

    >>> as_planned((TfliteTarget(),), Quantization("static:int8"))[0].quantize
    'static:int8'
    """
    if wanted is None:
        return tuple(targets)
    return tuple(_as_planned(target, wanted, f"targets[{i}]") for i, target in enumerate(targets))


def _as_planned(target: Target, wanted: Quantization, place: str) -> Target:
    if not isinstance(target, CoremlTarget | TfliteTarget):
        return target
    own = quantization_of(target)
    form = own.form if own is not None else ""
    if isinstance(target, TfliteTarget) and target.precision == "float16":
        form = "float16"
    layers = own.layers if own is not None else {}
    if (form and form != wanted.form) or (layers and layers != wanted.layers):
        raise RecipeError(
            f"{place}: quantize: {form}{' with layers of its own' if layers else ''}, and the step quantize"
            f" says {wanted.form}{' with others' if layers and wanted.layers else ''}: say it in one place"
        )
    if form == "float16":
        return target
    if own is not None:
        observer = wanted.observer if own.observer == "minmax" else own.observer
        wanted = msgspec.structs.replace(
            wanted, observer=observer, strict=own.strict or wanted.strict
        )
    try:
        return quantized(target, wanted)
    except RecipeError as problem:
        raise RecipeError(f"{place}: {problem}") from problem
