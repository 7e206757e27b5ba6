"""Measuring on Android with the sample app, started by `am instrument`."""

import re
import shlex
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from mobilekit.core.device_checks import parse_report
from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.errors import ArtifactError, MachineError
from mobilekit.profile import android
from mobilekit.profile.adb import INSTALL_S, Adb
from mobilekit.profile.devices import ANDROID, Job, Subject, check_answer

Progress = Callable[[str], None]
_STACK = re.compile(r"^INSTRUMENTATION_STATUS: stack=(.+)$", re.MULTILINE)
_FAILED = re.compile(r"^INSTRUMENTATION_STATUS_CODE: -[12]\s*$", re.MULTILINE)
_CRASH = re.compile(r"^INSTRUMENTATION_RESULT: (?:shortMsg|longMsg)=(.+)$", re.MULTILINE)


def install(adb: Adb, packages: Sequence[Path], progress: Progress) -> None:
    """Install `.apk` files, over former versions and with the permissions they ask for.

    Raises:
        MachineError: the phone does not take one.
    """
    for package in packages:
        progress(f"installing {package.name} on {adb.serial}")
        what = f"installing {package.name}"
        adb.checked("install", "-r", "-g", "-t", str(package), what=what, timeout_s=INSTALL_S)


def measure(adb: Adb, subject: Subject, job: Job, progress: Progress) -> DeviceReport:
    """Push the model, let the app measure it, and fetch its report; nothing of ours stays on the phone.

    Raises:
        MachineError: the app is not installed, the phone is locked or gone, or the measurement fails.
        ArtifactError: a report that does not fit, or of another model.
    """
    for package in (ANDROID.package, ANDROID.test_package):
        _check_installed(adb, package)
    if android.locked(adb):
        raise MachineError(f"{adb.serial}: the phone is locked; unlock it, and keep it awake")
    number = uuid.uuid4().hex[:12]
    folder, report = f"{ANDROID.folder}/{number}", f"{ANDROID.reports}/{number}.json"
    ended = False
    try:
        adb.shell(f"mkdir -p {folder}", what="making a folder")
        progress(f"pushing {subject.path.name} to {adb.serial}")
        adb.push(subject.path, f"{folder}/model.tflite")
        adb.shell(
            f"chmod a+rx {ANDROID.folder}; chmod -R a+rX {folder}",
            what="letting the app read the model",
        )
        progress(f"measuring {subject.path.name} with {ANDROID.package}")
        _instrument(adb, arguments_of(subject, job, f"{folder}/model.tflite", report), job)
        ended = True
        found = parse_report(_fetched(adb, report), f"{adb.serial}:{report}")
        return _check_kind(adb, check_answer(found, subject, job))
    finally:
        if not ended:
            adb.tidy("shell", f"am force-stop {ANDROID.package}")
        adb.remove(folder)
        adb.tidy("shell", f"run-as {ANDROID.package} rm -f {report}")


def _check_kind(adb: Adb, report: DeviceReport) -> DeviceReport:
    """Refuse an emulator that calls itself a device."""
    kind = android.kind(android.properties(adb))
    if report.measurement_kind != kind:
        raise ArtifactError(
            f"{adb.serial}: `$.measurement_kind` expected {kind}, found {report.measurement_kind}"
        )
    return report


def arguments_of(subject: Subject, job: Job, model: str, report: str) -> dict[str, str]:
    """Return the instrumentation's arguments (`-e name value`); empty ones are not passed.

    Args:
        subject: file to measure.
        job: how.
        model: path of the file on the phone.
        report: path for the report in the app's own folder.
    """
    return {
        "class": ANDROID.test_class,
        "model": model,
        "name": subject.name,
        "variant": subject.variant,
        "file": subject.file,
        "sha256": subject.sha256,
        "runs": str(job.runs),
        "warmup": str(job.warmup),
        "threads": str(job.threads),
        "units": ",".join(job.units),
        "report": report,
    }


def _check_installed(adb: Adb, package: str) -> None:
    done = adb.call("shell", f"pm path {package}", what=f"looking for {package}")
    if not done.text.startswith("package:"):
        raise MachineError(
            f"{adb.serial}: {package} is not installed; install the sample app and its tests (--apk, once for"
            " each), or use --backend benchmark_model"
        )


def _instrument(adb: Adb, arguments: dict[str, str], job: Job) -> None:
    listed = " ".join(
        f"-e {name} {shlex.quote(value)}" for name, value in arguments.items() if value
    )
    command = f"am instrument -w -r {listed} {ANDROID.test_package}/{ANDROID.runner}"
    done = adb.call("shell", command, what="measuring", timeout_s=job.timeout_s)
    if "Unable to find instrumentation" in done.text:
        raise MachineError(
            f"{adb.serial}: {ANDROID.test_package} has no {ANDROID.runner}; install the tests of this version"
            " of the sample app (--apk)"
        )
    problem = _CRASH.search(done.text) or _STACK.search(done.text)
    if problem or _FAILED.search(done.text):
        words = problem[1].strip()[:200] if problem else "no reason given"
        raise MachineError(f"{adb.serial}: the app's measurement failed: {words}")
    if "INSTRUMENTATION_CODE: -1" not in done.text:  # Android's RESULT_OK
        adb.check_there("measuring")
        raise MachineError(
            f"{adb.serial}: the app's measurement did not end ({done.words or 'silence'})"
        )


def _fetched(adb: Adb, report: str) -> bytes:
    command = f"run-as {ANDROID.package} cat {report}"
    done = adb.call("exec-out", command, what="fetching the report")
    said = done.text.lstrip()
    if done.code == 0 and said.startswith("{"):
        return done.stdout
    raise MachineError(f"{adb.serial}: the app left no report ({done.words or 'no answer'})")
