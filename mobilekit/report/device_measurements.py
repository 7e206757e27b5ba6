"""One line of a report on speed: from a device's own report, or from an artifact's timings on the host."""

from collections.abc import Iterable, Mapping

import msgspec

from mobilekit.core.artifact import Manifest, ModelFile
from mobilekit.core.device_checks import summary_of
from mobilekit.core.device_figures import Check, Distribution, Operator, Summary, ThermalCourse
from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.device_words import Kind
from mobilekit.core.reports import MetricReport
from mobilekit.core.targets import variant_of

KINDS: tuple[Kind, ...] = ("device", "simulator", "host", "emulated")
"""In the order in which they are shown, each by itself."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One file on one device."""

    kind: Kind
    device: str
    model: str
    variant: str
    file: str
    runtime: str
    asked: str
    """Units, and threads where they were set."""
    sha256: str
    size_bytes: int
    inference: Distribution
    load_ns: int
    first_ns: int
    source: str
    """The file that says so."""
    residency: float | None = None
    end_to_end: Distribution | None = None
    peak_mb: float | None = None
    thermal: ThermalCourse | None = None
    per_op: tuple[Operator, ...] = ()
    verification: Check | None = None
    metric: MetricReport | None = None
    """From the artifact's manifest: of the same file, on labelled images."""
    errors: tuple[str, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether its times say anything: those of an emulator do not."""
        return self.kind != "emulated"

    @property
    def summary(self) -> Summary:
        """Statistics of the inference."""
        return summary_of(self.inference)

    @property
    def place(self) -> tuple[Kind, str]:
        """What may stand in one picture."""
        return self.kind, self.device

    @property
    def title(self) -> str:
        """Name it among those of its place.

        A model's name and variant, the runtime, what it was asked to run on.
        """
        return f"{self.model} {self.variant} · {self.runtime} · {self.asked}"


def from_manifest(
    manifest: Manifest, source: str, operators: Mapping[str, tuple[Operator, ...]]
) -> tuple[Measurement, ...]:
    """Return the files of an artifact that were timed on the host.

    Args:
        manifest: of the artifact.
        source: its path.
        operators: times of single operators by file, where they were measured.
    """
    return tuple(
        Measurement(
            kind="host",
            device=file.latency.device,
            model=manifest.name,
            variant=variant_of(file.target),
            file=file.path,
            runtime=file.latency.runtime,
            asked=_threads("cpu", file.latency.threads),
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            inference=Distribution(file.latency.samples_ns),
            load_ns=file.latency.load_ns,
            first_ns=file.latency.first_run_ns,
            per_op=operators.get(file.path, ()),
            metric=file.metric,
            source=source,
        )
        for file in manifest.files
        if file.latency is not None
    )


def from_report(report: DeviceReport, source: str, known: Mapping[str, ModelFile]) -> Measurement:
    """Return what a device's report says.

    Args:
        report: of the device.
        source: file it was read from.
        known: files of artifacts by SHA-256, whose metrics are taken.
    """
    asked, runtime, device = report.runtime.requested, report.runtime, report.device
    file = known.get(report.model.sha256)
    maker = "" if device.model.startswith(device.manufacturer) else f"{device.manufacturer} "
    return Measurement(
        kind=report.measurement_kind,
        device=f"{maker}{device.model}, {device.os} {device.os_version}".rstrip(),
        model=report.model.name,
        variant=report.model.variant,
        file=report.model.file,
        runtime=f"{runtime.name} {runtime.api}",
        asked=_threads("+".join(asked), runtime.num_threads),
        sha256=report.model.sha256,
        size_bytes=report.model.size_bytes,
        inference=report.latency.inference,
        load_ns=report.latency.load_ns,
        first_ns=report.latency.first_ns,
        residency=runtime.residency,
        end_to_end=report.latency.end_to_end,
        peak_mb=report.memory.peak_mb,
        thermal=report.thermal,
        per_op=report.per_op,
        verification=report.verification,
        metric=file.metric if file else None,
        errors=report.errors,
        source=source,
    )


def by_kind(found: Iterable[Measurement]) -> dict[Kind, list[Measurement]]:
    """Part measurements whose figures must not stand together; kinds that have none are left out."""
    listed = list(found)
    groups = {kind: [one for one in listed if one.kind == kind] for kind in KINDS}
    return {kind: group for kind, group in groups.items() if group}


def by_device(found: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    """Part the measurements of one kind by device."""
    groups: dict[str, list[Measurement]] = {}
    for one in found:
        groups.setdefault(one.device, []).append(one)
    return groups


def _threads(units: str, threads: int | None) -> str:
    return units if threads is None else f"{units} × {threads}"
