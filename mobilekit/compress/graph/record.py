"""What a network does, call by call: every ATen operator of one run, recorded without computing it.

The run takes place on fake tensors (shapes and types only), below autograd and below Python's modules,
so a frozen network, half precision, shared modules, several inputs and outputs of any structure are
all the same here. What depends on the values of a tensor cannot be recorded, and is an error.
"""

import contextlib
import functools
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from mobilekit.compress.graph import shapes
from mobilekit.compress.graph.untouched import evaluating
from mobilekit.core.errors import ModelError

_TORCH = f"{Path(torch.__file__).parent}{os.sep}"
_HERE = __file__
_DEVICE = torch.ops.prim.device.default


@dataclass(frozen=True)
class Value:
    """A tensor of a recorded run, by its number."""

    index: int


@dataclass(frozen=True)
class Call:
    """One operator: its arguments with every tensor replaced by a `Value`."""

    operator: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[Value, ...]
    module: str
    """Path of the innermost module whose `forward` makes the call; empty for the network itself."""
    source: str
    """`file.py:12` of the line of the network's own code that makes the call, where it is known."""
    node: str = ""
    """Name of the node that makes the call, in a network that is an `fx.GraphModule`."""

    @property
    def name(self) -> str:
        """The operator's name without name space and overload: `convolution`."""
        return str(self.operator.overloadpacket).rpartition(".")[2]

    def argument(self, name: str) -> Any:
        """Return an argument by its name in the operator's schema, or its default.

        Raises:
            KeyError: the operator has no such argument.
        """
        if name in self.kwargs:
            return self.kwargs[name]
        position, default = _places(self.operator)[name]
        return self.args[position] if position < len(self.args) else default

    @property
    def inputs(self) -> tuple[Value, ...]:
        """Every tensor among the arguments, in order."""
        found: list[Value] = []
        _mapped((self.args, self.kwargs), Value, found.append)
        return tuple(found)


@functools.cache
def _places(operator: Any) -> dict[str, tuple[int, Any]]:
    """Return the position and the default of each argument of an operator, by name."""
    listed = enumerate(operator._schema.arguments)  # noqa: SLF001
    return {one.name: (place, one.default_value) for place, one in listed}


def _mapped(arguments: Any, kind: type, function: Callable[[Any], Any]) -> Any:
    """Replace every value of a type in the nested lists, tuples and dictionaries of a call."""
    if isinstance(arguments, kind):
        return function(arguments)
    if isinstance(arguments, (list, tuple)):
        return type(arguments)([_mapped(one, kind, function) for one in arguments])
    if isinstance(arguments, dict):
        return {key: _mapped(one, kind, function) for key, one in arguments.items()}
    return arguments


@dataclass
class Record:
    """One recorded run."""

    calls: list[Call] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    """Of each value, by its number."""
    strides: list[tuple[int, ...]] = field(default_factory=list)
    """Of each value, by its number."""
    names: dict[int, str] = field(default_factory=dict)
    """State-dict name of each parameter and buffer that is read, by its value's number."""
    inputs: tuple[Value, ...] = ()
    outputs: tuple[Value, ...] = ()

    def shape(self, value: Value) -> tuple[int, ...]:
        """Return the shape of a value."""
        return self.shapes[value.index]

    def name(self, value: Value) -> str | None:
        """Return the name of a parameter or buffer; None for anything else."""
        return self.names.get(value.index)


Watch = Callable[[int, int, Tensor], None]


def record(network: nn.Module, inputs: Sequence[Tensor], *, partial: bool = False) -> Record:
    """Record one run of a network in evaluation mode; it is left as found.

    Args:
        network: any module; its modes, gradients and global settings are untouched.
        inputs: examples of its positional inputs; only shapes and types matter.
        partial: return what was recorded before the network failed, instead of an error.

    Raises:
        ModelError: the network takes a decision by the values of a tensor, or refuses the inputs.
    """
    recorder = _Recorder(network)
    try:
        with evaluating(network), _silent(), FakeTensorMode(allow_non_fake_inputs=True) as fake:
            return recorder.run([fake.from_tensor(tensor) for tensor in inputs])
    except Exception as problem:
        if partial:
            return recorder.end(())
        raise _explained(problem, recorder.where()) from problem


