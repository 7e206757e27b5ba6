"""The words and bounds of a device's report: kinds of measurement, units, heat."""

from typing import Annotated, Literal

from msgspec import Meta

Kind = Literal["device", "simulator", "emulated", "host"]
"""Where the times were taken. Figures of different kinds never stand in one table: `emulated` ones say
whether the outputs are right and nothing of speed."""
Platform = Literal["ios", "android", "desktop-jvm", "linux", "macos", "linux-qemu"]
Unit = Literal["cpu", "gpu", "npu", "ane"]
Thermal = Literal["none", "light", "moderate", "severe", "critical", "emergency", "shutdown"]
"""Android's seven states, by growing heat; see `IOS_THERMAL` for Apple's four."""

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Megabytes = Annotated[float, Meta(ge=0.0)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Uuid = Annotated[
    str, Meta(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$")]
"""RFC 3339, UTC."""
Word = Annotated[str, Meta(min_length=1)]

KINDS: dict[Platform, tuple[Kind, ...]] = {
    "ios": ("device", "simulator"),
    "android": ("device", "simulator"),
    "desktop-jvm": ("host",),
    "linux": ("host",),
    "macos": ("host",),
    "linux-qemu": ("emulated",),
}
THERMAL: tuple[Thermal, ...] = (
    "none", "light", "moderate", "severe", "critical", "emergency", "shutdown",
)  # fmt: skip
"""By growing heat; the index is Android's own number."""
IOS_THERMAL: dict[str, Thermal] = {
    "nominal": "none", "fair": "light", "serious": "severe", "critical": "critical",
}  # fmt: skip
COMPUTE_UNITS: dict[str, tuple[Unit, ...]] = {
    "cpuOnly": ("cpu",),
    "cpuAndGPU": ("cpu", "gpu"),
    "cpuAndNeuralEngine": ("cpu", "ane"),
    "all": ("cpu", "gpu", "ane"),
}
"""Core ML's word → what it may use."""
