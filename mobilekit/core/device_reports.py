"""What a phone, or what stands for one, says of a model's run: raw samples and where they come from."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from mobilekit.core.device_figures import Check, Latency, Memory, Operator, ThermalCourse
from mobilekit.core.device_words import (
    Count,
    Kind,
    Megabytes,
    Moment,
    Platform,
    Positive,
    Sha256,
    Share,
    Unit,
    Uuid,
    Word,
)

SCHEMA_VERSION: Final = 1


class Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What wrote the report."""

    name: Word
    version: str
    git_commit: str = ""


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it ran on; None, or nothing, where the system does not say."""

    manufacturer: str
    model: Word
    soc: str
    os: Word
    os_version: str
    os_build: str = ""
    cpu_cores: Positive | None = None
    ram_mb: Megabytes | None = None
    low_power_mode: bool | None = None
    charging: bool | None = None
    battery_level: Share | None = None


class Placement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Core ML's plan: operators by the unit that it prefers for them."""

    ane: Count
    gpu: Count
    cpu: Count
    unassigned: Count = 0


class Delegate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """LiteRT's delegate: how much of the graph it took."""

    nodes: Count
    delegated: Count
    partitions: Count


class Runtime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ran the model, what it was asked to run on, and where it ran."""

    name: Literal["coreml", "litert"]
    version: str
    api: Word
    """Such as MLModel, CompiledModel, Interpreter."""
    requested: Annotated[tuple[Unit, ...], Meta(min_length=1)]
    strict: bool
    """It would have failed rather than run elsewhere."""
    num_threads: Positive | None = None
    precision: str = ""
    fully_accelerated: bool | None = None
    placement: Placement | None = None
    delegate: Delegate | None = None

    @property
    def residency(self) -> float | None:
        """Share (0–1) of the operators outside the plain CPU path; None where it was not recorded."""
        if self.delegate is not None:
            return self.delegate.delegated / self.delegate.nodes if self.delegate.nodes else 0.0
        if self.placement is None:
            return None
        placed = self.placement
        total = placed.ane + placed.gpu + placed.cpu + placed.unassigned
        return (placed.ane + placed.gpu) / total if total else 0.0


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output."""

    name: Word
    shape: tuple[Count, ...]
    dtype: Word


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which file ran."""

    name: Word
    """Of the artifact."""
    variant: str
    """Such as float16 or static:int8."""
    file: Word
    """Its path in the artifact."""
    sha256: Sha256
    """As the artifact's manifest has it. Xcode compiles a Core ML package, so that an app says here what
    the manifest in its bundle says."""
    size_bytes: Positive
    inputs: tuple[End, ...] = ()
    outputs: tuple[End, ...] = ()


class Protocol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it was measured."""

    warmup_runs: Count
    runs: Positive
    input: Word
    """Such as bundled:portrait_01, camera, random:seed=0."""
    inter_run_delay_ms: Annotated[float, Meta(ge=0.0)] = 0.0
    timer: str = ""
    sync: Literal["readback", "run"] = "readback"
    """Whether a run's time holds the reading of its outputs; on a GPU a run alone only queues work."""


class DeviceReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model on one device, measured once: `schemas/device-report.schema.json`."""

    schema_version: Literal[1]
    report_id: Uuid
    created_at: Moment
    tool: Tool
    platform: Platform
    measurement_kind: Kind
    device: Device
    runtime: Runtime
    model: Model
    protocol: Protocol
    latency: Latency
    memory: Memory = Memory()
    thermal: ThermalCourse | None = None
    per_op: tuple[Operator, ...] = ()
    verification: Check | None = None
    errors: tuple[str, ...] = ()
