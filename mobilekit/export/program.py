"""A module becomes a program: normalization baked in, inputs and outputs flat and named."""

import contextlib
import dataclasses
import io
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mobilekit.core.artifact import Normalization
from mobilekit.core.errors import MobilekitError, ModelError
from mobilekit.core.tensors import TensorSpec, guess_layout
from mobilekit.export.chatter import captured
from mobilekit.runtime.program import Program, free_axes

_LOGGERS = (
    "torch",
    "torch._subclasses.fake_tensor",
    "torch.export",
    "torch.fx.experimental.symbolic_shapes",
    "torch._dynamo",
)


def trace(
    module: nn.Module,
    inputs: tuple[TensorSpec, ...],
    *,
    normalization: Normalization | None = None,
    output_names: tuple[str, ...] = (),
    free_batch: bool = False,
) -> Program:
    """Export `module` with `torch.export`, for inputs of exactly these shapes.

    Args:
        module: in eval mode; it is left as found.
        inputs: in the order of `forward`.
        normalization: `(pixel * scale - mean) / std` for the first input.
        output_names: in the order of the outputs; by default the keys of a dictionary, the fields
            of a named tuple or dataclass, else `output`, `output_1`, …
        free_batch: the first axis of every input may have any size from 1 to 1024.

    Raises:
        ModelError: control flow that depends on data, outputs that are no tensors, statistics
            that do not fit the channels.
    """
    wrapped = Ends(module, normalization_of(normalization, inputs))
    examples = tuple(_example(spec) for spec in inputs)
    with _inference(wrapped), torch.no_grad(), hushed():
        results = _called(wrapped, examples, inputs)
        try:
            exported = torch.export.export(
                wrapped,
                *_doubled(examples, free_batch=free_batch),
                dynamic_shapes={"inputs": free_axes(examples)} if free_batch else None,
                strict=False,
            )
        except Exception as problem:
            raise ModelError(_explain(problem)) from problem
    if free_batch:
        _check_free(exported, results)
    names = _output_names(wrapped.names, output_names, len(results))
    outputs = tuple(
        TensorSpec(name, tuple(value.shape), _dtype(value), _output_layout(value))
        for name, value in zip(names, results, strict=True)
    )
    return Program(exported, inputs, outputs)


def _doubled(examples: tuple[Tensor, ...], *, free_batch: bool) -> tuple[tuple[Tensor, ...]]:
    """Return the examples, with a batch of 2 where it is to be free: 1 would be taken as fixed.

    Raises:
        ModelError: an input without a batch of 1.
    """
    if not free_batch:
        return (examples,)
    if any(not value.dim() or value.shape[0] != 1 for value in examples):
        raise ModelError("a free batch needs inputs whose first axis is 1")
    return (tuple(torch.cat([value, value]) for value in examples),)


def _check_free(exported: torch.export.ExportedProgram, results: tuple[Tensor, ...]) -> None:
    """Refuse outputs whose shape, for a free batch, is not that for a batch of 1 but for the first axis.

    A batch that was squeezed away, summed over or baked into a reshape would go unseen otherwise.
    """
    values = {node.name: node.meta["val"] for node in exported.graph.nodes if "val" in node.meta}
    for name, result in zip(exported.graph_signature.user_outputs, results, strict=True):
        shape, fixed = values[str(name)].shape, result.shape
        free = len(shape) == len(fixed) > 0 and not isinstance(shape[0], int)
        if not free or fixed[0] != 1 or shape[1:] != fixed[1:]:
            raise ModelError(
                f"a free batch changes output {name} from {list(fixed)} to {list(shape)}"
            )


def _called(
    module: nn.Module, examples: tuple[Tensor, ...], inputs: tuple[TensorSpec, ...]
) -> tuple[Tensor, ...]:
    try:
        results: tuple[Tensor, ...] = module(*examples)
    except MobilekitError:
        raise
    except Exception as problem:
        given = ", ".join(
            f"{spec.name} {'x'.join(map(str, spec.shape))} {spec.dtype}" for spec in inputs
        )
        words = " ".join(str(problem).split())[:300]
        raise ModelError(
            f"the network fails on {given}: {type(problem).__name__}: {words}; give its inputs with"
            " --input [name=]1x3x224x224[:dtype]"
        ) from problem
    return results


class Ends(nn.Module):
    """A module with normalization before it, and a flat tuple of distinct tensors after it."""

    def __init__(self, net: nn.Module, normalize: nn.Module | None) -> None:
        super().__init__()
        self.net = net
        self.normalize = normalize
        self.names: tuple[str, ...] = ()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of the net, one after the other."""
        first = inputs[0] if self.normalize is None else self.normalize(inputs[0])
        named = flatten(self.net(first, *inputs[1:]))
        self.names = tuple(name for name, _ in named)
        return tuple(value for _, value in named)


class Normalize(nn.Module):
    """`(x * scale - mean) / std` per channel, as one multiplication and one addition."""

    factor: Tensor
    offset: Tensor

    def __init__(self, normalization: Normalization, channels: int) -> None:
        super().__init__()
        mean, std = (
            torch.tensor(values, dtype=torch.float64).expand(channels)
            for values in (normalization.mean, normalization.std)
        )
        shape = (1, channels, 1, 1)
        self.register_buffer("factor", (normalization.scale / std).reshape(shape).float())
        self.register_buffer("offset", (-mean / std).reshape(shape).float())

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to the same shape."""
        return x * self.factor + self.offset


