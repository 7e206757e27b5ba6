"""A saved `.mlpackage` becomes a MIL program with its weights, on any machine."""

import logging
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.quiet import without_stderr


@dataclass(frozen=True)
class Package:
    """A loaded package: its specification (protobuf) and its MIL program."""

    path: Path
    spec: Any
    program: Any


def quiet_coremltools() -> None:
    """Import coremltools without the warnings it prints away from macOS, and without TensorFlow.

    coremltools imports TensorFlow where it is installed; torch's compiler, loaded after it, then
    crashes the process (both bring an LLVM of their own). Nothing here needs that front end.
    """
    if "coremltools" in sys.modules:
        return
    for name in ("coremltools", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    hidden = "tensorflow" not in sys.modules
    if hidden:
        sys.modules["tensorflow"] = None  # type: ignore[assignment] # an import of it fails
    try:
        with warnings.catch_warnings(), without_stderr():
            warnings.simplefilter("ignore")
            import coremltools  # noqa: F401
    finally:
        if hidden:
            del sys.modules["tensorflow"]


def load_package(path: Path) -> Package:
    """Load a package.

    Raises:
        ArtifactError: missing, truncated, of another format, or no ML program.
    """
    if not path.is_dir() or not (path / "Manifest.json").is_file():
        raise ArtifactError(f"{path}: is no .mlpackage (a folder with a Manifest.json)")
    quiet_coremltools()
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto import load as milproto

    try:
        model = ct.models.MLModel(str(path), skip_model_load=True)
        spec = model.get_spec()
    except Exception as problem:
        raise ArtifactError(
            f"{path}: cannot be read by coremltools ({_words(problem)})"
        ) from problem
    kind = spec.WhichOneof("Type")
    if kind != "mlProgram":
        raise ArtifactError(
            f"{path}: holds a {kind}, not an ML program (mlProgram); export it for ios15 or later"
        )
    try:
        program = milproto.load(
            model_spec=spec,
            specification_version=spec.specificationVersion,
            file_weights_dir=model.weights_dir,
        )
    except Exception as problem:
        raise ArtifactError(f"{path}: its program cannot be read ({_words(problem)})") from problem
    return Package(path, spec, program)


def _words(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {' '.join(str(problem).split())[:160]}"
