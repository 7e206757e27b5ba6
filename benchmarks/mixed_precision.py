"""Figure: a form per layer: error of the outputs at most 0.7 of what one form for all, or sizes alone, give.

Core ML: palettes of 2, 3, 4, 6 or 8 bits per layer, in the bytes that 4 bits for all layers take, against
these. LiteRT: 4- or 8-bit integers at 5 bits per weight, against the better of the two assignments that
go by size alone, largest or smallest layers first. The error is the relative L2 distance of the files'
outputs from the network's, on photographs other than those that the choice was made on.
"""

import os
import sys
import tempfile
import time
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
from mobilekit.search.allotment import Choice, by_size

NETS = (
    "torchvision:resnet18", "torchvision:mobilenet_v2", "torchvision:efficientnet_b0",
    "mobile-hourglass", "dfbuster",
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
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    compare = {"coreml": palettes, "tflite": integers}
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
            targets=(CoremlTarget(minimum_os=SYSTEM), TfliteTarget()),
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
    choices: dict[str, list[Choice]] = {}
    for words in INTEGERS:
        rows, _ = made(folder, "tflite", Quantization(words))
        for row in rows:
            one = Choice(words, row.stored_bytes, row.error_energy)
            choices.setdefault(row.layer, []).append(one)
    size = BITS / 8 * sum(row.elements for row in rows)
    errors = {}
    for order in ("largest first", "smallest first"):
        found = by_size(choices, size, largest_first=order == "largest first")
        layers = {literal(layer): one.name for layer, one in found.items()}
        _, errors[order] = made(folder, "tflite", Quantization(INTEGERS[0], layers))
    mixing = Mixing("tflite", INTEGERS, "mean_bits", BITS)
    found_errors = {order: round(one, 5) for order, one in errors.items()}
    return {**chosen(folder, mixing, min(errors.values())), **found_errors}


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
            energies += ((found[name] - exact) ** 2).sum(), (exact**2).sum()
    return float(np.sqrt(energies[0] / energies[1]))


if __name__ == "__main__":
    sys.exit(main())
