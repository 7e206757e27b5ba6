"""Figure: do mixup and progressive learning help DFBuster? Differences of the area under the ROC curve, seed by seed.

No bar; a method helps where the 95 % interval of the mean difference lies above 0. First:
`mobilekit run models/dfbuster/trials.toml --out build/dfbuster-trials`.
"""

import sys
from pathlib import Path

import msgspec
import numpy as np
import outcome
from scipy import stats

from mobilekit.core.ablations import Ablation

FIGURE, PLAIN = "roc_auc", "neither"


def main() -> int:
    """Print each line's area, and how far it is from that without either; always 0."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--trials", type=Path, default=Path("build/dfbuster-trials"))
    options = parser.parse_args()
    table = msgspec.json.decode((options.trials / "ablation.json").read_bytes(), type=Ablation)
    areas: dict[str, dict[int, list[float]]] = {}
    for line in table.results:
        areas.setdefault(line.name, {})[line.seed] = [one[FIGURE] for one in line.figures]
    plain = areas.pop(PLAIN)
    result: dict[str, object] = {
        "data": list(table.results[0].data),
        "seeds": sorted(plain),
        PLAIN: [round(float(value), 4) for value in np.mean(list(plain.values()), 0)],
    }
    for name, found in areas.items():
        apart = np.array([np.subtract(found[seed], plain[seed]) for seed in sorted(plain)])
        result[name] = [compared(column) for column in apart.T]
    return outcome.finish(result | {"met": True}, options.json)


def compared(apart: np.ndarray) -> dict[str, object]:
    """Return the mean of paired differences, and its 95 % interval by Student's t."""
    mean, half = apart.mean(), stats.t.ppf(0.975, len(apart) - 1) * stats.sem(apart)
    low, high = mean - half, mean + half
    return {
        "difference": round(float(mean), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "helps": bool(low > 0),
    }


if __name__ == "__main__":
    sys.exit(main())
