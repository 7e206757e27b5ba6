"""Figure: plain pruning by half against Torch-Pruning 1.6.1: time and parameter counts, same run.

Time is that of tracing and pruning, without our checks of the result (theirs has none), in alternating
pairs; the median of the ratios counts: at most 0.5 on densenet121, at most 1 on the others. Parameters
that remain, with rounding off: within 2 %. Needs `pip install 'mobilekit[bench]'`.
"""

import copy
import gc
import statistics
import sys
import time
import warnings

import outcome
import torch
from pruning_zoo import built, half
from torch import Tensor, nn

from mobilekit.compress.pruning import prune
from mobilekit.compress.trial import Options

BARS = {"resnet18": 1.0, "mobilenet_v2": 1.0, "densenet121": 0.5, "fcn_resnet50": 1.0}
HEADS = {"fcn_resnet50": "classifier.4"}
COUNT_BAR = 0.02


def main() -> int:
    """Print a row per network; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    load = outcome.load()
    rows = [row(*one, pairs=options.pairs) for one in built(list(BARS))]
    met = all(r["met"] for r in rows)
    return outcome.finish({"load_average": load, "met": met, "rows": rows}, options.json)


def row(name: str, network: nn.Module, inputs: list[Tensor], pairs: int) -> dict[str, object]:
    """Prune one network by both, several times."""
    ours, theirs = [], []
    for index in range(pairs + 1):
        for turn in (0, 1) if index % 2 else (1, 0):
            seconds, count = (by_us if turn else by_them)(name, network, inputs)
            if index:  # the first pair warms up
                (ours if turn else theirs).append((seconds, count))
    ratio = statistics.median(a[0] / b[0] for a, b in zip(ours, theirs, strict=True))
    counts = ours[0][1], theirs[0][1]
    apart = abs(counts[0] / counts[1] - 1)
    return {
        "network": name,
        "ours_s": [round(one[0], 3) for one in ours],
        "torch_pruning_s": [round(one[0], 3) for one in theirs],
        "ratio": round(ratio, 3),
        "bar": BARS[name],
        "ours_params": counts[0],
        "torch_pruning_params": counts[1],
        "apart": round(apart, 5),
        "met": ratio <= BARS[name] and apart <= COUNT_BAR,
    }


def by_us(name: str, network: nn.Module, inputs: list[Tensor]) -> tuple[float, int]:
    """Return seconds and parameters that remain."""
    del name
    gc.collect()
    began = time.perf_counter()
    smaller = prune(
        network, inputs, lambda graph: half(graph, network), Options(check=False)
    ).network
    seconds = time.perf_counter() - began
    return seconds, sum(p.numel() for p in smaller.parameters())


def by_them(name: str, network: nn.Module, inputs: list[Tensor]) -> tuple[float, int]:
    """Return seconds and parameters that remain; their pruner works in place, on a copy made before."""
    import torch_pruning

    network = copy.deepcopy(network)
    ignored = [
        module
        for key, module in network.named_modules()
        if key == HEADS.get(name) or (isinstance(module, nn.Linear) and module.out_features == 1000)
    ]
    gc.collect()
    began = time.perf_counter()
    torch_pruning.pruner.MetaPruner(
        network,
        inputs[0],
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=0.5,
        ignored_layers=ignored,
    ).step()
    seconds = time.perf_counter() - began
    return seconds, sum(p.numel() for p in network.parameters())


if __name__ == "__main__":
    sys.exit(main())
