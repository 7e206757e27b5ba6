"""LiteRT: `.tflite` files by the interpreter of the ai-edge-litert wheel (no torch needed)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.core.errors import ArtifactError
from mobilekit.core.tensors import IMAGE_CHANNELS, Layout, TensorSpec
from mobilekit.runtime.arrays import check_arrays
from mobilekit.runtime.quiet import without_stderr

if TYPE_CHECKING:
    from mobilekit.core.tensors import Array, Arrays

IDENTIFIER = b"TFL3"


@dataclass(frozen=True)
class Operator:
    """One operator of a file: its type, and the indices of its tensors."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class TfliteRunner:
    """Runs a `.tflite` file with XNNPACK, or with the reference kernels.

    Args:
        path: the file.
        threads: of the interpreter.
        delegate: False runs the built-in kernels without XNNPACK, and lists every operator.
        keep_all: keeps the values of all tensors, for `tensor_values`.

    Raises:
        ArtifactError: missing, truncated, of another format, or with an operator that this
            interpreter lacks.
    """

    def __init__(
        self, path: Path, threads: int = 1, *, delegate: bool = True, keep_all: bool = False
    ) -> None:
        check_identifier(path)
        self.path = path
        self._interpreter = open_interpreter(path, threads, delegate=delegate, keep_all=keep_all)
        self._signature, names_in, names_out = signature_of(self._interpreter)
        self.inputs = tuple(spec_of(name, detail) for name, detail in names_in.items())
        self.outputs = tuple(spec_of(name, detail) for name, detail in names_out.items())
        self._in = {name: detail["index"] for name, detail in names_in.items()}
        self._out = {name: detail["index"] for name, detail in names_out.items()}

    def run(self, inputs: "Arrays") -> "Arrays":
        """Compute the outputs for one set of inputs."""
        check_arrays(self.inputs, inputs)
        for name, array in inputs.items():
            self._interpreter.set_tensor(self._in[name], array)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._out.items()}

    def tensor_indices(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the indices of the tensors of the inputs and of the outputs, by name."""
        return dict(self._in), dict(self._out)

    def operators(self) -> tuple[Operator, ...]:
        """List the operators in the order they run."""
        return tuple(
            Operator(
                detail["index"],
                detail["op_name"],
                tuple(int(i) for i in detail["inputs"]),
                tuple(int(i) for i in detail["outputs"]),
            )
            for detail in self._interpreter._get_ops_details()  # noqa: SLF001  no public form
        )

    def tensors(self) -> dict[int, TensorSpec]:
        """Describe each tensor, by its index."""
        details = self._interpreter.get_tensor_details()
        return {detail["index"]: spec_of(detail["name"], detail) for detail in details}

    def constants(self) -> list[tuple[str, int, int]]:
        """List the element type, number of elements and bytes of each stored tensor."""
        import numpy as np

        computed = {index for operator in self.operators() for index in operator.outputs}
        computed |= set(self._in.values())
        used = {index for operator in self.operators() for index in operator.inputs}
        found = []
        for detail in self._interpreter.get_tensor_details():
            if detail["index"] in used - computed:
                dtype = np.dtype(detail["dtype"])
                count = int(np.prod(detail["shape"]))
                found.append((str(dtype), count, count * dtype.itemsize))
        return found

    def tensor_values(self) -> "dict[int, tuple[str, Array]]":
        """Return index → (name, value) of every tensor of the last run (with `keep_all`)."""
        found = {}
        for detail in self._interpreter.get_tensor_details():
            try:
                found[detail["index"]] = (
                    detail["name"],
                    self._interpreter.get_tensor(detail["index"]),
                )
            except ValueError:  # a temporary without a value
                continue
        return found


def check_identifier(path: Path) -> None:
    """Refuse what is no flat buffer of TFLite.

    Raises:
        ArtifactError: missing, or of another format.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as problem:
        raise ArtifactError(f"{path}: cannot be read ({problem.strerror})") from problem
    if head[4:8] != IDENTIFIER:
        raise ArtifactError(f"{path}: is no .tflite file (it lacks the identifier TFL3)")


def open_interpreter(path: Path, threads: int, *, delegate: bool, keep_all: bool) -> Any:
    """Return an interpreter with its tensors allocated.

    Raises:
        ArtifactError: truncated, or with an operator that this interpreter lacks.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.AUTO if delegate else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with without_stderr():
            interpreter = Interpreter(
                model_path=str(path),
                num_threads=threads,
                experimental_op_resolver_type=resolver,
                experimental_preserve_all_tensors=keep_all,
            )
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ArtifactError(f"{path}: cannot be run by LiteRT ({words})") from problem
    return interpreter


def signature_of(interpreter: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the default signature's inputs and outputs by name; the tensors' names without one."""
    details_in = {d["index"]: d for d in interpreter.get_input_details()}
    details_out = {d["index"]: d for d in interpreter.get_output_details()}
    signatures = interpreter._get_full_signature_list()  # noqa: SLF001  the public one lacks indices
    for key, ends in signatures.items():
        names_in = {name: details_in[i] for name, i in ends["inputs"].items() if i in details_in}
        names_out = {
            name: details_out[i] for name, i in ends["outputs"].items() if i in details_out
        }
        if len(names_in) == len(details_in) and len(names_out) == len(ends["outputs"]):
            return key, names_in, names_out
    return (
        "",
        {d["name"]: d for d in details_in.values()},
        {d["name"]: d for d in details_out.values()},
    )


def spec_of(name: str, detail: dict[str, Any]) -> TensorSpec:
    """Describe one end of a file by the interpreter's details of its tensor."""
    import numpy as np

    shape = tuple(int(size) for size in detail["shape"])
    dtype = str(np.dtype(detail["dtype"]))
    scales = detail["quantization_parameters"]["scales"]
    if dtype.startswith("float") or len(scales) != 1:
        return TensorSpec(name, shape, dtype, _layout(shape))
    zero = int(detail["quantization_parameters"]["zero_points"][0])
    return TensorSpec(name, shape, dtype, _layout(shape), step=float(scales[0]), zero=zero)


def _layout(shape: tuple[int, ...]) -> Layout:
    """Guess the order of an image's axes; a manifest knows better."""
    if len(shape) != 4:
        return "plain"
    if shape[3] in IMAGE_CHANNELS and shape[1] not in IMAGE_CHANNELS:
        return "NHWC"
    return "NCHW" if shape[1] in IMAGE_CHANNELS else "plain"
