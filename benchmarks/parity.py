"""Figure: each file of each network computes what the network computes.

Every network is exported to each format and precision with seeded weights and warmed batch norms,
run on bundled photographs and on noise, and compared with PyTorch: relative L2 error of the worst
output, beside the error that PyTorch itself has at that precision on the same inputs. Bars:
float32 at most 1e-5; Core ML float16 at most twice the error of `module.half()`, greatest against greatest, where
the list asks for it, else at most twice the error of rounding every operator, on each set. LiteRT keeps
only weights in float16: the verdict of `verify` counts.
"""

import argparse
import dataclasses
import gc
import json
import os
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mobilekit.core import artifact
from mobilekit.core.artifact import Manifest, ModelFile
from mobilekit.core.errors import MobilekitError
from mobilekit.core.targets import CoremlTarget, OnnxTarget, Target, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.pipeline import ExportRequest, export, samples

NETWORKS = Path(__file__).with_name("networks.toml")
ROUNDS: tuple[tuple[Target, ...], ...] = (
    (CoremlTarget(precision="float16"), TfliteTarget(precision="float32"), OnnxTarget()),
    (CoremlTarget(precision="float32"), TfliteTarget(precision="float16")),
)
"""An artifact holds one file per format, so two exports make the five files."""
PRECISIONS = ("float32", "float16")
IMAGES = 4
FLOAT32_BAR = 1e-5
FLOAT16_RATIO_BAR = 2.0


@dataclass(frozen=True)
class Row:
    """One file: its worst output over all sets, and whether the bar is met."""

    network: str
    input: str
    format: str
    precision: str
    verdict: str
    relative_l2: float | None = None
    sqnr_db: float | None = None
    own_relative_l2: float | None = None
    """PyTorch's own error at this precision, of the same output on the same set."""
    ratio: float | None = None
    """Greatest of error / own error over outputs and sets."""
    half_relative_l2: float | None = None
    """Greatest error of `module.half()` over outputs and sets, where it was run."""
    worst: str = ""
    met: bool = False
    reason: str = ""


