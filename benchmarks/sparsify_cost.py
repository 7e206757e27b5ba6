"""Figures: what sparsifying costs: per training step <= 1.05, a mask of VGG-16 <= 0.2 of torch's, memory <= 1.3.

Steps: ResNet-18, batch 32, 64 px, SGD with momentum, one core; filters, global, masks chosen anew and applied
every step; steps alternate with plain ones, the figure is the median of the pairs' ratios, the A/A spread
beside it. Mask: 70 % of all weights of VGG-16 by magnitude, against torch.nn.utils.prune.global_unstructured
in a process of its own each; the number of zeros must be exact, also among equal weights. Memory: greatest
resident size while VGG-16's weights are sparsified, over weights, masks and (movement) initial copy.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import outcome
import torch
import torchvision
from torch.nn import functional

from mobilekit.compress.sparsity.axes import Axes, sparsifier

BATCH, SIZE, CLASSES, WARM = 32, 64, 10, 3
STEP_BAR, MASK_BAR, MEMORY_BAR = 1.05, 0.2, 1.3
SHARE = 0.7


def main() -> int:
    """Print the figures; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--pairs", type=int, default=30, help="pairs of steps")
    parser.add_argument("--rounds", type=int, default=3, help="masks per library")
    parser.add_argument("--part", choices=("ours", "torch", "memory", "initial"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.part:
        print(PARTS[options.part]())
        return 0
    load = outcome.load()
    step, noise = steps(options.pairs)
    ours = [float(part("ours")) for _ in range(options.rounds)]
    theirs = [float(part("torch")) for _ in range(options.rounds)]
    mask = statistics.median(ours) / statistics.median(theirs)
    memory = {name: round(float(part(name)), 3) for name in ("memory", "initial")}
    result = {
        "load_average": load,
        "met": step["ratio"] <= STEP_BAR
        and mask <= MASK_BAR
        and max(memory.values()) <= MEMORY_BAR,
        "step": step | {"bar": STEP_BAR},
        "a_a": noise,
        "mask": {
            "seconds": [round(each, 2) for each in ours],
            "torch_seconds": [round(each, 2) for each in theirs],
            "ratio": round(mask, 4),
            "bar": MASK_BAR,
        },
        "memory": memory | {"bar": MEMORY_BAR},
    }
    return outcome.finish(result, options.json)


def steps(pairs: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the ratio of a sparsified step to a plain one, and of plain ones to each other."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = torchvision.models.resnet18(num_classes=CLASSES).train()
        images, labels = torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(CLASSES, (BATCH,))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    axes = Axes(0.5, "filter", "global", "large_final")
    made, _ = sparsifier(network, axes, (images,))
    total = 2 * (pairs + WARM)
    count = iter(range(1, total + 1))

    def plain() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    def sparse() -> None:
        plain()
        made.update(next(count) / total)
        made.apply(optimizer)

    for _ in range(WARM):
        plain()
        sparse()
    return compared(plain, sparse, pairs), compared(plain, plain, pairs)


def compared(one: Callable[[], None], two: Callable[[], None], pairs: int) -> dict[str, float]:
    """Return the median ratio of the second's time to the first's, which of them begins changing."""
    ratios = []
    for number in range(pairs):
        order = (one, two) if number % 2 else (two, one)
        first, second = (timed(each) for each in order)
        ratios.append(second / first if number % 2 else first / second)
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "ratio": round(middle, 4),
        "lower_quartile": round(low, 4),
        "upper_quartile": round(high, 4),
    }


def timed(run: Callable[[], None]) -> float:
    """Return seconds."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def part(name: str) -> str:
    """Measure something in a process of its own."""
    command = [sys.executable, __file__, "--part", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def tied() -> torch.nn.Module:
    """Return VGG-16 in which a third of the weights are equal."""
    network = torchvision.models.vgg16()
    with torch.no_grad():
        for weight in network.parameters():
            weight.view(-1)[::3] = 0.001
    return network


def ours() -> float:
    """Return the seconds of a mask, after its zeros have been counted."""
    network = tied()
    made, _ = sparsifier(network, Axes(SHARE, "weight", "global"))
    seconds = timed(lambda: made.update(1.0))
    total = sum(each.count for each in made.groups)
    zeros = sum(int((each.weight == 0).sum()) for each in made.groups)
    assert zeros == made.count[0] == int(SHARE * total), (zeros, made.count)
    return seconds


def torchs() -> float:
    """Return the seconds of torch's own."""
    from torch.nn.utils import prune

    network = tied()
    wanted = [
        (module, "weight")
        for module in network.modules()
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))
    ]
    return timed(
        lambda: prune.global_unstructured(wanted, prune.L1Unstructured, amount=SHARE)  # type: ignore[no-untyped-call]
    )


def memory(criterion: str) -> float:
    """Return what is resident at most, beyond the libraries, over weights, masks and initial copy."""
    small = torch.nn.Sequential(torch.nn.Linear(8, 8))
    sparsifier(small, Axes(0.5, "weight", "global", criterion))[0].update(1.0)
    before = resident()
    network = torchvision.models.vgg16()
    made, _ = sparsifier(network, Axes(SHARE, "weight", "global", criterion))
    reset_peak()
    made.update(1.0)
    peak = resident("VmHWM") - before
    weights = sum(each.numel() * 4 for each in network.parameters())
    own = weights * (2 if criterion == "movement" else 1) + sum(each.numel() for each in made.dead)
    return peak / own


def resident(field: str = "VmRSS") -> int:
    """Return bytes of this process's memory."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [line] = [line for line in lines if line.startswith(field)]
    return int(line.split()[1]) * 1024


def reset_peak() -> None:
    """Forget the greatest size so far."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


PARTS: dict[str, Callable[[], float]] = {
    "ours": ours,
    "torch": torchs,
    "memory": lambda: memory("large_final"),
    "initial": lambda: memory("movement"),
}

if __name__ == "__main__":
    sys.exit(main())
