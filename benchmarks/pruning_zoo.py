"""Figure: half of the channels of every torchvision classifier and segmenter, up to 150 M parameters.

Each constructor (weights=None) is pruned by half, plainly, and run: 0 crashes, and at least 95 % of the
convolution filters of a CNN in groups that can lose some. With `--exact` instead: random batch-norm
statistics, half of the channels of each group zeroed, removed exactly, compared at two resolutions: at
most 1e-5 of the largest output. With `--fold`: batch norms of random statistics folded, compared in
float64: at most 1e-6 of the largest output.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterator

import outcome
import torch
from torch import Tensor, nn
from torchvision import models

from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.pruning import Pruned, prune
from mobilekit.compress.sparsity.channel_scores import scores
from mobilekit.compress.sparsity.context import choose
from mobilekit.compress.steps.fold import fold
from mobilekit.core.errors import MobilekitError

MOST_PARAMS = 150_000_000
LEAST_COVERAGE, MOST_RESIDUAL, MOST_FOLDED = 0.95, 1e-5, 1e-6
TRANSFORMERS = ("vit_", "swin_", "maxvit")
EXACT = [
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "shufflenet_v2_x1_0",
    "mnasnet1_0",
    "regnet_y_400mf",
    "convnext_tiny",
    "vgg11_bn",
    "fcn_resnet50",
    "deeplabv3_mobilenet_v3_large",
    "lraspp_mobilenet_v3_large",
]
OWN = ("unet", "mobile-hourglass:f32t6", "dfbuster")


def main() -> int:
    """Print a line per network; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="names of networks")
    parser.add_argument("--exact", action="store_true", help="dead channels instead of half of all")
    parser.add_argument("--fold", action="store_true", help="fold batch norms instead of pruning")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    load = outcome.load()
    names = options.only or ([*EXACT, *OWN] if options.exact else classifiers_and_segmenters())
    rows = []
    for name, network, inputs in built(names):
        measure = exact_row if options.exact else fold_row if options.fold else plain_row
        rows.append(row := {"network": name} | measure(name, network, inputs))
        print(row, file=sys.stderr, flush=True)
    return outcome.finish(
        {
            "networks": len(rows),
            "missed": [row["network"] for row in rows if not row["met"]],
            "load_average": load,
            "met": bool(rows) and all(row["met"] for row in rows),
            "rows": rows,
        },
        options.json,
    )


def classifiers_and_segmenters() -> list[str]:
    """Return every constructor's name."""
    return models.list_models(module=models) + models.list_models(module=models.segmentation)


def built(names: list[str]) -> Iterator[tuple[str, nn.Module, list[Tensor]]]:
    """Build the networks that are small enough, with an input each."""
    for name in names:
        if name in OWN:
            from mobilekit.nets.sources import load_source
            from mobilekit.nets.warm import example_inputs

            source = load_source(name, arguments={"size": "128"}, weights=None)
            yield name, source.module, list(example_inputs(source.inputs, 0))
            continue
        builder = models.get_model_builder(name)
        options: dict[str, object] = {"weights": None}
        if "weights_backbone" in builder.__annotations__:
            options["weights_backbone"] = None
        if name in {"googlenet", "inception_v3"}:
            options |= {"aux_logits": False, "init_weights": False}
        if size_of(builder, options) <= MOST_PARAMS:
            yield name, builder(**options).eval(), [torch.zeros(1, 3, 224, 224)]


def size_of(builder: Callable[..., nn.Module], options: dict[str, object]) -> int:
    """Count parameters without allocating them, where the constructor allows that."""
    try:
        with torch.device("meta"):
            return sum(p.numel() for p in builder(**options).parameters())
    except NotImplementedError:
        return sum(p.numel() for p in builder(**options).parameters())


