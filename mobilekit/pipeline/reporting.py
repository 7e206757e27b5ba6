"""Any number of device reports and artifacts, brought together in a table and a page."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from mobilekit.core import artifact, files
from mobilekit.core.artifact import MANIFEST, ModelFile
from mobilekit.core.device_checks import read_report
from mobilekit.core.device_figures import Operator
from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.errors import ArtifactError
from mobilekit.pipeline.measuring import LATENCY_TABLE
from mobilekit.profile.tables import LatencyTable
from mobilekit.report import device_page
from mobilekit.report.device_measurements import Measurement, from_manifest, from_report
from mobilekit.report.device_regressions import Comparison, compare

Progress = Callable[[str], None]
SIGN = b'"measurement_kind"'
"""What marks a JSON file of a folder as a device's report."""


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to bring together, and what to compare it with."""

    paths: tuple[Path, ...]
    out: Path
    """The page."""
    against: tuple[Path, ...] = ()
    least: float = 0.05
    """Change of the medians (0–1) below which nothing is called slower or faster."""


class Reporting(msgspec.Struct, frozen=True):
    """What was found."""

    out: str
    measurements: tuple[Measurement, ...]
    comparison: Comparison | None = None

    @property
    def failed(self) -> bool:
        """Whether something became slower, or a device's outputs are not those of the network."""
        checks = [one.verification for one in self.measurements]
        wrong = any(check is not None and not check.passed for check in checks)
        return wrong or (self.comparison is not None and bool(self.comparison.slower))


def report(request: ReportRequest, progress: Progress) -> Reporting:
    """Read, compare, and write the page.

    Raises:
        ArtifactError: nothing there, a report that does not fit or contradicts itself, or one of a model
            that is none of the artifacts' beside it.
        OutputError: the page cannot be written.
    """
    found = gather(request.paths, progress)
    comparison = None
    if request.against:
        comparison = compare(found, gather(request.against, progress), least=request.least)
    progress(f"writing {request.out}")
    files.write_text(request.out, device_page.render(found, comparison, request.least))
    return Reporting(str(request.out), found, comparison)


def gather(paths: Sequence[Path], progress: Progress) -> tuple[Measurement, ...]:
    """Read the reports and artifacts that are named, or lie in folders that are.

    Of a folder, the JSON files count that call themselves reports; a file that is named must be one.

    Raises:
        ArtifactError: see `report`.
    """
    manifests: dict[Path, artifact.Manifest] = {}
    reports: dict[Path, DeviceReport] = {}
    named = {one.resolve(): one for path in paths for one in _files(path)}
    for path in named.values():
        progress(f"reading {path}")
        if path.name == MANIFEST:
            manifests[path] = artifact.read_manifest(path.parent)
        else:
            reports[path] = read_report(path)
    known = {file.sha256: file for one in manifests.values() for file in one.files}
    for path, one in reports.items():
        _check_model(path, one, known, [manifest.name for manifest in manifests.values()])
    found = [
        measurement
        for path, manifest in manifests.items()
        for measurement in from_manifest(manifest, str(path), _operators(path.parent))
    ]
    found += [from_report(one, str(path), known) for path, one in _once(reports)]
    if not found:
        listed = ", ".join(map(str, paths))
        raise ArtifactError(
            f"{listed}: no measurement; expected reports of devices (JSON, as the sample apps and `mobilekit profile`"
            " write them) or artifacts that were timed"
        )
    return tuple(found)


def _files(path: Path) -> Iterator[Path]:
    """Give the manifests and reports at a path."""
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise ArtifactError(f"{path}: no such file or folder")
    for one in sorted(path.rglob("*.json")):
        if any(part.startswith(".") for part in one.relative_to(path).parts):
            continue
        if one.name == MANIFEST:
            if artifact.is_artifact(one.parent):
                yield one
        elif one.is_file() and SIGN in _content(one):
            yield one


def _operators(folder: Path) -> dict[str, tuple[Operator, ...]]:
    """Return the operators' times of an artifact, by file, from its latency table."""
    path = folder / LATENCY_TABLE
    if not path.is_file():
        return {}
    try:
        table = msgspec.json.decode(_content(path), type=LatencyTable)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ArtifactError(f"{path}: is no latency table, or damaged ({problem})") from problem
    found: dict[str, tuple[Operator, ...]] = {}
    for row in table.rows:
        file, _, name = row.name.partition(":")
        if row.operator != "model" and row.samples_ns:
            own = found.get(file, ())
            mean = statistics.fmean(row.samples_ns)
            one = Operator(len(own), name, row.operator, "cpu", mean_ns=mean)
            found[file] = (*own, one)
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ArtifactError(f"{path}: cannot be read ({problem.strerror})") from problem


def _check_model(
    path: Path, report: DeviceReport, known: dict[str, ModelFile], names: Sequence[str]
) -> None:
    if known and report.model.sha256 not in known:
        raise ArtifactError(
            f"{path}: `$.model.sha256` {report.model.sha256[:12]}… ({report.model.name}, {report.model.file}) is"
            f" none of the files of {', '.join(names)}; measure this export, or name the one that was measured"
        )


def _once(reports: dict[Path, DeviceReport]) -> Iterator[tuple[Path, DeviceReport]]:
    """Leave copies of a report out.

    Raises:
        ArtifactError: two reports that differ have the same number.
    """
    seen: dict[str, tuple[Path, DeviceReport]] = {}
    for path, one in reports.items():
        former = seen.setdefault(one.report_id, (path, one))
        if former[1] != one:
            raise ArtifactError(
                f"{path}: `$.report_id` is that of {former[0]}, whose content differs; each measurement has its own"
            )
    yield from seen.values()
