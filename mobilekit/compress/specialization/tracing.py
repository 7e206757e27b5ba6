"""The channels of a network whose classes are to go: a softmax over them is taken over fewer."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.utils import _pytree as pytree

from mobilekit.compress.graph.channels import ChannelGraph
from mobilekit.compress.graph.record import Call, Record, Value, record
from mobilekit.compress.graph.rules import follow
from mobilekit.compress.graph.tracing import Tracing

SOFTMAX = ("_softmax", "_log_softmax")


class ClassGraph(ChannelGraph):
    """A channel graph in which outputs and softmax pin nothing, so that classes can go.

    Args:
        network: any module; it is left as found.
        inputs: examples of its positional inputs; only shapes and types matter.
        training: follow the code that the network's own modules run in training; norms and dropout
            still evaluate.

    Raises:
        ModelError: the network cannot be traced.
    """

    def __init__(self, network: nn.Module, inputs: Sequence[Tensor], *, training: bool) -> None:
        self.training = training
        with behaving(network, training=training), _named_outputs(network) as names:
            self.record: Record = record(network, inputs)
        count = len(self.record.outputs)
        fits = len(names) == count
        self.outputs = names if fits else [f"output {n}" for n in range(count)]
        """Name of each output of the record: its key, its field or its place."""
        seen = replace(self.record, calls=[_open(call) for call in self.record.calls])
        self._tracing = Tracing(seen)
        self._yielded = Counter()
        self.inputs = {}
        follow(self._tracing)
        self._resolve()

    @property
    def reasons(self) -> list[tuple[Tensor, str]]:
        """Channels whose removal changes others, and why: numbers of shape `[n]`."""
        return [(self.channels.of(atoms.reshape(-1)), why) for atoms, why in self._tracing.inexact]

    @property
    def renormalized(self) -> Tensor:
        """Whether a softmax is taken over each channel, shape `[channels]`."""
        found = torch.zeros(self.channels.count, dtype=torch.bool)
        for call in self.record.calls:
            if call.name in SOFTMAX:
                found |= self._softened(call)
        return found

    def mixing(self, classes: Tensor) -> Call | None:
        """Return the first call that mixes a softmax over classes with other values of the classes.

        Args:
            classes: whether each channel is one of a class, shape `[channels]`.
        """
        soft: set[int] = set()
        for call in self.record.calls:
            used = {value.index for value in call.inputs if self._holds(value, classes)}
            if call.name in SOFTMAX and bool((self._softened(call) & classes).any()):
                soft.add(call.outputs[0].index)
            elif used & soft:
                if len(used) > 1:
                    return call
                soft |= {value.index for value in call.outputs}
        return None

    def _holds(self, value: Value, classes: Tensor) -> bool:
        """Whether a value is computed from the inputs and has channels of classes."""
        parts = () if self._tracing.is_weight(value) else self.components(value)
        return any(bool(classes[part].any()) for part in parts)

    def _softened(self, call: Call) -> Tensor:
        """Return which channels a softmax is taken over, shape `[channels]`."""
        found = torch.zeros(self.channels.count, dtype=torch.bool)
        value = call.inputs[0]
        dimension = call.argument("dim") % max(len(self.record.shape(value)), 1)
        for part in self.components(value):
            if part.shape[dimension] > 1:
                found[part.reshape(-1)] = True
        return found


@contextlib.contextmanager
def behaving(network: nn.Module, *, training: bool) -> Iterator[None]:
    """Let runs that are recorded take the network's own code for training, or for evaluation.

    What PyTorch itself makes different in training (norms, dropout) stays in evaluation.
    """
    if not training:
        yield
        return
    own = [module for module in network.modules() if not _evaluates(module)]

    def train(_module: nn.Module, _inputs: Any) -> None:
        for module in own:
            module.training = True

    handle = network.register_forward_pre_hook(train)
    try:
        yield
    finally:
        handle.remove()


def _evaluates(module: nn.Module) -> bool:
    norms = isinstance(module, (_BatchNorm, _DropoutNd))
    return norms or type(module).__module__.startswith("torch.nn.")


@contextlib.contextmanager
def _named_outputs(network: nn.Module) -> Iterator[list[str]]:
    """Give a list that has the names of the tensors among the outputs, after a run."""
    names: list[str] = []

    def note(_module: nn.Module, _inputs: Any, outputs: Any) -> None:
        found, _ = pytree.tree_flatten_with_path(outputs)
        names[:] = [_name(path) for path, leaf in found if isinstance(leaf, Tensor)]

    handle = network.register_forward_hook(note)
    try:
        yield names
    finally:
        handle.remove()


def _name(path: Sequence[Any]) -> str:
    parts = [
        str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path
    ]
    return ".".join(parts) or "output"


def _open(call: Call) -> Call:
    """Let channels pass a softmax as they pass a copy."""
    if call.name not in SOFTMAX:
        return call
    return replace(call, operator=torch.ops.aten.alias.default, args=call.args[:1], kwargs={})
