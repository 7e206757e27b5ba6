"""Reading a device's report: what does not fit, or contradicts itself, is refused with its key path."""

import math
import statistics
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mobilekit.core.config import from_mapping
from mobilekit.core.device_figures import Distribution, Summary
from mobilekit.core.device_reports import SCHEMA_VERSION, DeviceReport
from mobilekit.core.device_words import KINDS, THERMAL
from mobilekit.core.errors import ArtifactError
from mobilekit.core.reports import percentile

CLOSE = 1e-6
"""Relative: how far the floats of two languages' statistics may be apart."""
EXACT = ("n", "min_ns", "p50_ns", "p90_ns", "p95_ns", "p99_ns", "max_ns")


def read_report(path: Path) -> DeviceReport:
    """Read and check one report.

    Raises:
        ArtifactError: it cannot be read, is none, or contradicts itself; the line names the key path.
    """
    try:
        return parse_report(path.read_bytes(), str(path))
    except OSError as problem:
        raise ArtifactError(f"{path}: cannot be read ({problem.strerror})") from problem


def parse_report(content: bytes, where: str) -> DeviceReport:
    """Read and check a report's text.

    Args:
        content: JSON.
        where: that errors name.

    Raises:
        ArtifactError: it is no report, or contradicts itself.
    """
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise ArtifactError(f"{where}: is not valid JSON ({problem})") from problem
    version = found.get("schema_version") if isinstance(found, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ArtifactError(
            f"{where}: schema_version {version} is newer than the {SCHEMA_VERSION} this mobilekit reads;"
            " update mobilekit"
        )
    report: DeviceReport = from_mapping(found, DeviceReport, where, ArtifactError)
    for words in contradictions(report):
        raise ArtifactError(f"{where}: {words}")
    return report


def summarize(samples_ns: tuple[int, ...]) -> Summary:
    """Derive the statistics of samples: the one rule that every part of mobilekit follows.

    The percentile p is the smallest sample with at least p % of them at or below it.

    >>> found = summarize((30, 10, 20, 40))
    >>> found.p50_ns, found.p90_ns, found.mean_ns
    (20, 40, 25.0)
    """
    p50, p90, p95, p99 = (percentile(samples_ns, part) for part in (50, 90, 95, 99))
    return Summary(
        n=len(samples_ns),
        mean_ns=float(statistics.fmean(samples_ns)),
        stddev_ns=statistics.pstdev(samples_ns),
        min_ns=min(samples_ns),
        p50_ns=p50,
        p90_ns=p90,
        p95_ns=p95,
        p99_ns=p99,
        max_ns=max(samples_ns),
    )


def summary_of(distribution: Distribution) -> Summary:
    """Return the statistics of a stage: derived where there are samples, as its tool said them elsewhere."""
    if distribution.samples_ns:
        return summarize(distribution.samples_ns)
    assert distribution.summary is not None  # noqa: S101  a report without either is refused
    return distribution.summary


def contradictions(report: DeviceReport) -> Iterator[str]:
    """Say what in a report cannot be, with the key path."""
    allowed = KINDS[report.platform]
    if report.measurement_kind not in allowed:
        yield (
            f"on platform {report.platform!r} expected {' or '.join(allowed)}; found"
            f" {report.measurement_kind!r} - at `$.measurement_kind`"
        )
    stages = ("inference", "preprocess", "postprocess", "end_to_end")
    for name in stages:
        stage: Distribution | None = getattr(report.latency, name)
        if stage is not None:
            yield from _stage(stage, f"$.latency.{name}", report.protocol.runs)
    yield from _placed(report)
    yield from _heated(report)


def _stage(stage: Distribution, path: str, runs: int) -> Iterator[str]:
    said = stage.summary
    if not stage.samples_ns:
        yield from _alone(said, path, runs)
        return
    if len(stage.samples_ns) != runs:
        yield (
            f"expected {runs} samples (`$.protocol.runs`), found {len(stage.samples_ns)}"
            f" - at `{path}.samples_ns`"
        )
    if said is not None:
        yield from _said(said, summarize(stage.samples_ns), path)


def _alone(said: Summary | None, path: str, runs: int) -> Iterator[str]:
    """Check what a tool said that kept no samples."""
    if said is None:
        yield f"expected samples or a summary, found neither - at `{path}`"
        return
    if said.n != runs:
        yield f"expected {runs} (`$.protocol.runs`), found {said.n} - at `{path}.summary.n`"
    ranks = [getattr(said, name) for name in EXACT[1:]]
    known = [rank for rank in ranks if rank is not None]
    if known != sorted(known):
        yield f"expected statistics that grow from min_ns to max_ns - at `{path}.summary`"


def _said(said: Summary, own: Summary, path: str) -> Iterator[str]:
    for name in EXACT:
        one, other = getattr(said, name), getattr(own, name)
        if one is not None and one != other:
            yield f"says {one}, its samples give {other} - at `{path}.summary.{name}`"
    for name in ("mean_ns", "stddev_ns"):
        one, other = getattr(said, name), getattr(own, name)
        if not math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE * own.mean_ns):
            yield f"says {one:g}, its samples give {other:g} - at `{path}.summary.{name}`"


def _placed(report: DeviceReport) -> Iterator[str]:
    delegate = report.runtime.delegate
    if delegate is None:
        return
    if delegate.delegated > delegate.nodes:
        yield (
            f"{delegate.delegated} of {delegate.nodes} nodes cannot be delegated"
            " - at `$.runtime.delegate.delegated`"
        )
    if report.runtime.fully_accelerated and delegate.delegated < delegate.nodes:
        yield (
            f"says true, though only {delegate.delegated} of {delegate.nodes} nodes are delegated"
            " - at `$.runtime.fully_accelerated`"
        )


def _heated(report: DeviceReport) -> Iterator[str]:
    course = report.thermal
    if course is None:
        return
    seen = (course.start, course.end, *(sample.state for sample in course.samples))
    hottest = max(seen, key=THERMAL.index)
    if THERMAL.index(hottest) > THERMAL.index(course.max):
        yield f"says {course.max!r}, though {hottest!r} was seen - at `$.thermal.max`"
    moments = [sample.at_ms for sample in course.samples]
    if moments != sorted(moments):
        yield "expected growing moments - at `$.thermal.samples`"
