"""Write `apps/testdata/`: vectors that Python, Swift and Kotlin tests read alike.

`--check` says whether they are current, and writes nothing.
"""

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from app_golden_reports import golden_reports

from mobilekit.core.device_checks import summarize
from mobilekit.core.device_words import COMPUTE_UNITS, IOS_THERMAL, KINDS, THERMAL
from mobilekit.data.face_labels import FACE_COLOURS
from mobilekit.profile import android_app, devices, ios, xcode

FOLDER = Path(__file__).parents[1] / "apps" / "testdata"
SEED = 20261121
Pixels = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]


def contract() -> dict[str, Any]:
    """Return the words and numbers that the desk and the apps share."""
    return {
        "percentile": "nearest rank: the sample at index max(ceil(p * n / 100), 1) - 1 of the sorted ones",
        "stddev": "square root of the mean squared distance from the mean: divides by n",
        "mask": "class with the largest logit at each pixel; of equal ones the first",
        "colours": "straight RGBA; class 0 is transparent black, others have their colour at full alpha",
        "preprocess": (
            "cut the box, then resize by a triangle filter with pixel centres at halves, along x and then y,"
            " without rounding between; the filter is as wide as the step where it shrinks, and is cut at"
            " the edges of the box and scaled to sum 1; uint8 is floor(value + 0.5)"
        ),
        "box": "centred, of the target's shape, as large as fits: rounded to whole pixels, half up",
        "thermal": list(THERMAL),
        "ios_thermal": IOS_THERMAL,
        "compute_units": {name: list(units) for name, units in COMPUTE_UNITS.items()},
        "kinds": {platform: list(kinds) for platform, kinds in KINDS.items()},
        "arguments": orders(),
        "android": msgspec.to_builtins(devices.ANDROID),
        "ios": msgspec.to_builtins(devices.IOS),
    }


def orders() -> dict[str, dict[str, str]]:
    """Return what an app is told, by the way it is told, for one measurement."""
    subject = devices.Subject(Path("model"), "net", "float16", "model", "0" * 64, 12345)
    android_job = devices.Job(runs=50, warmup=10, threads=4, units=("gpu",))
    ios_job = devices.Job(runs=50, warmup=10, units=("cpu", "ane"))
    android, apple = devices.ANDROID, devices.IOS
    return {
        "android instrumentation": android_app.arguments_of(
            subject, android_job, f"{android.folder}/1/model.tflite", f"{android.reports}/1.json"
        ),
        "ios launch": ios.arguments_of(
            subject, ios_job, f"{apple.models}/1.mlpackage", f"{apple.reports}/1.json"
        ),
        "ios test environment": {
            name.removeprefix("TEST_RUNNER_"): value
            for name, value in xcode.environment_of(subject, ios_job).items()
        },
    }


