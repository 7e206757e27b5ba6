"""Measuring on an iPhone by the sample app's own test: built, signed and started by `xcodebuild`."""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from mobilekit.core.device_checks import parse_report
from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.errors import ArtifactError, MachineError
from mobilekit.profile import devicectl, external
from mobilekit.profile.devicectl import Phone
from mobilekit.profile.devices import IOS, Job, Subject, check_answer
from mobilekit.profile.external import Done
from mobilekit.profile.ios import compute_units

Progress = Callable[[str], None]
EXPORT_S = 120.0
_LOCKED = re.compile(
    r"is locked|Unlock .+ to [Cc]ontinue|passcode protected|could not be, unlocked"
)
_ERROR = re.compile(r"^.*\berror: (.+)$", re.MULTILINE)


class Attachment(msgspec.Struct, frozen=True, rename="camel"):
    """A file that a test left."""

    exported_file_name: str
    suggested_human_readable_name: str = ""


class Attachments(msgspec.Struct, frozen=True):
    """What one test left, in the manifest of `xcresulttool export attachments`."""

    attachments: tuple[Attachment, ...] = ()


def measure(
    phone: Phone, project: Path, subject: Subject, job: Job, progress: Progress
) -> DeviceReport:
    """Run the benchmark test on the phone, and take the report out of its results.

    The test measures the model that is bundled with the app under the same name; of another file than the
    one asked for, the report is refused.

    Raises:
        ArtifactError: no such project, no report, one that does not fit, or of another model.
        MachineError: the phone is locked, or building, signing or measuring fails.
    """
    if not project.is_dir():
        raise ArtifactError(f"--xcode-project {project}: no such project")
    name = phone.device_properties.name or phone.identifier
    with tempfile.TemporaryDirectory() as folder:
        results, attached = Path(folder) / "results.xcresult", Path(folder) / "attachments"
        progress(f"building {project.name} and measuring {subject.file} on {name}")
        words = [
            "xcodebuild", "test", "-project", str(project), "-scheme", IOS.scheme,
            "-destination", f"id={phone.hardware_properties.udid}", f"-only-testing:{IOS.test}",
            "-resultBundlePath", str(results),
        ]  # fmt: skip
        done = external.call(
            words, timeout_s=job.timeout_s, what="measuring", extra=environment_of(subject, job)
        )
        if done.code != 0:
            raise _explained(done, name)
        progress("fetching the report")
        words = ["xcrun", "xcresulttool", "export", "attachments", "--path", str(results)]
        done = external.call(
            [*words, "--output-path", str(attached)],
            timeout_s=EXPORT_S,
            what="fetching the report",
        )
        if done.code != 0:
            raise MachineError(f"xcrun xcresulttool: fetching the report failed ({done.words})")
        content = _report(attached, subject)
    return check_answer(parse_report(content, f"{name}:{IOS.attachment}"), subject, job)


def environment_of(subject: Subject, job: Job) -> dict[str, str]:
    """Return what the test reads; xcodebuild passes on what begins so, without its beginning."""
    values = {
        "SHA256": subject.sha256,
        "RUNS": str(job.runs),
        "WARMUP": str(job.warmup),
        "COMPUTE_UNITS": compute_units(job),
    }
    return {f"TEST_RUNNER_MOBILEKIT_{name}": value for name, value in values.items()}


def _report(folder: Path, subject: Subject) -> bytes:
    """Return the attachment that is the report: of several, the one of the file that was asked for."""
    found = [path.read_bytes() for path in _files(folder)]
    if not found:
        raise ArtifactError(
            f"{IOS.test}: left no attachment called {IOS.attachment}*.json; is the app of this version?"
        )
    own = [content for content in found if subject.sha256.encode() in content]
    return (own or found)[0]


def _files(folder: Path) -> Iterator[Path]:
    try:
        listed = msgspec.json.decode(
            (folder / "manifest.json").read_bytes(), type=tuple[Attachments, ...]
        )
    except (OSError, msgspec.DecodeError) as problem:
        raise MachineError(
            f"xcrun xcresulttool: left no list of attachments that can be read ({problem})"
        ) from problem
    for one in (each for test in listed for each in test.attachments):
        name = one.suggested_human_readable_name
        path = folder / Path(one.exported_file_name).name
        if name.startswith(IOS.attachment) and name.endswith(".json") and path.is_file():
            yield path


def _explained(done: Done, phone: str) -> MachineError:
    said = done.stderr + done.text
    if _LOCKED.search(said):
        return devicectl.locked(phone)
    first = _ERROR.search(said)
    words = first[1].strip()[:200] if first else f"exit code {done.code}"
    return MachineError(f"{phone}: xcodebuild could not build or measure ({words})")
