"""Generated source (`model.source`), run by a fresh interpreter that can import torch and nothing of ours."""

import ast
import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.core.errors import ArtifactError, DataError
from mobilekit.core.tensors import TensorSpec, guess_layout
from mobilekit.runtime.arrays import check_arrays

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays

MODEL = "model.py"
_SERVER = """
import io, sys
FORBIDDEN = {"mobilekit", "torchvision", "timm", "safetensors", "lightning"}
class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FORBIDDEN:
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Guard())
import numpy, torch
from torch.utils import _pytree as pytree
torch.set_num_threads(int(sys.argv[2]))
sys.path.insert(0, sys.argv[1])
import model
network = model.load()
print("ready", flush=True)
for line in sys.stdin:
    path = line.rstrip("\\n")
    try:
        given = numpy.load(path, allow_pickle=False)
        inputs = [torch.from_numpy(given[key]) for key in given.files]
        with torch.no_grad():
            leaves = pytree.tree_leaves(network(*inputs))
        made = [leaf.numpy() for leaf in leaves if isinstance(leaf, torch.Tensor)]
        numpy.savez(path + ".out.npz", **{str(n): array for n, array in enumerate(made)})
        print("done", flush=True)
    except Exception as problem:
        print("failed " + " ".join(f"{type(problem).__name__}: {problem}".split())[:300], flush=True)
"""
"""Takes paths of .npz files, one per line; writes the outputs beside them."""


class SourceRunner:
    """Runs a folder of generated source; its interpreter starts with the first run.

    Raises:
        ArtifactError: no generated source, or one that cannot be loaded.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self.path, self._threads = path, threads
        self._server: subprocess.Popen[str] | None = None
        ends = _ends(path / MODEL)
        self.inputs, self.outputs = _specs(ends["INPUTS"]), _specs(ends["OUTPUTS"])

    def run(self, inputs: "Arrays") -> "Arrays":
        """Compute the outputs for one set of inputs.

        Raises:
            ArtifactError: the source cannot be loaded.
            DataError: it fails on these inputs.
        """
        import numpy as np

        check_arrays(self.inputs, inputs, {})
        server = self._started()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "inputs.npz")
            buffer = io.BytesIO()
            named: Any = {
                spec.name: np.ascontiguousarray(inputs[spec.name]) for spec in self.inputs
            }
            np.savez(buffer, **named)
            path.write_bytes(buffer.getvalue())
            answer = self._asked(server, str(path))
            if answer != "done":
                raise DataError(f"{self.path}: {answer.removeprefix('failed ')}")
            with np.load(f"{path}.out.npz", allow_pickle=False) as made:
                arrays = [made[str(n)] for n in range(len(made.files))]
        if len(arrays) != len(self.outputs):
            raise DataError(f"{self.path}: {len(arrays)} outputs instead of {len(self.outputs)}")
        return {spec.name: array for spec, array in zip(self.outputs, arrays, strict=True)}

    def __del__(self) -> None:
        """End the interpreter."""
        server = getattr(self, "_server", None)
        if server is not None:
            for pipe in (server.stdin, server.stdout, server.stderr):
                if pipe is not None:
                    pipe.close()
            server.kill()
            server.wait()

    def _started(self) -> "subprocess.Popen[str]":
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", _SERVER, str(self.path), str(self._threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._expect(self._server, "ready")
        return self._server

    def _asked(self, server: "subprocess.Popen[str]", line: str) -> str:
        assert server.stdin is not None  # noqa: S101  a pipe
        assert server.stdout is not None  # noqa: S101  a pipe
        server.stdin.write(f"{line}\n")
        server.stdin.flush()
        return server.stdout.readline().rstrip("\n") or "failed the interpreter ended"

    def _expect(self, server: "subprocess.Popen[str]", word: str) -> None:
        assert server.stdout is not None  # noqa: S101  a pipe
        assert server.stderr is not None  # noqa: S101  a pipe
        if server.stdout.readline().rstrip("\n") != word:
            lines = server.stderr.read().strip().splitlines() or ["it ended"]
            raise ArtifactError(f"{self.path}: cannot be loaded: {lines[-1][:300]}")


def _ends(path: Path) -> dict[str, Any]:
    """Read the constants INPUTS and OUTPUTS of a source, without running it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError) as problem:
        raise ArtifactError(f"{path}: no generated source: {problem}") from problem
    found = {}
    for line in tree.body:
        name = getattr(line.targets[0], "id", "") if isinstance(line, ast.Assign) else ""
        if isinstance(line, ast.Assign) and name in {"INPUTS", "OUTPUTS"}:
            found[name] = ast.literal_eval(line.value)
    if len(found) != 2:
        raise ArtifactError(f"{path}: no generated source: it does not say its inputs and outputs")
    return found


def _specs(ends: Any) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name, tuple(shape), dtype, guess_layout(tuple(shape), dtype))
        for name, shape, dtype in ends
    )
