"""What is asked of a device, and the names by which the desk and the sample apps know each other."""

from pathlib import Path
from typing import Literal

import msgspec

from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.device_words import Unit
from mobilekit.core.errors import ArtifactError

Backend = Literal["app", "benchmark_model"]


class AndroidApp(msgspec.Struct, frozen=True):
    """Names of the Android app; `apps/testdata/contract.json` repeats them for its tests."""

    package: str = "org.mobilekit.demo"
    test_package: str = "org.mobilekit.demo.test"
    runner: str = "androidx.test.runner.AndroidJUnitRunner"
    test_class: str = "org.mobilekit.demo.BenchmarkTest"
    folder: str = "/data/local/tmp/mobilekit"
    """Where the desk puts what it pushes."""
    reports: str = "files/reports"
    """Where the app leaves its reports, in its own folder."""


class IosApp(msgspec.Struct, frozen=True):
    """Names of the iOS app."""

    bundle: str = "org.mobilekit.demo"
    models: str = "Documents/models"
    """Where the desk puts a package, which the app compiles."""
    reports: str = "Documents/reports"
    scheme: str = "MobileKitDemo"
    test: str = "MobileKitDemoTests/BenchmarkTests"
    attachment: str = "device-report"
    """How the names of the reports begin that the test attaches."""


ANDROID = AndroidApp()
IOS = IosApp()


class Subject(msgspec.Struct, frozen=True):
    """The file to measure, and what its artifact says of it."""

    path: Path
    name: str
    """Of the artifact."""
    variant: str
    file: str
    """Its path in the artifact."""
    sha256: str
    size_bytes: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """How to measure it."""

    runs: int = 50
    warmup: int = 10
    threads: int = 1
    units: tuple[Unit, ...] = ("cpu",)
    serial: str | None = None
    timeout_s: float = 600.0
    """For the measurement itself; the other calls have bounds of their own."""


def check_answer(report: DeviceReport, subject: Subject, job: Job) -> DeviceReport:
    """Return a report that is of what was asked for.

    Raises:
        ArtifactError: it is of another file, or of other units.
    """
    if report.model.sha256 != subject.sha256:
        raise ArtifactError(
            f"{report.device.model}: `$.model.sha256` expected {subject.sha256[:12]}… ({subject.path}), found"
            f" {report.model.sha256[:12]}… ({report.model.file}): the app measured another model"
        )
    if set(report.runtime.requested) != set(job.units):
        raise ArtifactError(
            f"{report.device.model}: `$.runtime.requested` expected {'+'.join(job.units)}, found"
            f" {'+'.join(report.runtime.requested)}: the app measured on other units"
        )
    return report
