"""How long an artifact's files take on a phone at the end of a cable."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.errors import ArtifactError, UsageError
from mobilekit.core.targets import variant_of
from mobilekit.profile.devices import Backend, Job, Subject

Progress = Callable[[str], None]
Place = Literal["android", "ios"]
SUFFIXES: dict[Place, str] = {"android": ".tflite", "ios": ".mlpackage"}


class DeviceProfileRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to measure on which phone."""

    path: Path
    """An artifact, or one file."""
    place: Place
    job: Job
    out: Path
    """Folder of the reports."""
    backend: Backend = "app"
    benchmark_model: Path | None = None
    """An Android build of the program, for the backend of its name."""
    packages: tuple[Path, ...] = ()
    """`.apk` files to install before."""
    project: Path | None = None
    """Xcode's, whose benchmark test is run instead of an installed app."""


class DeviceProfile(msgspec.Struct, frozen=True):
    """The reports, and where they are."""

    reports: tuple[DeviceReport, ...]
    paths: tuple[str, ...]


def profile_on_device(request: DeviceProfileRequest, progress: Progress) -> DeviceProfile:
    """Measure each file that the phone can run, and write a report of each.

    Raises:
        UsageError: options that do not go together, or a phone that is not attached.
        ArtifactError: nothing there that the phone can run, or a report that does not fit.
        MachineError: no adb or Xcode, no phone, a phone that refuses, a measurement that fails.
        OutputError: a report cannot be written.
    """
    _check(request)
    subjects = subjects_of(request.path, SUFFIXES[request.place])
    measure = _ios(request) if request.place == "ios" else _android(request, progress)
    reports, paths = [], []
    for subject in subjects:
        report = measure(subject, progress)
        path = request.out / _name(report)
        text = json.dumps(msgspec.to_builtins(report), indent=2, allow_nan=False)
        files.write_text(path, text + "\n")
        reports.append(report)
        paths.append(str(path))
    return DeviceProfile(tuple(reports), tuple(paths))


def subjects_of(path: Path, suffix: str) -> tuple[Subject, ...]:
    """Return the files of a kind, with what their artifact says of them.

    Raises:
        ArtifactError: none of that kind, or damaged ones.
    """
    if not path.exists():
        raise ArtifactError(f"{path}: no such file or artifact")
    whole = path.is_dir() and path.suffix != ".mlpackage"
    folder = path if whole else path.absolute().parent
    if whole or artifact.is_artifact(folder):
        manifest = artifact.read_manifest(folder)
        artifact.check_files(folder, manifest)
        found = tuple(
            Subject(
                folder / one.path,
                manifest.name,
                variant_of(one.target),
                one.path,
                one.sha256,
                one.size_bytes,
            )
            for one in manifest.files
            if one.path.endswith(suffix) and (whole or folder / one.path == path.absolute())
        )
    else:
        found = (_alone(path),) if path.suffix == suffix else ()
    if not found:
        raise ArtifactError(f"{path}: holds no {suffix} file, which this device would run")
    return found


def _alone(path: Path) -> Subject:
    digest, size = files.sha256(path), files.size_bytes(path)
    return Subject(path, path.stem, "", path.name, digest, size)


def _check(request: DeviceProfileRequest) -> None:
    wanted = request.backend == "benchmark_model"
    if wanted and request.place == "ios":
        raise UsageError("--backend benchmark_model: runs on Android only; iOS has the app")
    if wanted and request.benchmark_model is None:
        raise UsageError(
            "--backend benchmark_model: name your Android build of it (--benchmark-model)"
        )
    if not wanted and request.benchmark_model is not None:
        raise UsageError("--benchmark-model: belongs to --backend benchmark_model")
    if request.project is not None and request.place != "ios":
        raise UsageError("--xcode-project: belongs to --device ios")
    if request.packages and (wanted or request.place == "ios"):
        raise UsageError("--apk: belongs to --device android with --backend app")


Measure = Callable[[Subject, Progress], DeviceReport]


def _android(request: DeviceProfileRequest, progress: Progress) -> Measure:
    from mobilekit.profile import adb, android_app, android_binary

    phone = adb.choose(request.job.serial)
    binary = request.benchmark_model
    if binary is not None:
        return lambda subject, say: android_binary.measure(phone, binary, subject, request.job, say)
    android_app.install(phone, request.packages, progress)
    return lambda subject, say: android_app.measure(phone, subject, request.job, say)


def _ios(request: DeviceProfileRequest) -> Measure:
    from mobilekit.profile import devicectl, ios, xcode

    phone = devicectl.choose(request.job.serial)
    project = request.project
    if project is not None:
        return lambda subject, say: xcode.measure(phone, project, subject, request.job, say)
    return lambda subject, say: ios.measure(phone, subject, request.job, say)


def _name(report: DeviceReport) -> str:
    """Return a file name that says what was measured, and is taken by no other report."""
    units = "+".join(report.runtime.requested)
    words = (
        report.model.name,
        report.model.variant,
        report.device.model,
        units,
        report.report_id[:8],
    )
    text = "-".join(word for word in words if word)
    return f"{re.sub(r'[^A-Za-z0-9.+_-]+', '_', text)}.json"
