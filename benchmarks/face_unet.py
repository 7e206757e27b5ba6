"""Figure: mean F1 on held-out drawn faces: Mobile-Hourglass f32-τ6 against U-Net at 64 px.

Both are trained alike but for length and learning rate.

Bars: within half a point, at no more than a fortieth of the parameters; each trained until a tenth more of its
training gains less than 0.2 points. First, both with `--out build/NAME`: `mobilekit run
models/mobile-hourglass/dense.toml` and `mobilekit run models/mobile-hourglass/unet.toml`. Several folders of one
network, from the shortest training to the longest, tell what a tenth more gains: F1 over the logarithm of the steps.
SegNet, from segnet.toml, is shown beside them on request; no bar names it.
"""

import math
import sys
from pathlib import Path

import msgspec
import outcome

from mobilekit.core.artifact import read_manifest
from mobilekit.core.histories import History

POINTS, SHARE, GAIN = 0.5, 1 / 40, 0.2
FIGURE = "mean_f1"


def main() -> int:
    """Print all, their curves, and what a tenth more would gain; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument(
        "--hourglass", type=Path, nargs="+", default=[Path("build/hourglass-faces")]
    )
    parser.add_argument("--unet", type=Path, nargs="+", default=[Path("build/unet-faces")])
    parser.add_argument("--segnet", type=Path, nargs="+", default=[])
    options = parser.parse_args()
    nets = {"hourglass": options.hourglass, "unet": options.unet}
    if options.segnet:
        nets["segnet"] = options.segnet
    steps = {name: read_manifest(folders[-1]).steps[0] for name, folders in nets.items()}
    f1 = {name: of(folders[-1]) for name, folders in nets.items()}
    curves = {name: [curve(folder) for folder in folders] for name, folders in nets.items()}
    gains = {name: gain(folders, curves[name]) for name, folders in nets.items()}
    lost = [
        100 * (unet - small)
        for small, unet in zip(f1["hourglass"].values(), f1["unet"].values(), strict=True)
    ]
    share = steps["hourglass"].params_after / steps["unet"].params_after
    result = {
        FIGURE: f1,
        "mean_iou_by_epoch": curves,
        "points_that_a_tenth_more_gains": gains,
        "parameters": {name: step.params_after for name, step in steps.items()},
        "times_fewer_parameters": round(1 / share, 1),
        "points_below_unet": [round(each, 2) for each in lost],
        "met": lost[0] <= POINTS
        and share <= SHARE
        and all(
            found is not None and found < GAIN for found in (gains["hourglass"], gains["unet"])
        ),
    }
    return outcome.finish(result, options.json)


def of(folder: Path) -> dict[str, float]:
    """Return what a network is worth after its training, on each data set."""
    step = read_manifest(folder).steps[0]
    return {one.data: round(one.figures[FIGURE], 4) for one in step.metrics}


def curve(folder: Path) -> list[float]:
    """Return what the network was worth after each epoch."""
    file = folder.with_name(f"{folder.name}.training") / "1-train" / "history.json"
    history = msgspec.json.decode(file.read_bytes(), type=History)
    return [round(epoch.metric, 4) for epoch in history.epochs]


def gain(folders: list[Path], curves: list[list[float]]) -> float | None:
    """Return how many points a tenth more training gains, by the last two; None of one alone."""
    if len(folders) < 2:
        return None
    short, long = (next(iter(of(folder).values())) for folder in folders[-2:])
    times = len(curves[-1]) / len(curves[-2])
    return round(100 * (long - short) * math.log(1.1) / math.log(times), 2)


if __name__ == "__main__":
    sys.exit(main())
