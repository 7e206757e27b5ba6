"""Fold batch norm into the convolutions and linear layers beside it; the function stays what it was.

What it does:
    Follows the values of one recorded run and moves each batch norm (1d, 2d, 3d) into the weights of
    the convolution, transposed convolution or linear layer before it, or of those after it where no
    zero padding stands in the way. The norm becomes `nn.Identity`, the layer gets a bias. Weights are
    computed in float64 and kept in their own type; denormals become 0. The copy is then recorded
    again: its calls must be the old ones, less the norms. What is left is named, with the reason.

When to use it:
    After training, before export and quantization: fewer operators and parameters, and weights whose
    size is what the next layer sees.

When not:
    Before further training: without its norm a network trains worse. Where the scale of a norm is a
    pruning criterion, prune first.

Source:
    Jacob et al. 2018, "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", section 3.2, equation 14. Folding by dataflow, into the layer
    after, and the proof by a second record are our own.
"""

import collections
import copy
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.folding.dataflow import Flow
from mobilekit.compress.folding.plan import Change, Left, Move, plan, tensors
from mobilekit.compress.folding.proof import difference
from mobilekit.compress.graph.record import Record, record
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from mobilekit.core.seeding import child_seed


@dataclass(frozen=True)
class Folded:
    """A network with fewer batch norms, and an account of each."""

    network: nn.Module
    folded: tuple[str, ...]
    """Paths of the norms that are `nn.Identity` now."""
    left: tuple[Left, ...]


def fold(network: nn.Module, inputs: Sequence[Tensor], skip: Collection[str] = ()) -> Folded:
    """Fold every batch norm that can be folded exactly.

    Args:
        network: any module; it is left as found, the result is a copy in the same modes.
        inputs: examples of its positional inputs; only shapes and types matter.
        skip: paths of norms that are to stay.

    Raises:
        NoEffectError: there is no batch norm, or none can be folded.
        ModelError: the network cannot be traced, or holds numbers that are not finite.
        RecipeError: `skip` names something that is no batch norm.
    """
    result = duplicate(network)
    refused = _skipped(result, skip)
    folded: list[str] = []
    state = record(result, inputs)
    while True:
        moves, left = plan(result, state, refused)
        if not moves:
            break
        state, done = _carry_out(result, inputs, moves, state, refused)
        folded += done
    if not folded:
        reasons = "; ".join(f"{one.norm}: {one.reason}" for one in left[:3])
        more = f" (and {len(left) - 3} more)" if len(left) > 3 else ""
        raise NoEffectError(
            f"fold: no batch norm can be folded: {reasons}{more}"
            if left
            else "fold: the network has no batch norm; leave this step out"
        )
    return Folded(result, tuple(folded), tuple(left))


