"""How long files take on this machine, and where the time goes."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.errors import ArtifactError
from mobilekit.core.reports import DelegationReport, LatencyReport
from mobilekit.pipeline.measuring import profile_operators
from mobilekit.runtime import open_model

Progress = Callable[[str], None]


class ProfileRequest(msgspec.Struct, frozen=True):
    """One profile of a file, or of the files of an artifact."""

    path: Path
    runs: int = 50
    warmup: int = 10
    operators: bool = True
    out: Path | None = None
    threads: int = 1


class Profile(msgspec.Struct, frozen=True):
    """Timings by file, operator profiles by file, and why something has none."""

    device: str
    latencies: tuple[LatencyReport, ...]
    delegation: dict[str, DelegationReport]
    skipped: dict[str, str]


def profile(request: ProfileRequest, progress: Progress) -> Profile:
    """Time each file, interleaved run by run, and profile the operators of the `.tflite` ones.

    Raises:
        ArtifactError: nothing there, or no model file.
        MachineError: nothing of it can be timed on this machine.
    """
    from mobilekit.profile import host, tables

    paths = _files(request.path)
    reasons = {path.name: host.why_not(path) for path in paths}
    timeable = [path for path in paths if reasons[path.name] is None]
    progress(f"timing {', '.join(path.name for path in timeable) or 'nothing'}")
    latencies = host.measure(
        timeable, threads=request.threads, runs=request.runs, warmup=request.warmup
    )
    skipped = {name: reason for name, reason in reasons.items() if reason}
    delegation: dict[str, DelegationReport] = {}
    if request.operators:
        progress("profiling operators")
        delegation, why = profile_operators(timeable, request.threads)
        skipped |= {f"{name} (operators)": reason for name, reason in why.items()}
    if request.out is not None:
        shapes = {
            path.name: tuple(spec.shape for spec in open_model(path).inputs) for path in timeable
        }
        table = tables.latency_table(latencies, delegation, shapes=shapes)
        files.write_bytes(request.out, msgspec.json.format(msgspec.json.encode(table)))
    return Profile(host.device_name(), latencies, delegation, skipped)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise ArtifactError(f"{path}: no such file or artifact")
    if path.is_dir() and path.suffix != ".mlpackage":
        manifest = artifact.read_manifest(path)
        artifact.check_files(path, manifest)
        return [path / file.path for file in manifest.files]
    return [path]
