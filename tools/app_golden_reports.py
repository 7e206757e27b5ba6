"""Device reports that every reader must take, and ones that every reader must refuse."""

import copy
import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from mobilekit.core.device_checks import summarize

SEED = 20261122
Report = dict[str, Any]


def golden_reports() -> Iterator[tuple[str, Report, str]]:
    """Give name, content, and what a refusal must say; nothing of a valid one."""
    phone = iphone()
    yield "ios", phone, ""
    yield "android", android(), ""
    yield "emulated", emulated(), ""
    yield "no-samples", without_samples(), ""
    for name, path, value, says in MISTAKES:
        yield f"invalid-{name}", _changed(phone, path, value), says


MISTAKES: tuple[tuple[str, str, Any, str], ...] = (
    ("kind", "measurement_kind", "host", "$.measurement_kind"),
    ("word", "runtime.requested", ["cpu", "tpu"], "$.runtime.requested[1]"),
    ("negative", "latency.load_ns", -1, "$.latency.load_ns"),
    ("no-inference", "latency.inference", None, "$.latency"),
    ("empty", "latency.inference", {"samples_ns": []}, "$.latency.inference"),
    ("count", "protocol.runs", 7, "$.latency.inference.samples_ns"),
    ("percentile", "latency.inference.summary.p90_ns", 1, "$.latency.inference.summary.p90_ns"),
    ("mean", "latency.inference.summary.mean_ns", 1.5, "$.latency.inference.summary.mean_ns"),
    ("hash", "model.sha256", "abc", "$.model.sha256"),
    ("moment", "created_at", "yesterday", "$.created_at"),
    ("unknown-key", "device.colour", "red", "colour"),
    ("thermal", "thermal.max", "none", "$.thermal.max"),
    ("newer", "schema_version", 2, "schema_version"),
)
"""Name, key path, the value put there, and what the refusal names."""


def iphone() -> Report:
    """Return the report of a phone, with everything in it; the numbers are invented."""
    samples = _samples(2_100_000, 40, 1)
    return {
        "schema_version": 1,
        "report_id": "00000000-0000-4000-8000-000000000001",
        "created_at": "2026-11-21T12:00:00Z",
        "tool": {"name": "golden", "version": "0"},
        "platform": "ios",
        "measurement_kind": "device",
        "device": {
            "manufacturer": "Apple", "model": "iPhone0,0", "soc": "A0", "os": "iOS", "os_version": "0.0",
            "os_build": "0A0", "cpu_cores": 6, "ram_mb": 6000.0, "low_power_mode": False, "charging": True,
            "battery_level": 0.5,
        },
        "runtime": {
            "name": "coreml", "version": "0", "api": "MLModel", "requested": ["cpu", "ane"], "strict": False,
            "precision": "float16", "placement": {"ane": 90, "gpu": 0, "cpu": 10, "unassigned": 0},
        },
        "model": _model("model.mlpackage", "float16"),
        "protocol": {
            "warmup_runs": 5, "runs": 40, "input": "bundled:upright", "timer": "ContinuousClock",
            "sync": "readback",
        },
        "latency": {
            "inference": {"samples_ns": samples, "summary": _summary(samples)},
            "load_ns": 120_000_000, "first_ns": 5_000_000, "warmup_mean_ns": 2_500_000.0,
            "preprocess": {"samples_ns": _samples(400_000, 40, 2)},
            "postprocess": {"samples_ns": _samples(900_000, 40, 3)},
            "end_to_end": {"samples_ns": _samples(3_500_000, 40, 4)},
        },
        "memory": {"before_load_mb": 40.5, "after_load_mb": 61.0, "peak_mb": 70.25},
        "thermal": {
            "start": "none", "end": "light", "max": "light",
            "samples": [{"at_ms": 0, "state": "none"}, {"at_ms": 80, "state": "light"}],
        },
        "per_op": [
            {"index": 0, "name": "conv", "type": "ios17.conv", "device": "ane", "cost_weight": 0.75},
            {"index": 1, "name": "argmax", "type": "ios17.reduce_argmax", "device": "cpu", "cost_weight": 0.25},
        ],
        "verification": {
            "reference_sha256": _digest("golden"), "max_abs": 0.001, "argmax_agreement": 1.0, "passed": True,
        },
    }  # fmt: skip


def android() -> Report:
    """Return a report of LiteRT on a GPU."""
    found = copy.deepcopy(iphone())
    samples = _samples(3_300_000, 40, 5)
    found |= {
        "report_id": "00000000-0000-4000-8000-000000000002",
        "platform": "android",
        "device": {"manufacturer": "Acme", "model": "Phone 0", "soc": "SM0", "os": "Android", "os_version": "0"},
        "runtime": {
            "name": "litert", "version": "0", "api": "CompiledModel", "requested": ["gpu"], "strict": True,
            "fully_accelerated": True, "delegate": {"nodes": 120, "delegated": 120, "partitions": 1},
        },
        "model": _model("model.tflite", "float32"),
        "per_op": [],
    }  # fmt: skip
    found["latency"]["inference"] = {"samples_ns": samples, "summary": _summary(samples)}
    return found


def emulated() -> Report:
    """Return a report of an emulator, whose times say nothing."""
    found = copy.deepcopy(android())
    found |= {
        "report_id": "00000000-0000-4000-8000-000000000003",
        "platform": "linux-qemu",
        "measurement_kind": "emulated",
        "device": {"manufacturer": "", "model": "cortex-a53", "soc": "", "os": "Linux", "os_version": ""},
        "runtime": {
            "name": "litert", "version": "0", "api": "Interpreter", "requested": ["cpu"], "strict": True,
            "num_threads": 1,
        },
    }  # fmt: skip
    del found["thermal"], found["memory"]
    return found


def without_samples() -> Report:
    """Return a report of a tool that keeps statistics only."""
    found = copy.deepcopy(android())
    found["report_id"] = "00000000-0000-4000-8000-000000000004"
    found["latency"] = {
        "inference": {
            "summary": {
                "n": 40, "mean_ns": 3.5e6, "stddev_ns": 1e5, "min_ns": 3_300_000, "p50_ns": 3_450_000,
                "p95_ns": 3_700_000, "max_ns": 3_900_000,
            }
        },
        "load_ns": 1, "first_ns": 2,
    }  # fmt: skip
    return found


def _changed(report: Report, path: str, value: Any) -> Report:
    found = copy.deepcopy(report)
    *places, last = path.split(".")
    node = found
    for place in places:
        node = node[place]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return found


def _model(file: str, variant: str) -> Report:
    return {
        "name": "golden", "variant": variant, "file": file, "sha256": _digest(file), "size_bytes": 12_345,
        "inputs": [{"name": "image", "shape": [1, 8, 8, 3], "dtype": "float32"}],
        "outputs": [{"name": "logits", "shape": [1, 8, 8, 10], "dtype": "float32"}],
    }  # fmt: skip


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _samples(least: int, count: int, number: int) -> list[int]:
    generator = np.random.default_rng((SEED, number))
    return [least + int(one) for one in generator.gamma(2, least / 50, count)]


def _summary(samples: list[int]) -> Report:
    found: Report = msgspec.to_builtins(summarize(tuple(samples)))
    return found