class Fold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    skip: tuple[str, ...] = ()
    """Paths of batch norms that stay, such as `features.1`."""

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the folded network, compared with the given one on inputs of noise.

        Raises:
            NoEffectError: nothing can be folded.
            ModelError: the network cannot be traced, or the outputs differ.
            RecipeError: `skip` names something that is no batch norm.
        """
        context.progress("folding batch norms")
        result = fold(network, context.inputs, self.skip)
        samples, _ = resolutions(network, context.inputs, child_seed(context.seed, "fold"))
        samples += [list(sample) for sample in context.calibration[:1]]
        error = residual(network, result.network, samples)
        limit = _limit(result.network)
        if not error <= limit:
            raise ModelError(
                f"fold: the outputs changed by {error:.1e} of the largest (at most {limit:.1e} is"
                " rounding): the network depends on something that its calls do not show; use `skip`"
            )
        notes = (
            f"folded {len(result.folded)} batch norms",
            *(f"{one.norm} stays: {one.reason}" for one in result.left),
        )
        counts = count_parameters(network), count_parameters(result.network)
        return result.network, StepReport("fold", *counts, error, notes)


def duplicate(network: nn.Module) -> nn.Module:
    """Copy a network, also one that keeps results of gradient-tracked computations as attributes.

    Raises:
        ModelError: it holds something that cannot be copied.
    """
    results = {
        id(value): value.detach().clone()
        for module in network.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    try:
        return copy.deepcopy(network, dict(results))
    except (TypeError, RuntimeError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ModelError(
            f"the network cannot be copied: {type(problem).__name__}: {words}"
        ) from problem


def _limit(network: nn.Module) -> float:
    """Return half of the digits of the coarsest type: a wrong fold changes the first digit."""
    kinds = {tensor.dtype for tensor in network.parameters() if tensor.is_floating_point()}
    return max((math.sqrt(torch.finfo(kind).eps) for kind in kinds), default=0.0)


def _skipped(network: nn.Module, skip: Collection[str]) -> dict[nn.Module, str]:
    modules = dict(network.named_modules(remove_duplicate=False))
    for path in skip:
        if not isinstance(modules.get(path), _BatchNorm):
            raise RecipeError(f"fold.skip: {path!r} is no batch norm of this network")
    return {modules[path]: "it is named in `skip`" for path in skip}


def _carry_out(
    network: nn.Module,
    inputs: Sequence[Tensor],
    moves: list[Move],
    state: Record,
    refused: dict[nn.Module, str],
) -> tuple[Record, list[str]]:
    """Change layers and norms in place, and prove it; what turns out not to go joins `refused`."""
    undo = [(change.module, *tensors(change.module)) for change in _all(moves)]
    for change in _all(moves):
        _install(change)
    before = record(network, inputs)
    flow = Flow(network, before)
    deaf = {change.path for change in _all(moves) if not _listens(flow, change)}
    for move in moves:
        if deaf & {change.path for change in move.changes}:
            refused[move.module] = f"{', '.join(sorted(deaf))} does not use a bias when given one"
    if deaf:  # begin again without them
        _restore(undo)
        return state, []
    stand_ins = {move.module: _stand_in(move.module) for move in moves}
    _replace(network, stand_ins)
    after = record(network, inputs)
    where = difference(before, after, {move.norm for move in moves})
    if where is None:
        return after, [move.norm for move in moves]
    special = {move.module for move in moves if list(move.module.children())}
    if not special:
        raise ModelError(f"fold: without its norms the network differs at {where}; use `skip`")
    _replace(network, {new: norm for norm, new in stand_ins.items()})
    _restore(undo)
    refused |= dict.fromkeys(special, "its forward does more than to normalize")
    return state, []


def _all(moves: list[Move]) -> list[Change]:
    return [change for move in moves for change in move.changes]


def _install(change: Change) -> None:
    weight, bias = tensors(change.module)
    for name, new, like in (
        ("weight", change.weight, weight),
        ("bias", change.bias, weight if bias is None else bias),
    ):
        wanted = getattr(change.module, name) is None or isinstance(like, nn.Parameter)
        value = nn.Parameter(new, requires_grad=like.requires_grad) if wanted else new
        setattr(change.module, name, value)


def _restore(undo: list[tuple[nn.Module, Tensor, Tensor | None]]) -> None:
    for module, weight, bias in undo:
        setattr(module, "weight", weight)  # noqa: B010  it may be a parameter or a buffer
        setattr(module, "bias", bias)  # noqa: B010


def _listens(flow: Flow, change: Change) -> bool:
    """Whether a layer reads its bias as often as its weight."""
    read = collections.Counter(
        held[1]
        for call in flow.calls
        for value in call.inputs
        if (held := flow.holder(value)) is not None and held[0] is change.module
    )
    return read["bias"] == read["weight"]


def _replace(network: nn.Module, new: Mapping[nn.Module, nn.Module]) -> None:
    """Put something else in the place of modules, wherever they are registered."""
    for path, module in list(network.named_modules(remove_duplicate=False)):
        if module in new:
            parent, _, name = path.rpartition(".")
            setattr(network.get_submodule(parent), name, new[module])


def _stand_in(norm: nn.Module) -> nn.Module:
    """Return what remains of a norm: nothing, or the activations that some libraries put inside."""
    children = collections.OrderedDict(norm.named_children())
    stand_in = nn.Sequential(children) if children else nn.Identity()
    stand_in.training = norm.training
    return stand_in
