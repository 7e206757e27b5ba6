"""A Core ML file of floats becomes a smaller one: weights as constant expressions, layer by layer.

What saves no bytes stays as it is and is listed with the reason: a table or a scale per channel, and
the 64 bytes before each blob, can take more than a small layer's weights.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilekit.core.errors import ExportError, NoEffectError, RecipeError
from mobilekit.core.quantization import Form, Observer, Quantization, parse
from mobilekit.core.support import SYSTEMS
from mobilekit.export.quantization.asking import asked
from mobilekit.export.quantization.coreml_activations import (
    collected,
    in_floats,
    points_of,
)
from mobilekit.export.quantization.coreml_encoding import Constant
from mobilekit.export.quantization.coreml_layers import Fate, decided, insist, row_of
from mobilekit.export.quantization.coreml_package import (
    Blobs,
    Package,
    begun,
    blocks,
    ended,
    free_prefix,
    inputs_of,
    opened,
)
from mobilekit.export.quantization.coreml_pairs import with_pairs
from mobilekit.export.quantization.coreml_trained import with_trained
from mobilekit.export.quantization.coreml_weights import weights_of
from mobilekit.export.quantization.coreml_writing import replaced
from mobilekit.export.quantization.made import Quantized
from mobilekit.export.quantization.matching import match
from mobilekit.export.quantization.ranges import Ranges

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays


def quantize(
    file: Path,
    out: Path,
    quantization: Quantization,
    network: "Mapping[str, Array]",
    *,
    minimum_os: str,
    statistics: Ranges | None,
) -> Quantized:
    """Write a smaller copy of a file of floats; the file itself is not touched.

    Args:
        file: of floats (`.mlpackage`).
        out: written anew; what is there goes.
        quantization: forms of all layers and of some.
        network: parameter's name → weights as PyTorch stores them.
        minimum_os: oldest system that is to read the file.
        statistics: ranges of activations, for forms with integer activations.

    Raises:
        ExportError: the file is quantized already, or is where the new one goes; with `strict`, a layer
            is not quantized as asked.
        RecipeError: the file's system cannot hold a form, it needs ranges, or a pattern has no layer.
        NoEffectError: the file has no layers with weights.
    """
    started = time.monotonic()
    package = opened(file)
    if out.resolve() == file.resolve():
        raise ExportError(f"{file}: is the file of floats; write the smaller one elsewhere")
    begun(package, out)
    try:
        blobs = Blobs(package, out)
        fates = _fates(
            package, blobs, quantization, network, minimum_os, calibrated=statistics is not None
        )
        form = parse(quantization.form)
        integer = _integer(package, fates, form)
        rows = tuple(row_of(fate, integer) for fate in fates)
        if quantization.strict:
            insist(rows)
        said: tuple[str, ...] = ()
        if statistics is not None:
            statistics, said = with_trained(package, fates, integer, statistics)
        notes = (*_write(package, fates, blobs, integer, statistics), *said)
        del blobs
        ended(package, out)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return Quantized(rows, notes, seconds=time.monotonic() - started)


def _fates(
    package: Package,
    blobs: Blobs,
    quantization: Quantization,
    network: "Mapping[str, Array]",
    minimum_os: str,
    *,
    calibrated: bool,
) -> list[Fate]:
    """Encode all weights."""
    weights = list(weights_of(package, blobs))
    if not weights:
        raise NoEffectError(f"{package.path.name}: has no layers with weights to quantize")
    names = _names([one.constant for one in weights], network)
    system = min(minimum_os, package.system, key=SYSTEMS.index)
    forms = asked(quantization, names, "coreml", system)
    if not calibrated and any(form and form.calibrated for form in forms):
        raise RecipeError(
            "coreml: static:int8 needs ranges of activations: give calibration inputs"
        )
    return list(map(decided, weights, names, forms))


def _names(constants: list[Constant], network: "Mapping[str, Array]") -> list[str]:
    """Return the layer of each constant, its own name where the network has none."""
    finite = [one for one in constants if np.isfinite(one.values).all()]
    found = match({one.name: one.rows for one in finite}, network)
    # Stacks of matrices have their outputs last, in the network too.
    rest = {one.name: one.values for one in finite if one.name not in found}
    found |= match(rest, network)
    return [found.get(one.name, one.name) for one in constants]


def _integer(package: Package, fates: list[Fate], form: Form) -> set[str]:
    """Return the outputs of the operators that are to have integer activations."""
    integer = {
        taker.outputs[0].name: fate.encoded is not None
        and fate.asked is not None
        and fate.asked.calibrated
        for fate in fates
        for taker in fate.weight.takers
    }
    found: set[str] = set()
    for block in blocks(package.spec):
        for name in points_of(list(block.operations)).cores:
            if integer.get(name, form.calibrated):
                found.add(name)
    return found


def _write(
    package: Package,
    fates: list[Fate],
    blobs: Blobs,
    integer: set[str],
    statistics: Ranges | None,
) -> tuple[str, ...]:
    """Put the new operators into the specification, and all other blobs into the new file."""
    prefix = free_prefix(package.spec)
    new = {
        fate.weight.constant.name: replaced(fate.weight, fate.encoded, blobs, f"{prefix}{number}")
        for number, fate in enumerate(fates)
        if fate.encoded is not None
    }
    floats: Counter[str] = Counter()
    kinds = inputs_of(package.spec)
    for block in blocks(package.spec):
        operations: list[Any] = []
        for operation in block.operations:
            if operation.type == "const" and operation.outputs[0].name in new:
                operations += new[operation.outputs[0].name]
                continue
            for value in operation.attributes.values():
                if value.HasField("blobFileValue"):
                    blobs.move(value)
            operations.append(operation)
        if integer and statistics is not None:
            points = points_of(operations, integer)
            floats += in_floats(operations, points)
            operations = with_pairs(operations, kinds, points, statistics, prefix)
        copies = [type(one).FromString(one.SerializeToString()) for one in operations]
        del block.operations[:]
        block.operations.extend(copies)
    if not floats:
        return ()
    counts = ", ".join(f"{kind} ({count})" for kind, count in sorted(floats.items()))
    return (f"activations stay floats in {counts}",)


def collect(file: Path, inputs: "Iterable[Arrays]", observer: Observer) -> Ranges:
    """Run a file of floats on calibration inputs and return the ranges of what it computes.

    Args:
        file: of floats (`.mlpackage`).
        inputs: in the file's own layout and types.
        observer: how ranges follow from the values.

    Raises:
        DataError: no inputs, or a value becomes infinite.
    """
    return collected(file, inputs, observer)
