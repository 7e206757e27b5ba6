"""Figures: every form of the support table: is it made, does it pass, how many bytes does it take.

Bars, per net, format and form: a file that its runtime loads and that passes; weights with their scales,
tables and masks at most 1.02 times what the form needs; the whole file at most what the form needs and 1.1
times what the file of floats has beside its weights.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import outcome

from mobilekit.core.support import TABLE

BUFFERS, REST = 1.02, 1.1
FLOAT_BYTES = {"coreml": 2, "tflite": 4}
NETS = {
    "torchvision:mobilenet_v2": "input=1x3x96x96",
    "torchvision:resnet18": "input=1x3x96x96",
    "torchvision:efficientnet_b0": "input=1x3x96x96",
    "unet": "image=1x3x96x96",
    "mobile-hourglass:f32t6": "image=1x3x96x96",
    "dfbuster:full": "image=1x3x96x96",
    "torchvision:vit_b_16": "input=1x3x224x224",
}


def main() -> int:
    """Print a row per file; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--nets", nargs="*", default=list(NETS))
    options = parser.parse_args()
    load, begin = outcome.load(), time.monotonic()
    rows = []
    for net in options.nets:
        for kind in FLOAT_BYTES:
            rows += made(net, kind)
            sys.stderr.write(
                f"{net} {kind}: {sum(one['met'] for one in rows)} of {len(rows)} met\n"
            )
    result: dict[str, object] = {
        "load_average": load,
        "minutes": round((time.monotonic() - begin) / 60, 1),
        "met": all(one["met"] for one in rows),
        "missed": [one for one in rows if not one["met"]],
        "rows": rows,
    }
    return outcome.finish(result, options.json)


def made(net: str, kind: str) -> list[dict[str, Any]]:
    """Export a net to all forms of a format."""
    forms = ",".join(
        row.example for row in TABLE if row.format == kind and row.example != "float16"
    )
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            sys.executable,
            "-m",
            "mobilekit",
            "export",
            net,
            "--to",
            kind,
            "--quantize",
            forms,
            "--runs",
            "0",
        ]
        command += ["--minimum-os", "ios18", "--count", "2", "--calibrate-count", "4", "--json"]
        command += ["--input", NETS[net]] if NETS.get(net) else []
        command += ["--out", str(Path(scratch) / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        return [{"net": net, "format": kind, "met": False, "why": done.stderr.strip()[-300:]}]
    manifest = json.loads(done.stdout)
    floats = manifest["files"][0]["size_bytes"]
    rows = [row(net, kind, file, floats) for file in manifest["files"][1:]]
    failed = [
        {"net": net, "format": kind, "form": one["target"]["quantize"], "met": False}
        | {"why": one["reason"]}
        for one in manifest["failures"]
    ]
    return rows + failed


def row(net: str, kind: str, file: dict[str, Any], floats: int) -> dict[str, Any]:
    """Compare a file's bytes with the least that its form needs."""
    layers = file["quantization"]
    stored = sum(one["stored_bytes"] for one in layers)
    floor = sum(one["floor_bytes"] for one in layers)
    rest = floats - FLOAT_BYTES[kind] * sum(one["elements"] for one in layers)
    found = {
        "net": net,
        "format": kind,
        "form": file["target"]["quantize"],
        "verdict": file["parity"]["verdict"],
        "buffers": round(stored / floor, 4),
        "rest": round((file["size_bytes"] - floor) / rest, 3),
        "not_as_asked": sum(bool(one["reason"]) for one in layers),
    }
    passed = found["verdict"] == "pass"
    return {**found, "met": passed and found["buffers"] <= BUFFERS and found["rest"] <= REST}


if __name__ == "__main__":
    sys.exit(main())