def statistics() -> list[dict[str, Any]]:
    """Return samples with their statistics."""
    generator = np.random.default_rng(SEED)
    drawn = [int(one) for one in generator.lognormal(16, 0.3, 200)]
    named: dict[str, list[int]] = {
        "one": [7_000_000],
        "two": [2, 1],
        "all equal": [5_000_000] * 9,
        "ten": [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
        "twenty": list(range(1_000, 21_000, 1_000)),
        "one hundred and one": [index * index for index in range(101)],
        "an outlier": [1_000_000] * 99 + [900_000_000],
        "long": [4_000_000_000_000, 4_000_000_000_001, 4_000_000_000_003],
        "drawn": drawn,
    }
    return [
        {
            "name": name,
            "samples_ns": samples,
            "summary": msgspec.to_builtins(summarize(tuple(samples))),
        }
        for name, samples in named.items()
    ]


def masks() -> list[dict[str, Any]]:
    """Return logits with the classes that win; the numbers are multiples of 1/8, exact in any float."""
    generator = np.random.default_rng(SEED + 1)
    found = []
    for name, classes, height, width in (
        ("one pixel", 2, 1, 1), ("a face", 10, 6, 5), ("one class", 1, 2, 3), ("ties", 4, 3, 4),
    ):  # fmt: skip
        spread = 2 if name == "ties" else 64
        logits = generator.integers(-spread, spread + 1, (classes, height, width)) / 8
        mask = logits.argmax(0)
        for layout, values in (("NCHW", logits), ("NHWC", logits.transpose(1, 2, 0))):
            found.append(
                {
                    "name": f"{name}, {layout}",
                    "layout": layout,
                    "shape": [1, *values.shape],
                    "logits": values.ravel().tolist(),
                    "mask": mask.ravel().tolist(),
                }
            )
    return found


def colours() -> list[dict[str, Any]]:
    """Return masks with the colours that they are shown in."""
    found = []
    cases = (
        ("a face", FACE_COLOURS, [*range(10), 0, 9, 1]),
        ("two", ("#000000", "#ff8000"), [0, 1, 1, 0]),
    )
    for name, palette, mask in cases:
        shown = [part for each in mask for part in _rgba(palette, each)]
        found.append({"name": name, "colours": list(palette), "mask": mask, "rgba": shown})
    return found


def _rgba(palette: tuple[str, ...], number: int) -> tuple[int, ...]:
    return (*bytes.fromhex(palette[number][1:]), 255) if number else (0, 0, 0, 0)


def images() -> dict[str, Pixels]:
    """Return two tiny pictures, upright and lying."""
    generator = np.random.default_rng(SEED + 2)
    rows, columns = np.mgrid[0:12, 0:9]
    upright = np.stack([rows * 21, columns * 28, (rows * columns) % 256], 2).astype(np.uint8)
    lying = generator.integers(0, 256, (7, 16, 3)).astype(np.uint8)
    return {"upright": upright, "lying": lying}


def preprocess() -> list[dict[str, Any]]:
    """Return pictures with the tensors that they become."""
    pictures = images()
    cases = (
        ("upright", None, (8, 8), "NCHW", "float32"),
        ("upright", None, (8, 8), "NHWC", "uint8"),
        ("upright", (1, 2, 6, 6), (3, 3), "NHWC", "float32"),
        ("upright", (2, 3, 4, 4), (8, 8), "NCHW", "float32"),
        ("lying", None, (4, 4), "NHWC", "float32"),
        ("lying", None, (7, 7), "NCHW", "uint8"),
        ("lying", None, (5, 10), "NCHW", "float32"),
    )
    found = []
    for name, box, size, layout, dtype in cases:
        whole = pictures[name]
        left, top, width, height = box or centred(whole.shape[1], whole.shape[0], size)
        cut = whole[top : top + height, left : left + width]
        values = resized(cut.astype(np.float64), size)
        if dtype == "uint8":
            values = np.floor(values + 0.5)
        if layout == "NCHW":
            values = values.transpose(2, 0, 1)
        found.append(
            {
                "image": f"images/{name}.ppm",
                "box": box and {"left": left, "top": top, "width": width, "height": height},
                "used_box": {"left": left, "top": top, "width": width, "height": height},
                "layout": layout,
                "dtype": dtype,
                "shape": [1, *values.shape],
                "values": [_plain(one, dtype) for one in values.ravel()],
            }
        )
    return found


def _plain(value: float, dtype: str) -> float | int:
    return int(value) if dtype == "uint8" else float(np.float32(value))


def centred(width: int, height: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the largest centred box of a target's shape, as (left, top, width, height)."""
    scale = min(width / size[1], height / size[0])
    inner = (math.floor(size[1] * scale + 0.5), math.floor(size[0] * scale + 0.5))
    return (width - inner[0]) // 2, (height - inner[1]) // 2, *inner


def resized(pixels: Numbers, size: tuple[int, int]) -> Numbers:
    """Resize `[H, W, 3]` to a height and a width."""
    rows, columns = (
        weights(pixels.shape[0], size[0]),
        weights(pixels.shape[1], size[1]),
    )
    found: Numbers = np.einsum("yr,rxc->yxc", rows, np.einsum("xk,rkc->rxc", columns, pixels))
    return found


def weights(source: int, target: int) -> Numbers:
    """Return the triangle filter as a matrix `[target, source]`."""
    step = source / target
    reach = max(step, 1.0)
    centres = (np.arange(target) + 0.5) * step
    distance = np.abs(np.arange(source)[None] + 0.5 - centres[:, None]) / reach
    found = np.maximum(1 - distance, 0)
    scaled: Numbers = found / found.sum(1, keepdims=True)
    return scaled


def ppm(pixels: Pixels) -> bytes:
    """Return a picture as a binary PPM file: a header in three lines, then RGB bytes."""
    return f"P6\n{pixels.shape[1]} {pixels.shape[0]}\n255\n".encode() + pixels.tobytes()


def contents() -> Iterator[tuple[str, bytes]]:
    """Give each file's name and content."""
    makers: dict[str, Callable[[], Any]] = {
        "contract": contract, "statistics": statistics, "masks": masks, "colours": colours,
        "preprocess": preprocess,
    }  # fmt: skip
    for name, make in makers.items():
        yield f"{name}.json", _json(make())
    for name, pixels in images().items():
        yield f"images/{name}.ppm", ppm(pixels)
    listed = []
    for name, content, expected in golden_reports():
        yield f"reports/{name}.json", _json(content)
        listed.append({"file": f"{name}.json", "valid": not expected, "says": expected})
    yield "reports/index.json", _json(listed)


def _json(value: Any) -> bytes:
    """Write a list with one item a line, anything else indented."""
    if isinstance(value, list):
        lines = (json.dumps(item, ensure_ascii=False, allow_nan=False) for item in value)
        return ("[\n" + ",\n".join(lines) + "\n]\n").encode()
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def main() -> int:
    """Write the files, or with `--check` say which are stale."""
    check = "--check" in sys.argv[1:]
    made = dict(contents())
    there = {p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*") if p.is_file()}
    stale = sorted(there - made.keys() - {"README.md"})
    for name, content in made.items():
        path = FOLDER / name
        if check and (not path.is_file() or path.read_bytes() != content):
            stale.append(name)
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run `python tools/app_testdata.py`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
