"""Figure: a form per layer: error of the outputs at most 0.7 of what one form for all, or sizes alone, give.

Core ML: palettes of 2, 3, 4, 6 or 8 bits per layer, in the bytes that 4 bits for all layers take, against
these. LiteRT: 4- or 8-bit integers at 5 bits per weight, against the better of the two assignments that
go by size alone, largest or smallest layers first. The error is the relative L2 distance of the files'
outputs from the network's, on photographs other than those that the choice was made on.

With --bound each layer of LiteRT's file is made of 4 bits alone, and the choice is made on the errors so
measured, on the photographs that are judged on: what is left to gain by knowing sensitivities better.
"""

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import outcome

from mobilekit import pipeline, runtime
from mobilekit.core import artifact
from mobilekit.core.quantization import Quantization
from mobilekit.core.reports import LayerQuantization
from mobilekit.core.targets import CoremlTarget, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.data.images import bundled, image_set
from mobilekit.export.processes import Worker
from mobilekit.export.quantization.job import Job
from mobilekit.pipeline.adapting import from_file, to_file
from mobilekit.pipeline.mixing import Mixing, literal, mix
from mobilekit.pipeline.samples import sample_inputs
from mobilekit.runtime import program as programs
from mobilekit.search.allotment import Choice, by_size, least_error

NETS = (
    "torchvision:resnet18", "torchvision:mobilenet_v2", "torchvision:efficientnet_b0",
    "mobile-hourglass:f32t6", "dfbuster",
)  # fmt: skip
PALETTES = tuple(f"weights:palette{bits}" for bits in (2, 3, 4, 6, 8))
INTEGERS = ("weights:int4", "weights:int8")
UNIFORM, SYSTEM, BITS, BAR = "weights:palette4", "ios18", 5.0, 0.7
FILES = {"coreml": "model.mlpackage", "tflite": "model.tflite"}
SHOWN, SEED = 4, 0
"""The first bundled photographs are chosen on, the others judged on."""


def main() -> int:
    """Print a row per network and format; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--formats", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--pixels", type=int, default=96, help="of a side of the input")
    parser.add_argument("--keep", type=Path, help="folder of artifacts to use again")
    parser.add_argument("--bound", action="store_true", help="measure each layer alone, too")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    compare = {"coreml": palettes, "tflite": bounded if options.bound else integers}
    with tempfile.TemporaryDirectory() as scratch:
        for net in options.nets:
            folder = exported(net, options.pixels, options.keep or Path(scratch))
            for kind in options.formats:
                found = compare[kind](folder)
                rows.append({"network": net, "format": kind, **found, "met": found["ratio"] <= BAR})
                sys.stderr.write(f"{rows[-1]}\n")
    result = {
        "pixels": options.pixels,
        "load_average": outcome.load(),
        "bar": BAR,
        "met": all(one["met"] for one in rows),
        "rows": rows,
    }
    return outcome.finish(result, options.json)


def exported(net: str, pixels: int, place: Path) -> Path:
    """Export a network's files of floats, once."""
    folder = place / f"{net.rpartition(':')[2]}-{pixels}"
    if not folder.exists():
        request = pipeline.ExportRequest(
            reference=net,
            targets=(CoremlTarget("ios18"), TfliteTarget()),
            out=folder,
            inputs=(TensorSpec("image", (1, 3, pixels, pixels), layout="NCHW"),),
            image_count=1,
            runs=0,
        )
        pipeline.export(request, lambda _: None)
    return folder


def palettes(folder: Path) -> dict[str, Any]:
    """Compare palettes per layer with one size of palette for all, in Core ML."""
    rows, uniform = made(folder, "coreml", Quantization(UNIFORM))
    size = float(sum(row.stored_bytes for row in rows))
    return {
        **chosen(folder, Mixing("coreml", PALETTES, "size", size), uniform),
        UNIFORM: round(uniform, 5),
    }


