"""Figure: LeNet pruned, with shared weights, Huffman-coded: >= 35 times smaller at <= 0.1 point lost.

Han, Mao, Dally (ICLR 2016) report 39 and 40 times for LeNet-300-100 and LeNet-5 on MNIST. Here Caffe's
LeNet learns the digits that mobilekit draws. Dense, it is trained for as many epochs as the compressed one
in all. Sizes count everything that a decoder needs: code books, tables of the codes, headers, biases.

Settings were chosen on --validation: seed 100, and digits of another seed than those that are tested on.
The first ones, 82 times smaller, lost 0.19 points on the test images; so these compress less, and are
tested on digits that were not looked at before.
"""

import os
import statistics
import sys
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import outcome
import torch
from lenet_l1l2 import lenet
from theses import GREY, interval, seeded
from torch import nn

from mobilekit.compress.base import Context, During, Training
from mobilekit.compress.during.keep_zeros import KeepZeros
from mobilekit.compress.during.share_weights import ShareWeights
from mobilekit.compress.during.sparsify import Sparsify
from mobilekit.compress.fitting.fit import Course, fit
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.data.catalog import DigitsConfig, open_data
from mobilekit.data.task import Labelled
from mobilekit.profile.coding import coded

RATIO, LOST = 35.0, 0.001
SPARSITY = {"0": 0.2, "2": 0.7, "5": 0.93, "7": 0.7}
"""Per layer: two convolutions, two linear ones."""
BITS = {"0": 6, "2": 5, "5": 4, "7": 5}
EPOCHS = (8, 14, 6)
"""Dense, while weights vanish, while they share values."""


def main() -> int:
    """Print errors and sizes; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--validation", action="store_true", help="seed 100, other digits")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load, begin = outcome.load(), time.monotonic()
    seeds = [100] if options.validation else list(range(options.seeds))
    found = []
    for seed in seeds:
        found.append(once(seed, validation=options.validation))
        sys.stderr.write(f"{found[-1]}\n")
    mean = {key: round(statistics.mean(one[key] for one in found), 5) for key in found[0]}
    result = {
        "data": "digits drawn by mobilekit, 8,000 images; 5,000 to judge on",
        "seeds": seeds,
        "load_average": load,
        "minutes": round((time.monotonic() - begin) / 60, 1),
        "met": mean["ratio"] >= RATIO and mean["compressed"] - mean["dense"] <= LOST,
        "mean": mean,
        "interval_95": {
            key: interval([one[key] for one in found]) for key in mean if len(found) > 1
        },
        "each": found,
    }
    return outcome.finish(result, options.json)


def once(seed: int, *, validation: bool) -> dict[str, float]:
    """Train dense and compressed; return errors and the ratio of sizes."""
    learn, _ = open_data(DigitsConfig(8_000, 5_000))
    _, judge = open_data(DigitsConfig(10, 5_000, seed=1 if validation else 2))
    network = seeded(lenet, seed)
    dense = train(network, [], (learn, judge), sum(EPOCHS), seed, 1e-3)
    network = seeded(lenet, seed)
    train(network, [], (learn, judge), EPOCHS[0], seed, 1e-3)
    cut = Sparsify(
        context=SPARSITY, schedule={"kind": "gradual", "end": 0.5}, criterion="large_final"
    )
    pruned = train(network, [cut], (learn, judge), EPOCHS[1], seed, 1e-3)
    share = ShareWeights(layer_bits=BITS)
    error = train(network, [KeepZeros(), share], (learn, judge), EPOCHS[2], seed, 2e-4)
    report = coded({name: value.numpy() for name, value in network.state_dict().items()})
    return {
        "dense": dense,
        "pruned": pruned,
        "compressed": error,
        "ratio": report.ratio,
        "bytes": report.size_bytes,
        "nonzero": sum(one.nonzero for one in report.tensors),
    }


def train(
    network: nn.Module,
    methods: list[During],
    data: tuple[Labelled, Labelled],
    epochs: int,
    seed: int,
    rate: float,
) -> float:
    """Train and return the error."""
    place: Any = Context(
        (data[0][0][0].unsqueeze(0),), seed=seed, training=Training(*data, statistics=GREY)
    )
    course = Course(epochs, 64, OptimizerConfig(lr=rate, schedule="linear"))
    history, _ = fit(network, methods, course, place)
    return 1 - history.last.metric


if __name__ == "__main__":
    sys.exit(main())
