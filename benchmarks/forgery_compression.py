"""Figure: DFBuster pruned by half, folded, in integers of 8 bits, against its dense float self.

Bars: the area under the ROC curve on held-out forgeries within 0.01 of the dense network's, at least 4 times
fewer bytes, at least 2 times faster on LiteRT. First: `mobilekit run models/dfbuster/compressed.toml`.
"""

import os
import statistics
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import outcome
import torch
from exported import floats

from mobilekit.data.forgeries import forgeries
from mobilekit.data.scores import ClassScores
from mobilekit.data.task import Labelled
from mobilekit.pipeline.opening import open_network
from mobilekit.pipeline.request import ExportRequest
from mobilekit.profile import host

NEAR, SMALLER, FASTER = 0.01, 4.0, 2.0
ROUNDS, RUNS, IMAGES, SIZE = 5, 30, 1500, 96


def main() -> int:
    """Print both areas and the ratios; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--dense", default="dfbuster", help="a network, or an artifact's folder")
    parser.add_argument("--compressed", default="build/dfbuster-compressed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        dense = floats(options.dense, Path(scratch) / "dense")
        small = Path(options.compressed) / "model-static-int8.tflite"
        files = {"dense": dense, "compressed": small}
        load = outcome.load()
        times: dict[str, list[float]] = {name: [] for name in files}
        for _ in range(ROUNDS):
            for name, path in files.items():
                (report,) = host.measure([path], threads=1, runs=RUNS)
                times[name].append(report.median_ms)
        sets = {
            "held out": forgeries("test", IMAGES, SIZE),
            "seamless": forgeries("test", IMAGES, SIZE, splices=("seamless",)),
        }
        areas = {
            name: {word: area(path, data) for word, data in sets.items()}
            for name, path in files.items()
        }
        bytes_ = {name: path.stat().st_size for name, path in files.items()}
    lost = areas["dense"]["held out"] - areas["compressed"]["held out"]
    smaller = bytes_["dense"] / bytes_["compressed"]
    faster = statistics.median(
        a / b for a, b in zip(times["dense"], times["compressed"], strict=True)
    )
    result = {
        "load_average": load,
        "data": [data.provenance for data in sets.values()],
        "roc_auc": {n: {w: round(v, 4) for w, v in each.items()} for n, each in areas.items()},
        "bytes": bytes_,
        "times_smaller": round(smaller, 2),
        "times_faster": round(faster, 2),
        "met": lost <= NEAR and smaller >= SMALLER and faster >= FASTER,
    }
    return outcome.finish(result, options.json)


def area(path: Path, data: Labelled) -> float:
    """Return the area under the ROC curve of a file on labelled images."""
    net = open_network(ExportRequest(reference=str(path)), "dfbuster")
    scores = ClassScores(data.classes)
    for index in range(len(data)):
        image, label = data[index]
        pixels = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        (logits,) = (each for each in net.answer(pixels).values() if each.ndim == 2)
        scores.update(torch.from_numpy(np.asarray(logits, np.float32)), label[None])  # type: ignore[union-attr]
    return scores.scored().figures["roc_auc"]


if __name__ == "__main__":
    sys.exit(main())
