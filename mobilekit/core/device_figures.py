"""What was measured of a model's run on a device: times, memory, heat, operators, outputs."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mobilekit.core.device_words import Count, Megabytes, Positive, Sha256, Share, Thermal, Word


class Summary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Statistics of samples: nearest-rank percentiles; `stddev_ns` divides by n."""

    n: Positive
    mean_ns: Annotated[float, Meta(ge=0.0)]
    stddev_ns: Annotated[float, Meta(ge=0.0)]
    min_ns: Count
    p50_ns: Count
    p95_ns: Count
    max_ns: Count
    p90_ns: Count | None = None
    p99_ns: Count | None = None


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The times of one stage, one per run."""

    samples_ns: tuple[Count, ...] = ()
    """In their order. Empty only where the tool that measured keeps none."""
    summary: Summary | None = None
    """What the tool itself said of them; readers derive their own from the samples, and compare."""


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long each part took; None where there was no such part, or nobody looked."""

    inference: Distribution
    load_ns: Count
    first_ns: Count
    """The first run, before the warm-up."""
    compile_ns: Count | None = None
    warmup_mean_ns: Annotated[float, Meta(ge=0.0)] | None = None
    preprocess: Distribution | None = None
    postprocess: Distribution | None = None
    end_to_end: Distribution | None = None


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the process, in 10⁶ bytes."""

    before_load_mb: Megabytes | None = None
    after_load_mb: Megabytes | None = None
    peak_mb: Megabytes | None = None


class ThermalSample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state at one moment."""

    at_ms: Count
    """Since the first timed run."""
    state: Thermal
    celsius: float | None = None


class ThermalCourse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The heat during the timed runs."""

    start: Thermal
    end: Thermal
    max: Thermal
    samples: tuple[ThermalSample, ...] = ()


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One operator of the model."""

    index: Count
    name: str
    type: Word
    device: Literal["cpu", "gpu", "npu", "ane", "unassigned"]
    cost_weight: Share | None = None
    """Core ML's own estimate of its share."""
    mean_ns: Annotated[float, Meta(ge=0.0)] | None = None


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the outputs compare with the golden vectors of the artifact."""

    reference_sha256: Sha256
    max_abs: Annotated[float, Meta(ge=0.0)]
    passed: bool
    argmax_agreement: Share | None = None