def integers(folder: Path) -> dict[str, Any]:
    """Compare integers per layer with assignments by size, in LiteRT."""
    choices, size = sizes(folder)
    errors = {}
    for order in ("largest first", "smallest first"):
        found = by_size(choices, size, largest_first=order == "largest first")
        _, errors[order] = made(folder, "tflite", assigned(found))
    mixing = Mixing("tflite", INTEGERS, "mean_bits", BITS)
    others = {order: round(one, 5) for order, one in errors.items()}
    return {**chosen(folder, mixing, min(errors.values())), **others}


def bounded(folder: Path) -> dict[str, Any]:
    """Add the ratio that a choice on measured errors has."""
    found = integers(folder)
    choices, size = sizes(folder)
    small, exact = INTEGERS
    _, least = made(folder, "tflite", Quantization(exact))
    for layer, (few, many) in choices.items():
        _, error = made(folder, "tflite", Quantization(exact, {literal(layer): small}))
        choices[layer] = [
            replace(few, error=max(error**2 - least**2, 0.0)),
            replace(many, error=0.0),
        ]
    _, error = made(folder, "tflite", assigned(least_error(choices, size)))
    other = min(found["largest first"], found["smallest first"])
    return {**found, "ratio_of_measured": round(error / other, 3)}


def sizes(folder: Path) -> tuple[dict[str, list[Choice]], float]:
    """Return the bytes of each layer's integers, and those that all may take."""
    choices: dict[str, list[Choice]] = {}
    for words in INTEGERS:
        rows, _ = made(folder, "tflite", Quantization(words))
        for row in rows:
            one = Choice(words, row.stored_bytes, row.error_energy)
            choices.setdefault(row.layer, []).append(one)
    return choices, BITS / 8 * sum(row.elements for row in rows)


def assigned(found: Mapping[str, Choice]) -> Quantization:
    """Return the quantization that gives each layer its form."""
    return Quantization(INTEGERS[0], {literal(layer): one.name for layer, one in found.items()})


def chosen(folder: Path, mixing: Mixing, other: float) -> dict[str, Any]:
    """Choose forms and say how far the file is from the network, over what another file is."""
    began = time.monotonic()
    manifest = artifact.read_manifest(folder)
    mixed = mix(folder, manifest, mixing, SHOWN, SEED, lambda _: None)
    seconds = time.monotonic() - began
    rows, error = made(folder, mixing.format, mixed.quantization)
    return {
        "ratio": round(error / other, 3),
        "error": round(error, 5),
        "expected": round(10 ** (-mixed.expected_sqnr_db / 20), 5),
        "mean_bits": round(
            8 * sum(r.stored_bytes for r in rows) / sum(r.elements for r in rows), 3
        ),
        "layers": {
            words: sum(row.stored == words for row in rows)
            for words in sorted({row.stored for row in rows})
        },
        "seconds": round(seconds, 1),
    }


def made(
    folder: Path, kind: str, quantization: Quantization
) -> tuple[tuple[LayerQuantization, ...], float]:
    """Make a file; return how its layers are stored, and the relative L2 error of its outputs."""
    with Worker(kind) as worker, tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / FILES[kind]
        job = Job(
            "quantize", kind, str(folder / FILES[kind]), str(out), quantization,
            str(folder / artifact.PROGRAM), SYSTEM if kind == "coreml" else "",
        )  # fmt: skip
        return worker.quantize(job).layers, distance(folder, out)


def distance(folder: Path, file: Path) -> float:
    """Return the relative L2 distance of a file's outputs from the network's."""
    floats = next(f for f in artifact.read_manifest(folder).files if f.path == file.name)
    program = programs.load(folder / artifact.PROGRAM)
    images = image_set("judged", bundled().images[SHOWN:], "bundled photographs")
    runner = runtime.open_model(file)
    energies = np.zeros(2)
    for arrays in sample_inputs(program, images, None, SEED)[0].inputs:
        wanted = programs.run(program, arrays)
        outputs = runner.run(to_file(arrays, program.inputs, floats.inputs))
        found = from_file(outputs, program.outputs, floats.outputs)
        for name, values in wanted.items():
            exact = values.astype(np.float64)
            error = found[name].astype(np.float64) - exact
            energies += (error**2).sum(), (exact**2).sum()
    return float(np.sqrt(energies[0] / energies[1]))


if __name__ == "__main__":
    sys.exit(main())
