"""Say in which form the network is delivered: stored smaller, after training, in the files of both formats.

What it does:
    Checks the form, and the forms of single layers, against the network, and writes them down as a plan.
    The network stays as it is. Every Core ML and LiteRT target without a `quantize` of its own is made in
    this form, from the file of floats; a target that names another form is an error, not a second opinion.

When to use it:
    As the last step, where all files of a recipe shall have one form: once here, instead of per target.
    Behind a training with `quantize_aware` of the same form, whose integers and ranges the files then hold.

When not:
    For several files per format, or a form per format: `quantize` of the targets says that. To make up for
    what the form loses: `quantize_aware` trains for it, and `equalize` and `correct_biases` come before.

Source:
    Krishnamoorthi 2018, section 3, for integers after training; the formats' own tables of forms
    (`mobilekit methods quantize`).
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from torch import nn

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.core.config import from_mapping
from mobilekit.core.errors import NoEffectError, RecipeError, suggestion
from mobilekit.core.quantization import FLOAT, Observer, Quantization, parse
from mobilekit.core.quantization_plan import LayerPlan, QuantizationPlan

KIND = "quantize"


class Quantize(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    form: str = "static:int8"
    """Words of the form, as `--quantize` takes them."""
    layers: dict[str, str] = {}
    """Pattern of layer names → words of a form, or `float`; the last that matches counts."""
    observer: Observer = "minmax"
    """How ranges of activations follow from calibration images."""
    calibrate: str = ""
    """Folder of calibration images; the recipe's training images without it. `--calibrate` goes before."""
    calibrate_count: Annotated[int, Meta(ge=1)] = 64
    """Calibration images, at most."""
    strict: bool = False
    """A layer that is not stored as asked is an error."""

    def __post_init__(self) -> None:
        if self.form.strip().lower() == FLOAT:
            raise RecipeError(
                "quantize: form: float is what files are without this step; leave it out"
            )
        for words in (self.form, *self.layers.values()):
            if words.strip().lower() != FLOAT:
                parse(words)

    @property
    def wanted(self) -> Quantization:
        """What files are asked to be."""
        return Quantization(parse(self.form).words, self.layers, self.observer, self.strict)

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the network as it is, and the plan.

        Raises:
            NoEffectError: the network has no weights that a form could be of.
            RecipeError: a pattern that matches no layer.
        """
        context.progress(f"planning files in {parse(self.form).words}")
        plan = plan_of(network, self.form, self.layers)
        count = count_parameters(network)
        others = [f"{one.layer} {one.form}" for one in plan.layers]
        others += [f"{name} {FLOAT}" for name in plan.floats]
        notes = [f"files are made in {plan.form}"]
        if others:
            notes.append(f"but for {', '.join(others)}")
        return network, StepReport(KIND, count, count, 0.0, tuple(notes), plan=plan)


def plan_of(network: nn.Module, form: str, layers: Mapping[str, str]) -> QuantizationPlan:
    """Return which form the files of a network shall have.

    Args:
        network: any module.
        form: words of the form of layers that no pattern names.
        layers: pattern of names → words of a form, or `float`; the last that matches counts.

    Raises:
        NoEffectError: the network has no weights of two dimensions and more.
        RecipeError: a form that does not exist, or a pattern that matches no layer.

    >>> plan_of(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), "int8", {"1": "float"})
    QuantizationPlan(form='static:int8', layers=(), floats=('1',), outputs=())
    """
    names = [
        name.removesuffix(".weight")
        for name, weight in network.named_parameters()
        if weight.ndim > 1 and weight.is_floating_point()
    ]
    if not names:
        raise NoEffectError("quantize: the network has no layers with weights")
    found: dict[str, str] = {}
    for pattern, words in layers.items():
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            raise RecipeError(
                f"quantize: layers: no layer with weights is called {pattern!r}."
                f"{suggestion(pattern, names)}"
            )
        text = FLOAT if words.strip().lower() == FLOAT else parse(words).words
        found |= dict.fromkeys(matched, text)
    default = parse(form).words
    others = tuple(
        LayerPlan(name, found[name])
        for name in names
        if found.get(name, default) not in {FLOAT, default}
    )
    return QuantizationPlan(default, others, tuple(n for n in names if found.get(n) == FLOAT))


def step_among(steps: Sequence[Mapping[str, Any]]) -> Quantize | None:
    """Return the step of a recipe that says the form of its files; None without one.

    Args:
        steps: options of all steps, `kind` among them.

    Raises:
        RecipeError: two such steps, or an option that does not fit.
    """
    places = [place for place, options in enumerate(steps) if options.get("kind") == KIND]
    if len(places) > 1:
        raise RecipeError(
            f"steps[{places[1]}]: quantize: steps[{places[0]}] says the form of the files already; keep one"
        )
    for place in places:
        options = {key: value for key, value in steps[place].items() if key != "kind"}
        return from_mapping(options, Quantize, f"steps[{place}]")
    return None
