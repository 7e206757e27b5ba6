"""The border between training code and converters: a `torch.export` program with named ends."""

import contextlib
import functools
import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch

import mobilekit
from mobilekit.core import files
from mobilekit.core.errors import ArtifactError
from mobilekit.core.tensors import TensorSpec, guess_layout
from mobilekit.runtime.arrays import check_arrays

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays

SPECS = "mobilekit.json"
MOST_BATCH = 1024
_FILE = re.compile(r'File "([^"]+)"')
_OURS = Path(mobilekit.__file__).parent


@dataclass(frozen=True)
class Program:
    """A program whose inputs are positional, and whose outputs are a flat tuple, in spec order."""

    exported: torch.export.ExportedProgram
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @functools.cached_property
    def module(self) -> torch.nn.Module:
        """The program as a module: positional tensors in, a tuple of tensors out."""
        return self.exported.module()


NETWORK, WRAPPED = "net.", ("net.", "normalize.")
"""Where a program that was traced here holds the network, and what all of its tensors lie in."""


def place_of(program: Program) -> str:
    """Return what stands before the names of the network's own modules: `net.`, or nothing.

    A program that was not traced by mobilekit holds its network at the top.
    """
    names = (*program.exported.state_dict, *program.exported.constants)
    wrapped = any(name.startswith(NETWORK) for name in names)
    return NETWORK if wrapped and all(name.startswith(WRAPPED) for name in names) else ""


def weights_of(program: Program) -> dict[str, torch.Tensor]:
    """Return the network's floating-point tensors of two dimensions and more, named as in the network."""
    place = place_of(program)
    return {
        name.removeprefix(place): value.detach()
        for name, value in program.exported.state_dict.items()
        if value.ndim > 1 and value.is_floating_point() and name.startswith(place)
    }


def save(program: Program, path: Path) -> None:
    """Write a program with its specs, atomically, and without the folders of its source files."""
    _forget_folders(program.exported)
    specs = {"inputs": program.inputs, "outputs": program.outputs}
    buffer = io.BytesIO()
    text = msgspec.json.encode(specs).decode()
    torch.export.save(program.exported, buffer, extra_files={SPECS: text})
    files.write_bytes(path, buffer.getvalue())


def _forget_folders(exported: torch.export.ExportedProgram) -> None:
    """Keep file names and lines in stack traces: where they lie is nobody's business but the user's."""
    for part in exported.graph_module.modules():
        if isinstance(part, torch.fx.GraphModule):
            for node in part.graph.nodes:
                trace = node.meta.get("stack_trace")
                if trace:
                    node.meta["stack_trace"] = _FILE.sub(_shortened, trace)


def _shortened(match: "re.Match[str]") -> str:
    """Name a package's file from the package on, any other by its name alone."""
    path = Path(match[1])
    if path.is_relative_to(_OURS):
        return f'File "{path.relative_to(_OURS.parent).as_posix()}"'
    _, _, inside = path.as_posix().rpartition("/site-packages/")
    return f'File "{inside if inside != path.as_posix() else path.name}"'


def load(path: Path) -> Program:
    """Read a program; one without specs of ours gets them from its example inputs.

    Raises:
        ArtifactError: missing, truncated, or no `torch.export` program.
    """
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file")
    extra = {SPECS: ""}
    try:
        if names_torchvision(path):
            import torchvision  # noqa: F401  registers its operators
        with _silent("torch.export"):
            exported = torch.export.load(path, extra_files=extra)
    except Exception as problem:
        words = " ".join(str(problem).split())[:160]
        raise ArtifactError(
            f"{path}: is no whole torch.export program ({type(problem).__name__}: {words})"
        ) from problem
    if extra[SPECS]:
        specs = json.loads(extra[SPECS])
        inputs, outputs = (
            msgspec.convert(specs[side], tuple[TensorSpec, ...]) for side in ("inputs", "outputs")
        )
        return Program(exported, inputs, outputs)
    return foreign(path, exported)


def names_torchvision(path: Path) -> bool:
    """Say whether a program calls operators of torchvision, which must be imported before loading.

    Raises:
        zipfile.BadZipFile: the file is no archive.
    """
    with zipfile.ZipFile(path) as archive:
        graphs = [
            name for name in archive.namelist() if "models/" in name and name.endswith("json")
        ]
        return any(b"torch.ops.torchvision." in archive.read(name) for name in graphs)


@contextlib.contextmanager
def _silent(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def foreign(path: Path, exported: torch.export.ExportedProgram) -> Program:
    """Describe somebody else's program by its own graph.

    Raises:
        ArtifactError: symbolic shapes, or inputs or outputs that are no tensors.
    """
    signature = exported.graph_signature
    values = {node.name: node.meta.get("val") for node in exported.graph.nodes}
    inputs = tuple(_spec(path, name, values.get(name)) for name in signature.user_inputs)
    outputs = tuple(
        _spec(path, "output" if not index else f"output_{index}", values.get(name))
        for index, name in enumerate(signature.user_outputs)
    )
    return Program(exported, inputs, outputs)


def run(program: Program, arrays: "Arrays", threads: int = 1) -> "Arrays":
    """Run the program on arrays in the layout of its specs.

    Raises:
        DataError: an input is missing, or of another shape or type.
    """
    check_arrays(program.inputs, arrays)
    # Copies, since a network may change its inputs in place; in plain order, since PyTorch's kernels, and
    # the last bits of their results, depend on the order of axes in memory.
    values = [torch.tensor(arrays[spec.name]).contiguous() for spec in program.inputs]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            results = flat(program.module(*values))
    finally:
        torch.set_num_threads(before)
    return {spec.name: value.numpy() for spec, value in zip(program.outputs, results, strict=True)}


def free_axes(inputs: tuple[torch.Tensor, ...]) -> tuple[dict[int, Any], ...]:
    """Return, for each input, the dynamic shape of a free batch that all of them share."""
    batch = torch.export.Dim("batch", min=1, max=MOST_BATCH)
    return tuple({0: batch} for _ in inputs)


def has_free_batch(program: Program) -> bool:
    """Say whether the program was traced with a symbolic first dimension."""
    names = set(program.exported.graph_signature.user_inputs)
    return any(
        node.name in names and not isinstance(node.meta["val"].shape[0], int)
        for node in program.exported.graph.nodes
        if node.op == "placeholder" and node.meta["val"].dim()
    )


def flat(value: Any) -> tuple[torch.Tensor, ...]:
    """Return the tensors of a possibly nested output, in order."""
    leaves, _ = torch.utils._pytree.tree_flatten(value)  # noqa: SLF001
    return tuple(leaf for leaf in leaves if isinstance(leaf, torch.Tensor))


def _spec(path: Path, name: str, value: object) -> TensorSpec:
    if not isinstance(value, torch.Tensor):
        raise ArtifactError(f"{path}: {name} is no tensor; only tensors can be exported")
    if not all(isinstance(size, int) for size in value.shape):
        raise ArtifactError(
            f"{path}: {name} has a symbolic shape {list(value.shape)}; export it with fixed shapes"
        )
    shape = tuple(int(size) for size in value.shape)
    dtype = str(value.dtype).removeprefix("torch.")
    return TensorSpec(name, shape, dtype, guess_layout(shape, dtype))