def observe(
    network: nn.Module, inputs: Sequence[Tensor], watch: Watch, like: Record | None = None
) -> Record:
    """Run a network for real, and show every tensor that a call takes.

    Args:
        network: any module; it is left as found.
        inputs: of the run.
        watch: called with the number of the call, the place among its inputs and the tensor, before the
            call.
        like: a record on fake tensors; results get the strides that they had there, since PyTorch
            chooses operators by them.

    Raises:
        ModelError: the network refuses the inputs.
    """
    recorder = _Recorder(network, watch, like)
    try:
        with evaluating(network):
            return recorder.run(inputs)
    except Exception as problem:
        raise _explained(problem, recorder.where()) from problem


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """PyTorch logs a whole traceback for each failure that is raised anyway."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _explained(problem: Exception, where: str) -> ModelError:
    if isinstance(problem, ModelError):
        return problem
    if isinstance(problem, (DataDependentOutputException, DynamicOutputShapeException)):
        return ModelError(
            f"{where}: decides by the values of a tensor ({problem.func}), which no trace can follow; make"
            " that choice outside the network"
        )
    words = " ".join(str(problem).split())[:200]
    return ModelError(f"{where}: the network cannot be traced: {type(problem).__name__}: {words}")


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(
        self, network: nn.Module, watch: Watch | None = None, like: Record | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._record = Record()
        self._watch, self._like = watch, like
        self._network = network
        self._numbers: dict[int, Value] = {}
        self._alive: list[Tensor] = []  # an id() is a name only while its object lives
        self._named = {
            id(tensor): name
            for name, tensor in (
                *network.named_buffers(remove_duplicate=False),
                *network.named_parameters(remove_duplicate=False),
            )
        }
        self._stack: list[str] = []
        self._last = ("", "")
        self.node: fx.Node | None = None

    def run(self, inputs: Sequence[Tensor]) -> Record:
        self._record.inputs = tuple(self._new(tensor) for tensor in inputs)
        with self._paths(), self:
            if isinstance(self._network, fx.GraphModule):
                outputs = _Interpreter(self._network, self).run(*inputs)
            else:
                outputs = self._network(*inputs)
        return self.end(outputs)

    def end(self, outputs: Any) -> Record:
        self._record.outputs = tuple(self._value(tensor) for tensor in _tensors(outputs))
        return self._record

    def where(self) -> str:
        """Name the place of the last call that was begun."""
        module, source = self._last
        return " at ".join(part for part in (module or "the network", source) if part)

    @contextlib.contextmanager
    def _paths(self) -> Iterator[None]:
        """Follow which module is running."""
        names = {module: name for name, module in self._network.named_modules()}
        thread = threading.get_ident()

        def enter(module: nn.Module, _: Any) -> None:
            if threading.get_ident() == thread:
                self._stack.append(names.get(module, self._stack[-1] if self._stack else ""))

        def leave(_module: nn.Module, *_: Any) -> None:
            if threading.get_ident() == thread:
                self._stack.pop()

        before = torch.nn.modules.module.register_module_forward_pre_hook(enter)
        after = torch.nn.modules.module.register_module_forward_hook(leave)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        kwargs = kwargs or {}
        if func is _DEVICE:
            return func(*args)
        self._last = (self._stack[-1] if self._stack else "", _line(self.node))
        before = _mapped((args, kwargs), Tensor, self._value)
        if self._watch is not None:
            tensors: list[Tensor] = []
            _mapped((args, kwargs), Tensor, tensors.append)
            for place, tensor in enumerate(tensors):
                self._watch(len(self._record.calls), place, tensor)
        result = shapes.made(func, args, kwargs) if self._watch is None else None
        if result is None:
            result = func(*args, **kwargs)
        if self._like is not None:
            result = self._restrided(func, result, self._like)
        made: list[Tensor] = []
        _mapped(result, Tensor, made.append)
        if made:
            outputs = tuple(self._new(tensor) for tensor in made)
            module, source = self._last
            node = self.node.name if self.node is not None else ""
            self._record.calls.append(
                Call(func, before[0], before[1], outputs, module, source, node)
            )
        return result

    def _restrided(self, func: Any, result: Any, like: Record) -> Any:
        """Give a tensor the strides that it has in another record, where that changes no meaning."""
        number = len(self._record.calls)
        if not isinstance(result, Tensor) or func._schema.is_mutable:  # noqa: SLF001
            return result
        if number >= len(like.calls) or like.calls[number].operator is not func:
            return result
        value = like.calls[number].outputs[0]
        strides = like.strides[value.index]
        if tuple(result.shape) != like.shape(value) or result.stride() == strides:
            return result
        if _alike(result, strides):
            return result.as_strided(result.shape, strides, result.storage_offset())
        if func.is_view:
            return result
        fresh = torch.empty_strided(result.shape, strides, dtype=result.dtype, device=result.device)
        return fresh.copy_(result)

    def _value(self, tensor: Tensor) -> Value:
        return self._numbers.get(id(tensor)) or self._new(tensor)

    def _new(self, tensor: Tensor) -> Value:
        """Number a tensor; one that was written in place gets a new number."""
        value = Value(len(self._record.shapes))
        self._record.shapes.append(tuple(tensor.shape))
        self._record.strides.append(tensor.stride())
        name = self._named.get(id(tensor))
        if name is not None and id(tensor) not in self._numbers:
            self._record.names[value.index] = name
        self._numbers[id(tensor)] = value
        self._alive.append(tensor)
        return value


def _alike(tensor: Tensor, strides: tuple[int, ...]) -> bool:
    """Whether strides differ where a dimension has one place only."""
    places = zip(tensor.shape, tensor.stride(), strides, strict=True)
    return all(one == two for size, one, two in places if size > 1)


def _tensors(result: Any) -> list[Tensor]:
    """Flatten outputs of any structure, also of classes that only have fields."""
    found = []
    for leaf in pytree.tree_leaves(result):
        if isinstance(leaf, Tensor):
            found.append(leaf)
        elif hasattr(leaf, "__dict__") and not callable(leaf):
            found += [part for part in pytree.tree_leaves(vars(leaf)) if isinstance(part, Tensor)]
    return found


class _Interpreter(fx.Interpreter):
    """Runs a graph node by node, and tells the recorder which."""

    def __init__(self, network: fx.GraphModule, recorder: _Recorder) -> None:
        super().__init__(network, garbage_collect_values=False)
        self._recorder = recorder

    def run_node(self, n: fx.Node) -> Any:
        self._recorder.node = n
        return super().run_node(n)


def _line(node: fx.Node | None = None) -> str:
    """Return `file.py:12` of the innermost line outside of torch and of this file.

    In a graph, that of the code which the node was traced from.
    """
    if node is not None:
        places = re.findall(r'File "([^"]+)", line (\d+)', node.stack_trace or "")
        own = [one for one in places if not one[0].startswith(_TORCH)]
        return f"{Path(own[-1][0]).name}:{own[-1][1]}" if own else ""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_TORCH) and file != _HERE and not file.startswith("<"):
            return f"{os.path.basename(file)}:{frame.f_lineno}"  # noqa: PTH119  per call
        frame = frame.f_back
    return ""
