"""Measuring on an iPhone with the sample app, started by `xcrun devicectl`."""

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from mobilekit.core.device_checks import parse_report
from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.device_words import COMPUTE_UNITS
from mobilekit.core.errors import MachineError
from mobilekit.profile import devicectl
from mobilekit.profile.devicectl import COPY_S, Phone
from mobilekit.profile.devices import IOS, Job, Subject, check_answer

Progress = Callable[[str], None]


def measure(phone: Phone, subject: Subject, job: Job, progress: Progress) -> DeviceReport:
    """Copy the package to the app, let it measure, and fetch its report.

    The app removes the package when it has compiled it; devicectl cannot.

    Raises:
        MachineError: the app is not installed, the phone is locked or gone, or the measurement fails.
        ArtifactError: a report that does not fit, or of another model.
    """
    name = phone.device_properties.name or phone.identifier
    _check_installed(phone, name)
    number = uuid.uuid4().hex[:12]
    model, report = f"{IOS.models}/{number}.mlpackage", f"{IOS.reports}/{number}.json"
    progress(f"copying {subject.path.name} to {name}")
    _copy(phone, name, ("to", str(subject.path), model))
    progress(f"measuring {subject.path.name} with {IOS.bundle}")
    behind = [part for pair in arguments_of(subject, job, model, report).items() for part in pair]
    devicectl.run(
        "device process launch", "--device", phone.identifier, "--terminate-existing", "--console",
        IOS.bundle, "--", *behind,
        what="measuring", phone=name, timeout_s=job.timeout_s,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        fetched = Path(folder) / f"{number}.json"  # devicectl does not write over a file
        _copy(phone, name, ("from", report, str(fetched)))
        if not fetched.is_file():
            raise MachineError(f"{name}: the app left no report at {report}")
        content = fetched.read_bytes()
    return check_answer(parse_report(content, f"{name}:{report}"), subject, job)


def compute_units(job: Job) -> str:
    """Return Core ML's word for the units of a job."""
    words = {frozenset(units): word for word, units in COMPUTE_UNITS.items()}
    return words[frozenset(job.units)]


def arguments_of(subject: Subject, job: Job, model: str, report: str) -> dict[str, str]:
    """Return the app's launch arguments, each with its value.

    Args:
        subject: file to measure.
        job: how.
        model: path of the package in the app's container.
        report: path for the report there.
    """
    return {
        "--benchmark": model,
        "--name": subject.name,
        "--variant": subject.variant,
        "--file": subject.file,
        "--sha256": subject.sha256,
        "--size-bytes": str(subject.size_bytes),
        "--runs": str(job.runs),
        "--warmup": str(job.warmup),
        "--compute-units": compute_units(job),
        "--report": report,
    }


def _check_installed(phone: Phone, name: str) -> None:
    answer = devicectl.run(
        "device info apps", "--device", phone.identifier, "--bundle-id", IOS.bundle,
        what=f"looking for {IOS.bundle}", phone=name,
    )  # fmt: skip
    if not answer.get("apps"):
        raise MachineError(
            f"{name}: {IOS.bundle} is not installed; run the sample app once from Xcode"
        )


def _copy(phone: Phone, name: str, way: tuple[str, str, str]) -> None:
    direction, source, destination = way
    devicectl.run(
        f"device copy {direction}", "--device", phone.identifier,
        "--domain-type", "appDataContainer", "--domain-identifier", IOS.bundle,
        "--source", source, "--destination", destination,
        what=f"copying {Path(source).name}", phone=name, timeout_s=COPY_S,
    )  # fmt: skip
