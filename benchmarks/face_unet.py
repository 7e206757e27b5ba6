"""Figure: mean F1 on held-out drawn faces: Mobile-Hourglass f32-τ6 against U-Net, trained alike at 64 px.

Bars: within half a point, at no more than a fortieth of the parameters; each trained until a tenth more of its
training gains less than 0.2 points. First, both with `--out build/NAME`: `mobilekit run
models/mobile-hourglass/chain.toml` (its first step) and `mobilekit run models/mobile-hourglass/unet.toml`.
"""

import sys
from pathlib import Path

import outcome

from mobilekit.core.artifact import read_manifest

POINTS, SHARE = 0.5, 1 / 40
FIGURE = "mean_f1"


def main() -> int:
    """Print both; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--hourglass", type=Path, default=Path("build/mobile-hourglass-chain"))
    parser.add_argument("--unet", type=Path, default=Path("build/unet-faces"))
    options = parser.parse_args()
    first = {name: read_manifest(getattr(options, name)).steps[0] for name in ("hourglass", "unet")}
    f1 = {
        name: {one.data: round(one.figures[FIGURE], 4) for one in step.metrics}
        for name, step in first.items()
    }
    lost = [
        100 * (unet - small)
        for small, unet in zip(f1["hourglass"].values(), f1["unet"].values(), strict=True)
    ]
    share = first["hourglass"].params_after / first["unet"].params_after
    result = {
        FIGURE: f1,
        "parameters": {name: step.params_after for name, step in first.items()},
        "times_fewer_parameters": round(1 / share, 1),
        "points_below_unet": [round(each, 2) for each in lost],
        "met": lost[0] <= POINTS and share <= SHARE,
    }
    return outcome.finish(result, options.json)


if __name__ == "__main__":
    sys.exit(main())
