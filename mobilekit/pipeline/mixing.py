"""A form for each layer: the least error within a size, or the smallest file within an error."""

import math
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from mobilekit.core import artifact
from mobilekit.core.artifact import Manifest
from mobilekit.core.errors import RecipeError
from mobilekit.core.quantization import Quantization, parse
from mobilekit.core.reports import LayerQuantization
from mobilekit.core.support import Place, require
from mobilekit.core.targets import CoremlTarget
from mobilekit.pipeline import samples

if TYPE_CHECKING:
    from torch import Tensor

    from mobilekit.runtime.program import Program
    from mobilekit.search.allotment import Choice

Progress = Callable[[str], None]
Bound = Literal["mean_bits", "size", "sqnr"]
GLYPHS = "*?["
"""What a pattern would not take literally."""


class Mixing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be chosen for each layer, and what all together must keep to."""

    format: Place
    forms: tuple[str, ...]
    bound: Bound
    """Bits per weight at most, scales and tables included; bytes of weights at most; or least SQNR of the
    outputs in dB, as it is expected."""
    value: float


class Mixed(msgspec.Struct, frozen=True):
    """The choice, with what is expected of it."""

    quantization: Quantization
    mean_bits: float
    expected_sqnr_db: float
    uniform: tuple[str, ...]
    """A line per form, if all layers had it."""


def mix(
    folder: Path, manifest: Manifest, mixing: Mixing, images: int, seed: int, progress: Progress
) -> Mixed:
    """Choose a form for each layer of an artifact's file of floats.

    Each form is made of the whole file once, which tells what each layer takes and how far its weights are
    from what they were; one backward pass per image and draw tells how much the outputs are moved by that.

    Raises:
        RecipeError: one form only, forms of different activations, or a bound that none of them can keep.
        ArtifactError: there is no file of floats of the format.
    """
    from mobilekit.runtime import program as programs
    from mobilekit.search.sensitivity import sensitivities

    _check(mixing)
    program = programs.load(folder / artifact.PROGRAM)
    rows = _made(folder, manifest, mixing, progress)
    progress("measuring how much each layer's weights matter")
    chosen = samples.choose_images(None, images, seed)
    group = samples.sample_inputs(program, chosen, manifest.normalization, seed)[0]
    moved = sensitivities(program, group.inputs, seed=seed)
    return solved(mixing, rows, choices_of(rows, program, moved))


def _check(mixing: Mixing) -> None:
    forms = [parse(words) for words in mixing.forms]
    if len({form.words for form in forms}) < 2:
        raise RecipeError("quantize: --choose needs two forms or more")
    if len({form.activations for form in forms}) > 1 or forms[0].calibrated:
        raise RecipeError(
            "quantize: --choose needs forms of weights alone, or all with dynamic activations:"
            f" {', '.join(mixing.forms)} differ"
        )


def _made(
    folder: Path, manifest: Manifest, mixing: Mixing, progress: Progress
) -> dict[str, tuple[LayerQuantization, ...]]:
    """Make each form of the whole file, for its layers' sizes and errors."""
    from mobilekit.export.processes import Worker
    from mobilekit.export.quantization.job import Job

    kind, file = mixing.format, artifact.floats_of(manifest, mixing.format)
    system = file.target.minimum_os if isinstance(file.target, CoremlTarget) else ""
    for words in mixing.forms:
        require(parse(words), kind, system or "ios18")
    found = {}
    with Worker(kind) as worker, tempfile.TemporaryDirectory(prefix="mobilekit-") as scratch:
        for index, words in enumerate(mixing.forms):
            progress(f"trying {words}")
            job = Job(
                "quantize",
                kind,
                str(folder / file.path),
                str(Path(scratch) / f"{index}{Path(file.path).suffix}"),
                Quantization(words),
                str(folder / artifact.PROGRAM),
                system,
            )
            found[words] = worker.quantize(job).layers
    return found


def choices_of(
    rows: Mapping[str, tuple[LayerQuantization, ...]],
    program: "Program",
    moved: "Mapping[str, Tensor]",
) -> "dict[str, list[Choice]]":
    """Return what each layer may become, with its bytes and what it is expected to do to the outputs.

    Layers that no parameter of the network belongs to are as harmful as the most sensitive one.
    """
    from mobilekit.runtime.program import weights_of
    from mobilekit.search.allotment import Choice
    from mobilekit.search.sensitivity import expected, factors

    weights, folded = weights_of(program), factors(program)
    most = max((float(one.max()) for one in moved.values()), default=1.0)
    found: dict[str, list[Choice]] = {}
    for words, layers in rows.items():
        weighing = parse(words).weights
        by_channel = weighing.granularity == "channel" or weighing.scaled
        for row in layers:
            name = next((n for n in (f"{row.layer}.weight", row.layer) if n in moved), None)
            relative = row.error_energy / row.signal_energy if row.signal_energy else 0.0
            if name is None:
                error = row.error_energy * most
            else:
                error = expected(
                    moved[name],
                    weights[name],
                    relative,
                    by_channel=by_channel,
                    factor=folded.get(name),
                )
            found.setdefault(row.layer, []).append(Choice(words, row.stored_bytes, error))
    return found


def solved(
    mixing: Mixing,
    rows: Mapping[str, tuple[LayerQuantization, ...]],
    choices: "Mapping[str, list[Choice]]",
) -> Mixed:
    """Choose within the bound."""
    from mobilekit.search.allotment import least_error, least_size

    elements = {row.layer: row.elements for layers in rows.values() for row in layers}
    total = sum(elements.values())
    if mixing.bound == "sqnr":
        found = least_size(choices, 10 ** (-mixing.value / 10))
    else:
        size = mixing.value if mixing.bound == "size" else mixing.value * total / 8
        found = least_error(choices, size)
    common = Counter(one.name for one in found.values()).most_common(1)[0][0]
    layers = {layer: one.name for layer, one in found.items() if one.name != common}
    error = sum(one.error for one in found.values())
    return Mixed(
        Quantization(common, {literal(layer): words for layer, words in layers.items()}),
        8 * sum(one.size for one in found.values()) / total,
        -10 * math.log10(error) if error else math.inf,
        tuple(_line(words, choices, total) for words in rows),
    )


def literal(name: str) -> str:
    """Return the pattern that matches one name alone.

    >>> literal("features.0"), literal("a[0]")
    ('features.0', 'a[[]0]')
    """
    return "".join(f"[{letter}]" if letter in GLYPHS else letter for letter in name)


def _line(words: str, choices: "Mapping[str, list[Choice]]", total: int) -> str:
    some = [one for options in choices.values() for one in options if one.name == words]
    error = sum(one.error for one in some)
    decibels = f"{-10 * math.log10(error):.1f} dB" if error else "exact"
    return f"{words} for all: {8 * sum(one.size for one in some) / total:.2f} bits, {decibels} expected"
