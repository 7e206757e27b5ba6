"""Do exported files compute the same on ARM64 as here? `arm64.py MACHINE`, the folder of `arm64_machine.sh`.

Each file runs on its golden inputs by the same version of LiteRT, here and on three emulated processors, which take
other instructions for 8-bit products. Files of integers must give the same bits. For files of floats the bar is the
largest difference between two outputs divided by the largest of the values here, or by 1 where they are smaller (what
is left of sums that cancel out has the rounding of their parts): max |arm - x86| / max(1, max |x86|), for each output
tensor of each sample. How fast the emulated processors are means nothing.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from arm64_models import Subject, subjects

INSIDE = Path(__file__).with_name("arm64_inside.py")
PROCESSORS = {"cortex-a53": "smlal", "cortex-a76": "sdot", "neoverse-v1": "smmla"}
"""With the instruction by which each multiplies 8-bit numbers: proof that it is not the same code three times."""
FLOAT_BAR = 1e-6
TIMEOUT_S = 900.0
Arrays = dict[str, np.ndarray]


class Verdict(NamedTuple):
    """How the outputs of one file on one processor compare."""

    passed: bool
    words: str


def compare(here: Arrays, there: Arrays, *, exact: bool) -> Verdict:
    """Compare a file's outputs on two processors.

    Args:
        here: `SAMPLE/TENSOR` → array.
        there: the same, on the other processor.
        exact: each bit must be the same.
    """
    if here.keys() != there.keys():
        return Verdict(False, f"other outputs: {', '.join(sorted(here.keys() ^ there.keys()))}")
    worst = 0.0
    for name, one in here.items():
        other = there[name]
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            return Verdict(
                False, f"{name}: {other.dtype} {other.shape} for {one.dtype} {one.shape}"
            )
        if exact and one.tobytes() != other.tobytes():
            differing = int(np.count_nonzero(one != other))
            return Verdict(False, f"{name}: {differing} of {one.size} values differ")
        if not exact:
            if not (np.isfinite(one).all() and np.isfinite(other).all()):
                return Verdict(False, f"{name}: is not finite")
            distance = np.abs(one.astype(np.float64) - other.astype(np.float64)).max()
            worst = max(worst, float(distance / max(np.abs(one).max(), 1.0)))
    if exact:
        return Verdict(True, "same bits")
    return Verdict(worst <= FLOAT_BAR, f"{worst:.1e}")


def _run(command: list[str], files: list[Subject], folder: Path) -> list[Arrays]:
    """Run all files in one process; return the outputs of each."""
    folder.mkdir()
    outputs = [folder / f"{index}.npz" for index in range(len(files))]
    jobs = [
        {"model": str(one.model), "inputs": str(one.inputs), "outputs": str(output)}
        for one, output in zip(files, outputs, strict=True)
    ]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    done = subprocess.run(
        [*command, str(INSIDE), str(folder / "jobs.json")],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["silence"])[-1]
        raise SystemExit(f"{folder.name}: ended with {done.returncode}: {last}")
    found = []
    for output in outputs:
        with np.load(output) as arrays:
            found.append({name: arrays[name] for name in arrays.files})
    return found


def processor_command(machine: Path, processor: str, *logging: str) -> list[str]:
    """Return the command that runs Python on an emulated processor.

    Args:
        machine: folder of `arm64_machine.sh`.
        processor: as qemu names it.
        logging: further options of qemu's.
    """
    qemu, root = machine / "qemu/usr/bin/qemu-aarch64", machine / "root"
    words = [str(qemu), "-cpu", processor, "-L", str(root), *logging]
    words += ["-E", f"PYTHONPATH={machine / 'site'}", "-E", "PYTHONDONTWRITEBYTECODE=1"]
    return [*words, str(root / "usr/bin/python3.11")]


def _instructions(log: Path) -> set[str]:
    """Return the instructions for 8-bit products that a processor met."""
    found: set[str] = set()
    with log.open(errors="replace") as lines:
        for line in lines:
            found.update(re.findall(r"\b(?:smlal|sdot|smmla|smopa)\b", line))
    return found


def main(machine: Path, cache: Path) -> int:
    """Run all files on all processors, print a table, and return the exit code."""
    failures = 0
    with tempfile.TemporaryDirectory() as scratch:
        files = subjects(cache, Path(scratch))
        here = _run([sys.executable], files, Path(scratch) / "x86-64")
        rows = {name: [f"{one.net} {one.variant}" for one in files] for name in ("file",)}
        for processor, instruction in PROCESSORS.items():
            log = Path(scratch) / f"{processor}.log"
            there = _run(
                processor_command(machine, processor, "-d", "in_asm", "-D", str(log)),
                files,
                Path(scratch) / processor,
            )
            verdicts = [
                compare(a, b, exact="int8" in one.variant)
                for one, a, b in zip(files, here, there, strict=True)
            ]
            met = _instructions(log)
            log.unlink()
            failures += sum(not one.passed for one in verdicts) + (instruction not in met)
            rows[processor] = [f"{'' if one.passed else 'FAILED '}{one.words}" for one in verdicts]
            rows[processor].append(
                instruction if instruction in met else f"FAILED no {instruction}"
            )
    rows["file"].append("8-bit products by")
    _print(rows)
    return 1 if failures else 0


def _print(columns: dict[str, list[str]]) -> None:
    widths = {name: max(len(cell) for cell in (name, *cells)) for name, cells in columns.items()}
    for row in [tuple(columns), *zip(*columns.values(), strict=True)]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths.values(), strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.exit(main(place, place.parent))
