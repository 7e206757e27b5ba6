"""A device's report of what `benchmark_model` found; it has statistics, and no single runs."""

import uuid
from datetime import UTC, datetime

from mobilekit import __version__
from mobilekit.core.device_figures import (
    Distribution,
    Latency,
    Memory,
    Operator,
    Summary,
    ThermalCourse,
)
from mobilekit.core.device_reports import (
    SCHEMA_VERSION,
    Device,
    DeviceReport,
    Model,
    Protocol,
    Runtime,
    Tool,
)
from mobilekit.core.device_words import Kind
from mobilekit.profile.benchmark_proto import BenchmarkResult
from mobilekit.profile.devices import Job, Subject


def report_of(
    subject: Subject,
    job: Job,
    place: tuple[Device, Kind, ThermalCourse | None],
    found: tuple[BenchmarkResult, tuple[Operator, ...], bool | None],
) -> DeviceReport:
    """Return the report of one measurement.

    Args:
        subject: file that was measured.
        job: how.
        place: phone, kind of measurement, heat.
        found: the tool's statistics, its operators, and whether a delegate took all of them.
    """
    device, kind, course = place
    result, operators, whole = found
    return DeviceReport(
        schema_version=SCHEMA_VERSION,
        report_id=str(uuid.uuid4()),
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        tool=Tool("mobilekit", __version__),
        platform="android",
        measurement_kind=kind,
        device=device,
        runtime=Runtime(
            name="litert", version="", api="benchmark_model", requested=job.units, strict=True,
            num_threads=job.threads, fully_accelerated=whole,
        ),
        model=Model(subject.name, subject.variant, subject.file, subject.sha256, subject.size_bytes),
        protocol=Protocol(
            warmup_runs=result.num_warmup_runs, runs=result.num_runs, input="random",
            timer="benchmark_model", sync="run",
        ),
        latency=Latency(
            inference=Distribution(summary=_summary(result)),
            load_ns=_ns(result.init_ms),
            first_ns=_ns(result.first_inference_ms),
            warmup_mean_ns=result.average_warm_up_ms * 1e6,
        ),
        memory=Memory(peak_mb=result.peak_mem_mb if result.peak_mem_mb > 0 else None),
        thermal=course,
        per_op=operators,
    )  # fmt: skip


def _summary(result: BenchmarkResult) -> Summary:
    return Summary(
        n=result.num_runs,
        mean_ns=result.avg_ms * 1e6,
        stddev_ns=result.stddev_ms * 1e6,
        min_ns=_ns(result.min_ms),
        p50_ns=_ns(result.median_ms),
        p95_ns=_ns(result.p95_ms),
        max_ns=_ns(result.max_ms),
    )


def _ns(milliseconds: float) -> int:
    return round(milliseconds * 1e6)
