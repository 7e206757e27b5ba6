"""PyTorch itself as a runtime, for `.pt2` programs: the reference that files are compared with."""

from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.runtime import program as programs

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays


class TorchRunner:
    """Runs a saved `torch.export` program on the CPU."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._program = programs.load(path)
        self._threads = threads
        self.inputs = self._program.inputs
        self.outputs = self._program.outputs

    def run(self, inputs: "Arrays") -> "Arrays":
        """Compute the outputs for one set of inputs."""
        return programs.run(self._program, inputs, self._threads)
