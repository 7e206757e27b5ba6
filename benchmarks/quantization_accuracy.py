"""Figures: static int8 of trained networks: metric lost, speed, and Core ML's W8A8 against LiteRT's.

Small networks that learn the data that mobilekit draws, by a recipe, and those that ship trained and take
one image; both formats are calibrated on the same training images. Bars: at most 0.5 point of the metric
lost in LiteRT; at least 1.6 times as fast as its float32 file, one thread, runs alternating; Core ML at most
3 dB below LiteRT; both at least 25 dB.
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

from mobilekit.nets.shipped import shipped

LOST, FASTER, BELOW, LEAST = 0.005, 1.6, 3.0, 25.0
MOBILEKIT = [sys.executable, "-m", "mobilekit"]
TARGETS = """targets = [
  {{ kind = "tflite" }}, {{ kind = "tflite", quantize = "static:int8", observer = "{observer}" }},
  {{ kind = "coreml" }}, {{ kind = "coreml", quantize = "static:int8", observer = "{observer}" }}]
"""
RECIPES = {
    "lenet on digits": """net = { kind = "lenet-caffe" }
data = { kind = "digits", train = 8000, test = 2000 }
judged_images = 2000
[[steps]]
kind = "train"
epochs = 8
optimizer = { kind = "adam", lr = 1e-3, schedule = "linear" }
""",
    "MobileNetV1 on shapes": """net = { kind = "mobilenet-v1", width = 0.25, size = 64 }
data = { kind = "shapes", task = "classification", train = 8000, test = 2000, size = 64 }
judged_images = 2000
[[steps]]
kind = "train"
epochs = 20
optimizer = { kind = "adam", lr = 5e-3 }
""",
}
IMAGES = 1000
"""On which a network that ships is judged."""


def main() -> int:
    """Print a row per network; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--observer", default="minmax")
    parser.add_argument("--only", default="", help="networks whose name holds this")
    options = parser.parse_args()
    load, begin = outcome.load(), time.monotonic()
    rows = []
    for name in (*RECIPES, *(one.name for one in shipped() if not one.config.state)):
        if options.only in name:
            rows.append(row(name, options.observer))
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


def row(name: str, observer: str) -> dict[str, Any]:
    """Train or take what ships, export, and compare."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        done = subprocess.run(
            [*command(name, observer, place), "--out", str(place / "net"), "--json"],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        files = {one["path"]: one for one in json.loads(done.stdout)["files"]}
        floats, small = files["model.tflite"], files["model-static-int8.tflite"]
        apple = files["model-static-int8.mlpackage"]
        ratios = faster(place / "net", floats["path"], small["path"])
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


def command(name: str, observer: str, scratch: Path) -> list[str]:
    """Return what makes the files of a network, trained here or shipped."""
    if name in RECIPES:
        head = f'name = "net"\nseed = 3\n{TARGETS.format(observer=observer)}'
        (scratch / "recipe.toml").write_text(head + RECIPES[name])
        return [*MOBILEKIT, "run", str(scratch / "recipe.toml")]
    forms = ["--to", "tflite,coreml", "--quantize", "static:int8", "--observer", observer]
    return [*MOBILEKIT, "export", name, *forms, "--data-count", str(IMAGES)]


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