def normalization_of(
    normalization: Normalization | None, inputs: tuple[TensorSpec, ...]
) -> nn.Module | None:
    """Return the module for the first input, or None.

    Raises:
        ModelError: the first input is no image, or the statistics do not fit its channels.
    """
    if normalization is None:
        return None
    first = inputs[0]
    if first.layout != "NCHW" or not first.dtype.startswith("float"):
        raise ModelError(f"normalization: the first input, {first.name}, is no float image")
    channels = first.shape[1]
    for word, values in (("mean", normalization.mean), ("std", normalization.std)):
        if len(values) not in {1, channels}:
            raise ModelError(
                f"--{word}: {len(values)} values for the {channels} channels of {first.name}; give 1"
                f" or {channels}"
            )
    if not all(math.isfinite(value) and value > 0 for value in normalization.std):
        raise ModelError(f"--std: {list(normalization.std)} must be above 0, and finite")
    return Normalize(normalization, channels)


def flatten(value: Any, name: str = "") -> list[tuple[str, Tensor]]:
    """List the tensors of an output with their names; nested names are joined by `_`.

    Raises:
        ModelError: an output that is neither tensor nor a container of tensors.
    """
    if isinstance(value, Tensor):
        return [(name, value)]
    if value is None:
        return []
    pairs: list[tuple[str, Any]]
    if isinstance(value, Mapping):
        pairs = [(str(key), part) for key, part in value.items()]
    elif dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value)]
        pairs = [(field, getattr(value, field)) for field in fields]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        pairs = list(zip(value._fields, value, strict=True))
    elif isinstance(value, (list, tuple)):
        pairs = [("" if len(value) == 1 else str(i), part) for i, part in enumerate(value)]
    else:
        raise ModelError(
            f"the network returns a {type(value).__name__}; only tensors, and tuples, lists,"
            " dictionaries and dataclasses of them, can be exported"
        )
    return [
        found
        for key, part in pairs
        for found in flatten(part, f"{name}_{key}" if name and key else name or key)
    ]


def _output_names(found: tuple[str, ...], asked: tuple[str, ...], count: int) -> tuple[str, ...]:
    if not count:
        raise ModelError("the network returns no tensor")
    if asked:
        if len(asked) != count:
            raise ModelError(f"{len(asked)} output names for {count} outputs: {', '.join(asked)}")
        return asked
    names: list[str] = []
    for index, name in enumerate(found):
        plain = "output" if not index else f"output_{index}"
        clean = re.sub(r"\W", "_", name) if name and not name.isdigit() else plain
        clean = f"output_{clean}" if clean[0].isdigit() else clean
        names.append(clean if clean not in names else f"{clean}_{index}")
    return tuple(names)


def _example(spec: TensorSpec) -> Tensor:
    dtype = getattr(torch, spec.dtype)
    if dtype.is_floating_point:
        generator = torch.Generator().manual_seed(0)
        return torch.rand(spec.shape, generator=generator).to(dtype)
    return torch.zeros(spec.shape, dtype=dtype)


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _output_layout(value: Tensor) -> Any:
    """Call a 4-d floating output an image, so that it moves with the camera layout of LiteRT."""
    shape = tuple(value.shape)
    if len(shape) == 4 and value.is_floating_point():
        return "NCHW"
    return guess_layout(shape, _dtype(value))


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hold back what `torch.export` logs and prints; an error says it in one line."""
    nowhere = io.StringIO()
    ends = contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere)
    with captured(*_LOGGERS), ends[0], ends[1]:
        yield


@contextlib.contextmanager
def _inference(module: nn.Module) -> Iterator[None]:
    modes = {part: part.training for part in module.modules()}
    try:
        for part in module.modules():
            part.training = False
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def _explain(problem: BaseException) -> str:
    """Say in one line what `torch.export` does not follow, and where in the user's code."""
    text = str(problem)
    words = " ".join(text.split("\n\n", maxsplit=1)[0].split())[:300]
    place = re.findall(r'File "([^"]+)", line (\d+)', text)
    own = [(file, line) for file, line in place if "/torch/" not in file]
    where = f" at {own[-1][0].rsplit('/', 1)[-1]}:{own[-1][1]}" if own else ""
    if "data-dependent" in text or "DataDependent" in type(problem).__name__ or "GuardOn" in text:
        return (
            f"the network's control flow depends on its data{where}, which no phone format can hold"
            f" ({words}); export the part before it, for a detector: backbone and heads without"
            " post-processing"
        )
    return f"torch.export cannot follow the network{where}: {type(problem).__name__}: {words}"
