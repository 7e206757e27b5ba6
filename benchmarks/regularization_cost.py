"""Figure: what a penalty costs per training step: kernel sparsity ≤ 1.05, a norm per kernel ≤ 1.10.

ResNet-18, batch 32, 64 px, SGD with momentum, on one core of the processor. Each penalty's steps alternate with plain
ones of the same network, which of the two is first changing from pair to pair; the figure is the median
of the pairs' ratios. Beside it stands the A/A spread, plain steps against plain steps in the same round,
and what the same terms cost through autograd.
"""

import statistics
import sys
import time
from collections.abc import Callable

import outcome
import torch
import torchvision
from torch.nn import functional

from mobilekit.compress.regularization import group_penalty, kernel_sparsity
from mobilekit.compress.regularization.group_penalty import GroupPenalty
from mobilekit.compress.regularization.kernel_sparsity import KernelSparsity
from mobilekit.compress.sparsity.granularity import groups_of
from mobilekit.compress.sparsity.grouped import Grouped

BATCH, SIZE, CLASSES, RATE = 32, 64, 10, 1e-3
WARM, BARS = (
    3,
    {"kernel_sparsity": 1.05, "kernel_group_gradient": 1.10, "kernel_group_proximal": 1.10},
)


def main() -> int:
    """Print a row per penalty; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--pairs", type=int, default=40, help="pairs of steps per penalty")
    parser.add_argument(
        "--threads", type=int, default=1, help="cores; more of them need an idle machine"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = outcome.load()
    seconds = measured(variants(), options.pairs)
    noise = row("plain", *seconds["plain"])
    rows = [row(name, *pair) for name, pair in seconds.items() if name != "plain"]
    result = {
        "pairs": options.pairs,
        "threads": torch.get_num_threads(),
        "load_average": load,
        "a_a": noise,
        "met": all(one["met"] for one in rows if "met" in one),
        "rows": rows,
    }
    return outcome.finish(result, options.json)


def variants() -> dict[str, Callable[[], None]]:
    """Return one training step per penalty, all of one network; `plain` has none."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # noqa: TID251
        network = torchvision.models.resnet18(num_classes=CLASSES).train()
        images = torch.randn(BATCH, 3, SIZE, SIZE)
        labels = torch.randint(CLASSES, (BATCH,))
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9)
    filters = groups_of(network, "filter")
    kernels = [Grouped(each.name, each.weight, (2, 3)) for each in filters]
    sparsity, group = KernelSparsity(1e-3), GroupPenalty(1e-5)

    def step(
        loss: Callable[[], torch.Tensor | float] = float,
        before: Callable[[], object] = bool,
        after: Callable[[], object] = bool,
    ) -> Callable[[], None]:
        def run() -> None:
            optimizer.zero_grad()
            (functional.cross_entropy(network(images), labels) + loss()).backward()
            before()
            optimizer.step()
            after()

        return run

    return {
        "plain": step(),
        "kernel_sparsity": step(before=lambda: kernel_sparsity.add_gradient(filters, sparsity)),
        "kernel_group_gradient": step(before=lambda: group_penalty.add_gradient(kernels, group)),
        "kernel_group_proximal": step(after=lambda: group_penalty.shrink(kernels, group, RATE)),
        "kernel_sparsity_autograd": step(lambda: kernel_sparsity.penalty(filters, sparsity)),
        "kernel_group_autograd": step(lambda: group_penalty.penalty(kernels, group)),
    }


def measured(
    steps: dict[str, Callable[[], None]], pairs: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Time each step beside a plain one, in turn; seconds of both per pair."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in steps}
    for _ in range(WARM):
        for step in steps.values():
            step()
    for number in range(pairs):
        for name, step in steps.items():
            pair = [(steps["plain"], found[name][0]), (step, found[name][1])]
            for run, times in pair if number % 2 else reversed(pair):
                begin = time.perf_counter()
                run()
                times.append(time.perf_counter() - begin)
    return found


def row(name: str, plain: list[float], penalised: list[float]) -> dict[str, object]:
    """Return the median of the pairs' ratios and their quartiles, with the bar where there is one."""
    ratios = [one / other for one, other in zip(penalised, plain, strict=True)]
    ratio = statistics.median(ratios)
    found: dict[str, object] = {
        "step": name,
        "plain_ms": round(statistics.median(plain) * 1e3, 1),
        "step_ms": round(statistics.median(penalised) * 1e3, 1),
        "ratio": round(ratio, 4),
        "ratio_quartiles": [round(one, 4) for one in statistics.quantiles(ratios, n=4)],
    }
    if name in BARS:
        found |= {"bar": BARS[name], "met": ratio <= BARS[name]}
    return found


if __name__ == "__main__":
    sys.exit(main())
