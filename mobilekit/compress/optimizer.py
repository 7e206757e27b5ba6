"""What an optimizer and its scheduler have learnt, carried over to a pruned network.

A momentum, a mean of squared gradients or any other state of a parameter's shape is cut by the same
indices as the parameter; step counters, learning rates and groups stay. Training goes on as that of
the whole network would with the channels that went held at zero.
"""

import copy
import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler

from mobilekit.compress.graph.surgery import IndexMap
from mobilekit.core.errors import ModelError


def carry_over(
    optimizer: Optimizer, before: nn.Module, after: nn.Module, kept: IndexMap
) -> Optimizer:
    """Return a new optimizer of the same class for a pruned network; the old one is left as found.

    Parameters keep their groups, their order and their options. A bias that pruning has added begins
    without state in the group of its weight. Parameters that are not of the network, such as a loss's,
    stay as they are; gradients and hooks are not carried.

    Args:
        optimizer: of `before`, at any point of a training.
        before: the network that was pruned.
        after: what came of it; parameters are matched by their names.
        kept: per parameter and dimension that was cut, the old index of each new one (`Pruned.kept`).

    Raises:
        ModelError: another network's optimizer, one whose state is not per parameter (LBFGS) or is not
            of the parameters' shapes (Adafactor), or `kept` of another pruning.
    """
    kind = type(optimizer)
    if isinstance(optimizer, LBFGS):
        raise ModelError("LBFGS: its state is one vector over all parameters; begin it anew")
    successors = _Successors(before, after, kept)
    if not any(one in successors for group in optimizer.param_groups for one in group["params"]):
        raise ModelError(f"{kind.__name__}: holds no parameter of the network before pruning")
    groups = [_group(group, successors) for group in optimizer.param_groups]
    try:
        result = kind(groups, **_options(kind, optimizer.defaults))
    except TypeError as problem:
        raise ModelError(
            f"{kind.__name__}: cannot be made from its options: {problem}"
        ) from problem
    for old, state in optimizer.state.items():
        new = successors.of(old)
        if new is not None:
            cuts = successors.cuts(old)
            result.state[new] = {
                key: _state(value, old, cuts, f"{kind.__name__}: state {key!r}")
                for key, value in state.items()
            }
    return result


def carry_scheduler(scheduler: LRScheduler, optimizer: Optimizer) -> LRScheduler:
    """Return a copy of a learning-rate scheduler, at the same step, for a carried optimizer.

    Functions inside (those of `LambdaLR`) are shared with the old one, which is left as found;
    schedulers inside (`SequentialLR`, `ChainedScheduler`) are copied too.

    Args:
        scheduler: of the old optimizer.
        optimizer: what `carry_over` made of the old one.

    Raises:
        ModelError: no scheduler, one of an optimizer with other groups, or one that cannot be copied.
    """
    kind = type(scheduler).__name__
    old = getattr(scheduler, "optimizer", None)
    if not isinstance(old, Optimizer):
        raise ModelError(
            f"{kind}: has no optimizer, so it is no scheduler that can be carried over"
        )
    counts = len(old.param_groups), len(optimizer.param_groups)
    if type(old) is not type(optimizer) or counts[0] != counts[1]:
        raise ModelError(
            f"{kind}: is of {type(old).__name__} with {counts[0]} groups, not of"
            f" {type(optimizer).__name__} with {counts[1]}; carry its own optimizer over first"
        )
    try:
        result = copy.deepcopy(scheduler, {id(old): optimizer})
    except (TypeError, RuntimeError) as problem:
        raise ModelError(f"{kind}: cannot be copied: {problem}") from problem
    ConstantLR(optimizer, factor=1.0)  # has PyTorch note the optimizer's steps; changes no rate
    if vars(old).get("_opt_called"):
        vars(optimizer)["_opt_called"] = True
    return result