def plain_row(name: str, network: nn.Module, inputs: list[Tensor]) -> dict[str, object]:
    """Prune half of the channels by magnitude, and run what remains."""
    began = time.monotonic()
    try:
        pruned = prune(network, inputs, lambda graph: half(graph, network))
        error = residual(pruned.reference(), pruned.network, [[torch.randn_like(inputs[0])]])
    except MobilekitError as problem:
        return {"met": False, "error": str(problem)}
    share = coverage_of_convolutions(network, pruned)
    return {
        "params": sum(p.numel() for p in network.parameters()),
        "params_after": sum(p.numel() for p in pruned.network.parameters()),
        "convolutions_prunable": round(share, 4),
        "residual": error if pruned.comparable else None,
        "seconds": round(time.monotonic() - began, 2),
        "met": (share >= LEAST_COVERAGE or name.startswith(TRANSFORMERS))
        and (not pruned.comparable or error <= MOST_RESIDUAL),
    }


def fold_row(name: str, network: nn.Module, inputs: list[Tensor]) -> dict[str, object]:
    """Fold the batch norms of a network that has some, and compare in float64."""
    del name
    inputs = [inputs[0][..., :128, :128].double()] if not fixed(network) else [inputs[0].double()]
    randomize(network)
    network = network.double()
    total = sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())  # noqa: SLF001
    if not total:
        return {"norms": 0, "folded": 0, "residual": None, "met": True}
    try:
        done = fold(network, inputs)
        error = residual(network, done.network, [[torch.randn_like(inputs[0])]])
    except MobilekitError as problem:
        return {"norms": total, "met": False, "error": str(problem)}
    return {
        "norms": total,
        "folded": len(done.folded),
        "left": [f"{one.norm}: {one.reason}" for one in done.left],
        "residual": error,
        "met": error <= MOST_FOLDED,
    }


def fixed(network: nn.Module) -> bool:
    """Whether a network takes images of 224 pixels only."""
    return any(word in type(network).__name__.lower() for word in ("vision", "swin", "vit"))


def exact_row(name: str, network: nn.Module, inputs: list[Tensor]) -> dict[str, object]:
    """Zero half of the channels, remove what is dead, and compare."""
    del name
    inputs = [inputs[0][..., :96, :96]] if inputs[0].shape[-1] == 224 else inputs
    randomize(network)
    graph = ChannelGraph(network, inputs)
    dead = half(graph, network)
    with torch.no_grad():
        for axis in graph.writers:
            weight = network.get_parameter(axis.parameter).movedim(axis.dimension, 0)
            weight[dead[graph.channels_of(axis)]] = 0
    pruned = prune(network, inputs)
    samples, two = resolutions(network, inputs)
    error = residual(network, pruned.network, samples)
    return {
        "params": sum(p.numel() for p in network.parameters()),
        "params_after": sum(p.numel() for p in pruned.network.parameters()),
        "dead": int(dead.sum()),
        "carriers": pruned.carriers,
        "refused": pruned.refused,
        "residual": error,
        "two_resolutions": two,
        "met": error <= MOST_RESIDUAL,
    }


def half(graph: ChannelGraph, network: nn.Module) -> Tensor:
    """Want half of the channels of each group, the least ones."""
    free = [group for group in graph.groups if not group.pins]
    wanted = torch.zeros(graph.channels.count, dtype=torch.bool)
    masks = choose([scores(graph, network, group) for group in free], 0.5, "local")
    for group, mask in zip(free, masks, strict=True):
        wanted[group.channels[mask]] = True
    return wanted


def randomize(network: nn.Module) -> None:
    """Give batch norms statistics and affine values that hide nothing."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)


def coverage_of_convolutions(network: nn.Module, pruned: Pruned) -> float:
    """Return the share of convolution filters in groups that can lose some."""
    kinds = dict(network.named_modules())
    rows = [
        row
        for row in pruned.coverage.layers
        if isinstance(kinds.get(row.layer), nn.modules.conv._ConvNd)  # noqa: SLF001
        and row.reason != "an output of the network"
    ]
    free = sum(row.before for row in rows if row.state in {"pruned", "whole"})
    total = sum(row.before for row in rows)
    return free / total if total else 0.0


if __name__ == "__main__":
    sys.exit(main())