def main() -> int:
    """Print a line per file; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="names of networks")
    parser.add_argument("--json", type=Path, help="write the result here")
    arguments = parser.parse_args()
    chosen = networks(arguments.only)
    load = os.getloadavg()[0]
    print(f"{len(chosen)} networks, load average {load:.2f}")
    print(
        f"{'network':<32} {'format':<7} {'precision':<9} {'rel. L2':>9} {'dB':>6} {'own':>9}"
        f" {'ratio':>6} {'half':>9}  verdict"
    )
    rows: list[Row] = []
    for network in chosen:
        for row in measured(network):
            print(line(row), flush=True)
            rows.append(row)
        write(arguments.json, rows, load)
    missed = [row for row in rows if not row.met]
    print(f"{len(rows) - len(missed)} of {len(rows)} files meet the bar")
    return 1 if missed or not rows else 0


def networks(only: list[str]) -> list[dict[str, object]]:
    """Read the list; `only` picks by reference, with or without its library."""
    listed = tomllib.loads(NETWORKS.read_text())["network"]
    unknown = set(only) - {name(n) for n in listed} - {n["reference"] for n in listed}
    if unknown:
        sys.exit(f"--only: not in {NETWORKS.name}: {', '.join(sorted(unknown))}")
    return [n for n in listed if not only or {name(n), n["reference"]} & set(only)]


def name(network: dict[str, object]) -> str:
    """Return the reference without its library."""
    return str(network["reference"]).rpartition(":")[2]


def request_for(
    network: dict[str, object], targets: tuple[Target, ...], out: Path
) -> ExportRequest:
    """Return the export of one network of the list."""
    shape = network.get("input")
    inputs = (TensorSpec("image", tuple(shape), layout="NCHW"),) if shape else ()  # type: ignore[arg-type]
    return ExportRequest(
        reference=str(network["reference"]),
        targets=targets,
        out=out,
        inputs=inputs,
        arguments=dict(network.get("arguments", {})),  # type: ignore[call-overload]
        image_count=IMAGES,
        runs=0,
    )


def measured(network: dict[str, object]) -> Iterator[Row]:
    """Export one network in rounds, and give a row per file."""
    for targets in ROUNDS:
        with tempfile.TemporaryDirectory() as place:
            out = Path(place) / "artifact"
            try:
                began = time.monotonic()
                _, manifest = export(request_for(network, targets, out), lambda _: None)
                print(f"# {name(network)}: {time.monotonic() - began:.0f} s", file=sys.stderr)
            except MobilekitError as problem:
                yield from (_lost(network, target, str(problem)) for target in targets)
                continue
            yield from _rows(network, manifest, out)
        gc.collect()


def _rows(network: dict[str, object], manifest: Manifest, out: Path) -> Iterator[Row]:
    from mobilekit.runtime import program as programs
    from mobilekit.verify.conditioning import own_error

    program = programs.load(out / artifact.PROGRAM)
    images = samples.choose_images(None, IMAGES, 0)
    groups = samples.sample_inputs(program, images, manifest.normalization, 0)
    own: dict[tuple[str, str], dict[str, float]] = {
        (precision, group.name): own_error(program, group.inputs, precision)
        for precision in PRECISIONS
        for group in groups
    }
    wanted = network.get("half") and any(_is_half(file) for file in manifest.files)
    half = half_error(network, groups) if wanted else None
    shape = "x".join(map(str, manifest.inputs[0].shape))
    for file in manifest.files:
        row = row_of(name(network), shape, file, own)
        yield beside_half(row, half) if half is not None and _is_half(file) else row
    for failure in manifest.failures:
        yield _lost(network, failure.target, failure.reason)


def _is_half(file: ModelFile) -> bool:
    return isinstance(file.target, CoremlTarget) and file.target.precision == "float16"


def row_of(
    network: str, shape: str, file: ModelFile, own: dict[tuple[str, str], dict[str, float]]
) -> Row:
    """Judge one file by the bars.

    Args:
        network: its name.
        shape: of the first input.
        file: with its parity report.
        own: (precision, set) → output → PyTorch's own relative error.
    """
    parity = file.parity
    found = [
        (output.relative_l2, own[parity.precision, group.inputs][output.output], group, output)
        for group in parity.sets
        for output in group.outputs
    ]
    if not found:
        return _lost({"reference": network}, file.target, parity.reason)
    error, expected, group, output = max(found, key=lambda entry: entry[0])
    ratio = max((e / o if o else float(e > 0) * 1e9) for e, o, _, _ in found)
    bar = {
        ("float32", parity.format): error <= FLOAT32_BAR,
        ("float16", "coreml"): ratio <= FLOAT16_RATIO_BAR,
    }.get((parity.precision, parity.format), True)
    return Row(
        network,
        shape,
        parity.format,
        parity.precision,
        parity.verdict,
        relative_l2=error,
        sqnr_db=output.sqnr_db if error else None,
        own_relative_l2=expected,
        ratio=ratio,
        worst=f"{output.output} on {group.inputs}",
        met=bar and parity.verdict == "pass",
        reason=parity.reason,
    )


def beside_half(row: Row, half: float) -> Row:
    """Judge a float16 file by the error of `module.half()`, which was run."""
    met = row.verdict == "pass" and (row.relative_l2 or 0.0) <= FLOAT16_RATIO_BAR * half
    return dataclasses.replace(row, half_relative_l2=half, met=met)


def half_error(network: dict[str, object], groups: list[samples.InputSet]) -> float:
    """Return the greatest relative L2 error of `module.half()` over all outputs and sets."""
    import torch

    from mobilekit.export.program import flatten, normalization_of
    from mobilekit.nets.sources import load_source

    request = request_for(network, (), Path())
    source = load_source(
        request.reference, arguments=request.arguments, weights=None, inputs=request.inputs
    )
    normalize = normalization_of(source.normalization, source.inputs) or torch.nn.Identity()

    def results(group: samples.InputSet, dtype: torch.dtype) -> list[list[torch.Tensor]]:
        source.module.to(dtype)
        with torch.no_grad():
            made = [
                source.module(
                    *(
                        (
                            torch.from_numpy(a[s.name])
                            if i
                            else normalize(torch.from_numpy(a[s.name]))
                        ).to(dtype)
                        for i, s in enumerate(source.inputs)
                    )
                )
                for a in group.inputs
            ]
        return [[value.double() for _, value in flatten(one)] for one in made]

    exact = [results(group, torch.float32) for group in groups]
    rough = [results(group, torch.float16) for group in groups]
    worst = 0.0
    for first, second in zip(exact, rough, strict=True):
        for index in range(len(first[0])):
            x = torch.stack([one[index] for one in first])
            y = torch.stack([one[index] for one in second])
            worst = max(worst, float((y - x).norm() / x.norm()))
    return worst


def _lost(network: dict[str, object], target: Target, reason: str) -> Row:
    from mobilekit.core.targets import format_of

    return Row(name(network), "", format_of(target), target.precision, "none", reason=reason)


def line(row: Row) -> str:
    """Write a row as one line of the table."""

    def shown(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    return (
        f"{row.network:<32} {row.format:<7} {row.precision:<9} {shown(row.relative_l2, '.2e'):>9}"
        f" {shown(row.sqnr_db, '.1f'):>6} {shown(row.own_relative_l2, '.2e'):>9}"
        f" {shown(row.ratio, '.2f'):>6} {shown(row.half_relative_l2, '.2e'):>9}"
        f"  {row.verdict}{'' if row.met else ', bar missed'} {row.reason}".rstrip()
    )


def write(path: Path | None, rows: list[Row], load: float) -> None:
    """Write what is known so far; the file's rows of other networks are kept."""
    if path is None:
        return
    new = {row.network for row in rows}
    kept = json.loads(path.read_text())["rows"] if path.is_file() else []
    places = {name(network): index for index, network in enumerate(networks([]))}
    table = [row for row in kept if row["network"] not in new and row["network"] in places]
    table += [dataclasses.asdict(row) for row in rows]
    table.sort(key=lambda row: places[row["network"]])
    content = {
        "bars": {"float32_relative_l2": FLOAT32_BAR, "float16_ratio": FLOAT16_RATIO_BAR},
        "images": IMAGES,
        "noise": samples.NOISE_SAMPLES,
        "load_average": load,
        "networks": len({row["network"] for row in table}),
        "met": all(row["met"] for row in table),
        "rows": table,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