class _Successors:
    """Which parameter of the pruned network each one has become."""

    def __init__(self, before: nn.Module, after: nn.Module, kept: IndexMap) -> None:
        self._after = dict(after.named_parameters(remove_duplicate=False))
        self._traced = isinstance(after, torch.fx.GraphModule)
        self._kept = kept
        self._names: dict[Tensor, list[str]] = {}
        for name, parameter in before.named_parameters(remove_duplicate=False):
            self._names.setdefault(parameter, []).append(name)
        old = {name for names in self._names.values() for name in names}
        self._added = self._biases(old)

    def __contains__(self, parameter: Tensor) -> bool:
        """Whether it is a parameter of the network before pruning."""
        return parameter in self._names

    def of(self, parameter: Tensor) -> Tensor | None:
        """Return what a parameter has become; None where a traced network no longer uses it.

        Raises:
            ModelError: the pruned network has none of that name, or one of another shape.
        """
        if parameter not in self._names:
            return parameter
        names = self._names[parameter]
        name = next((name for name in names if name in self._after), None)
        if name is None:
            if self._traced:
                return None
            raise ModelError(f"{names[0]}: the pruned network has no such parameter")
        shape = list(parameter.shape)
        for dimension, indices in self.cuts(parameter).items():
            shape[dimension] = len(indices)
        found = self._after[name]
        if list(found.shape) != shape:
            raise ModelError(
                f"{name}: the indices that are kept make {shape}, the pruned network has"
                f" {list(found.shape)}; give `kept` of the same pruning"
            )
        return found

    def cuts(self, parameter: Tensor) -> dict[int, Tensor]:
        """Return the indices that a parameter has kept, by dimension."""
        names = self._names.get(parameter, [])
        return next((dict(self._kept[name]) for name in names if name in self._kept), {})

    def added(self, parameter: Tensor) -> list[tuple[str, Tensor]]:
        """Return the biases that belong to a weight and did not exist before, with their names."""
        return [one for name in self._names.get(parameter, []) for one in self._added.get(name, [])]

    def _biases(self, old: set[str]) -> dict[str, list[tuple[str, Tensor]]]:
        """Find the parameters that are new, by the name of the weight in the same module."""
        found: dict[str, list[tuple[str, Tensor]]] = {}
        known = {self._after[name] for name in self._after if name in old}
        for name, parameter in self._after.items():
            if name in old or parameter in known:
                continue
            known.add(parameter)
            owner = name.rpartition(".")[0]
            weight = f"{owner}.weight".lstrip(".")
            if weight not in old:
                raise ModelError(f"{name}: a new parameter without a weight from before pruning")
            found.setdefault(weight, []).append((name, parameter))
        return found


def _group(group: dict[str, Any], successors: _Successors) -> dict[str, Any]:
    """Return a group with its options and the parameters that its own have become."""
    result = {key: copy.deepcopy(value) for key, value in group.items() if key != "params"}
    names = result.pop("param_names", None)
    parameters: list[Any] = []
    for place, old in enumerate(group["params"]):
        new = successors.of(old)
        if new is None:
            continue
        if names is None:
            parameters += [new, *(bias for _, bias in successors.added(old))]
        else:
            parameters += [(names[place], new), *successors.added(old)]
    return {**result, "params": parameters}


def _options(kind: type[Optimizer], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the options that an optimizer's class takes by name."""
    accepted: set[str] = set()
    for base in kind.__mro__:
        parameters = inspect.signature(base).parameters
        accepted |= parameters.keys()
        if all(one.kind is not one.VAR_KEYWORD for one in parameters.values()):
            break
    return {key: copy.deepcopy(value) for key, value in defaults.items() if key in accepted}


def _state(value: Any, old: Tensor, cuts: dict[int, Tensor], what: str) -> Any:
    """Return one entry of a parameter's state, cut like the parameter."""
    if isinstance(value, Tensor):
        result = value.detach().clone()
        if not cuts or (value.ndim <= 1 and value.numel() == 1 and value.shape != old.shape):
            return result
        if value.shape == old.shape:
            for dimension, indices in cuts.items():
                result = result.index_select(dimension, indices.to(result.device))
            return result
        raise ModelError(
            f"{what} is of shape {list(value.shape)} for a parameter of {list(old.shape)};"
            " it cannot be cut, begin the optimizer anew"
        )
    if cuts and not isinstance(value, (bool, int, float, str, type(None))):
        raise ModelError(f"{what} is a {type(value).__name__}; it cannot be cut, begin anew")
    return copy.deepcopy(value)
