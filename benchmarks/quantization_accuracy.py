"""Figures: static int8 of trained networks: metric lost, speed, and Core ML's W8A8 against LiteRT's.

Small networks learn the data that mobilekit draws, by a recipe; both formats are calibrated on the same
training images. Bars: at most 0.5 point of the metric lost in LiteRT; at least 1.6 times as fast as its float32
file, one thread, runs alternating; Core ML at most 3 dB below LiteRT; both at least 25 dB.
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

LOST, FASTER, BELOW, LEAST = 0.005, 1.6, 3.0, 25.0
TARGETS = """targets = [
  {{ kind = "tflite" }}, {{ kind = "tflite", quantize = "static:int8", observer = "{observer}" }},
  {{ kind = "coreml" }}, {{ kind = "coreml", quantize = "static:int8", observer = "{observer}" }}]
"""
RECIPES = {
    "lenet on digits": """net = { kind = "lenet-caffe" }
data = { kind = "digits", train = 8000, test = 2000 }
[[steps]]
kind = "train"
epochs = 8
optimizer = { kind = "adam", lr = 1e-3, schedule = "linear" }
""",
    "MobileNetV1 on shapes": """net = { kind = "mobilenet-v1", width = 0.25 }
data = { kind = "shapes", task = "classification", train = 6000, test = 2000 }
[[steps]]
kind = "train"
epochs = 10
optimizer = { kind = "adam", lr = 2e-3, schedule = "linear" }
""",
    "U-Net on shapes": """net = { kind = "unet", width = 8, classes = 11, size = 32 }
data = { kind = "shapes", task = "segmentation", train = 3000, test = 600 }
[[steps]]
kind = "train"
epochs = 8
optimizer = { kind = "adam", lr = 2e-3, schedule = "linear" }
""",
}


def main() -> int:
    """Print a row per network; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--observer", default="minmax")
    parser.add_argument("--only", default="", help="networks whose name holds this")
    options = parser.parse_args()
    load, begin = outcome.load(), time.monotonic()
    rows = []
    for name, text in RECIPES.items():
        if options.only in name:
            rows.append(row(name, text, options.observer))
            sys.stderr.write(f"{rows[-1]}\n")
    return outcome.finish(
        {
            "observer": options.observer,
            "load_average": load,
            "minutes": round((time.monotonic() - begin) / 60, 1),
            "met": all(one["met"] for one in rows),
            "rows": rows,
        },
        options.json,
    )


def row(name: str, text: str, observer: str) -> dict[str, Any]:
    """Train, export, and compare."""
    with tempfile.TemporaryDirectory() as scratch:
        recipe = Path(scratch) / "recipe.toml"
        head = f'name = "net"\nseed = 3\n{TARGETS.format(observer=observer)}'
        recipe.write_text(head + text)
        command = [
            sys.executable,
            "-m",
            "mobilekit",
            "run",
            str(recipe),
            "--out",
            str(Path(scratch) / "net"),
            "--json",
        ]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        files = {one["path"]: one for one in json.loads(done.stdout)["files"]}
        floats, small = files["model.tflite"], files["model-static-int8.tflite"]
        apple = files["model-static-int8.mlpackage"]
        ratios = faster(Path(scratch) / "net", floats["path"], small["path"])
    found = {
        "network": name,
        "data": small["metric"]["data"],
        "images": small["metric"]["images"],
        "metric": small["metric"]["metric"],
        "float": floats["metric"]["value"],
        "tflite": small["metric"]["value"],
        "coreml": apple["metric"]["value"],
        "faster": round(sorted(ratios)[len(ratios) // 2], 2),
        "tflite_db": round(decibels(small), 1),
        "coreml_db": round(decibels(apple), 1),
        "bytes": {"float": floats["size_bytes"], "int8": small["size_bytes"]},
    }
    found["met"] = (
        found["float"] - found["tflite"] <= LOST
        and found["faster"] >= FASTER
        and found["tflite_db"] - found["coreml_db"] <= BELOW
        and min(found["tflite_db"], found["coreml_db"]) >= LEAST
    )
    return found


def faster(folder: Path, floats: str, small: str) -> list[float]:
    """Return how many times faster the small file is, in runs that alternate."""
    from mobilekit.profile import host

    ratios = []
    for _ in range(9):
        slow, fast = (host.measure([folder / n], threads=1, runs=60)[0] for n in (floats, small))
        ratios.append(slow.median_ms / fast.median_ms)
    return ratios


def decibels(file: dict[str, Any]) -> float:
    """Return the least signal-to-error ratio of a file's outputs on images."""
    import math

    rows = [row for group in file["parity"]["sets"] for row in group["outputs"]]
    return min(10 * math.log10(one["signal_energy"] / one["error_energy"]) for one in rows)


if __name__ == "__main__":
    sys.exit(main())
