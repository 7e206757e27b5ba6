"""The programs of the phone in a folder: `devices_shell.py NAME ARGUMENTS…`; `$PHONE` is the folder.

The sample app and `benchmark_model` are stand-ins that run the file they are given on the emulated processor; what they
report is called an emulator's, never a device's.
"""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PHONE = Path(os.environ.get("PHONE", "."))
INSIDE = Path(__file__).with_name("devices_inside.py")
TESTS = Path(__file__).parents[2] / "tests" / "profile"


def state() -> dict[str, Any]:
    """Return what the phone is like at the moment."""
    found: dict[str, Any] = json.loads((PHONE / "state.json").read_text())
    return found


def getprop(_: list[str]) -> int:
    """List the system's properties."""
    for name, value in state()["properties"].items():
        sys.stdout.write(f"[{name}]: [{value}]\n")
    return 0


def dumpsys(arguments: list[str]) -> int:
    """Say what a service knows."""
    locked = f"deviceLocked={state()['locked']}, isActiveUnlockRunning=0"
    said = {
        "battery": "Current Battery Service state:\n  AC powered: true\n  level: 100\n  scale: 100\n",
        "thermalservice": "IsStatusOverride: false\nThermal Status: 0\n",
        "trust": f' User "Owner" (id=0, flags=0x4c13) (current): trustState=UNTRUSTED, trustManaged=0, {locked}\n',
    }
    sys.stdout.write(said[arguments[0]])
    return 0


def settings(_: list[str]) -> int:
    """Say that the phone does not save power."""
    sys.stdout.write("0\n")
    return 0


def pm(arguments: list[str]) -> int:
    """Say where a package is, if it is installed."""
    [word, package] = arguments
    if word != "path" or package not in state()["installed"]:
        return 1
    sys.stdout.write(f"package:/data/app/{package}/base.apk\n")
    return 0


def run_as(arguments: list[str]) -> int:
    """Run a program in an app's own folder."""
    package, *words = arguments
    return subprocess.run(words, cwd=PHONE / "data" / "data" / package, check=False).returncode


def am(arguments: list[str]) -> int:
    """Run the app's measurement, as `am instrument` does."""
    if arguments[0] != "instrument":
        return 0
    given = {
        arguments[at + 1]: arguments[at + 2] for at, one in enumerate(arguments) if one == "-e"
    }
    package = arguments[-1].partition("/")[0].removesuffix(".test")
    found = measured(given["model"], given["runs"], given["warmup"], given["threads"])
    place = PHONE / "data" / "data" / package / given["report"]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(report(given, found)))
    (PHONE / "outputs.json").write_text(json.dumps(found["outputs_sha256"]))
    sys.stdout.write("INSTRUMENTATION_STATUS: numtests=1\nINSTRUMENTATION_STATUS_CODE: 0\n")
    sys.stdout.write("INSTRUMENTATION_RESULT: stream=\n\nOK (1 test)\n\nINSTRUMENTATION_CODE: -1\n")
    return 0


def benchmark(arguments: list[str]) -> int:
    """Do what LiteRT's `benchmark_model` does: run a file, and write what was found as protobuf."""
    sys.path.insert(0, str(TESTS))
    from protos import BenchmarkProfilingData, result_class

    given = dict(re.findall(r"--(\w+)=(\S*)", " ".join(arguments)))
    found = measured(given["graph"], given["num_runs"], given["warmup_runs"], given["num_threads"])
    times = sorted(found["samples_ns"])
    if "result_file_path" in given:
        made = result_class()(name="run")
        figures = {
            "avg_ms": sum(times) / len(times), "min_ms": times[0], "max_ms": times[-1], "stddev_ms": 0,
            "median_ms": times[len(times) // 2], "p5_ms": times[0], "p95_ms": times[-1],
            "init_ms": found["load_ns"], "first_inference_ms": found["first_ns"], "average_warm_up_ms": times[0],
        }  # fmt: skip
        for name, nanoseconds in figures.items():
            setattr(made.latency, name, nanoseconds / 1e6)
        made.misc.num_runs, made.misc.num_warmup_runs = len(times), int(given["warmup_runs"])
        Path(given["result_file_path"]).write_bytes(made.SerializeToString())
    if "op_profiling_output_file" in given:
        profile = BenchmarkProfilingData(model_name=given["graph"])
        graph = profile.runtime_profile.subgraph_profiles.add(subgraph_index=0)
        for order, kind in enumerate(found["operators"]):
            one = graph.per_op_profiles.add(node_type=kind, name=kind, run_order=order)
            one.inference_microseconds.avg = times[0] // 1000 // len(found["operators"])
        Path(given["op_profiling_output_file"]).write_bytes(profile.SerializeToString())
    return 0


def measured(model: str, runs: str, warmup: str, threads: str) -> dict[str, Any]:
    """Run a file on the emulated processor."""
    command = json.loads((PHONE / "emulate.json").read_text())
    words = [*command, str(INSIDE), model, runs, warmup, threads]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def report(given: dict[str, str], found: dict[str, Any]) -> dict[str, Any]:
    """Write down what was measured, as the app does."""
    known = state()["properties"]
    emulated = known.get("ro.kernel.qemu") == "1"
    model = {name: given[name] for name in ("name", "file", "sha256")}
    model |= {
        "variant": given.get("variant", ""),
        "size_bytes": Path(given["model"]).stat().st_size,
    }
    return {
        "schema_version": 1,
        "report_id": str(uuid.uuid4()),
        "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tool": {"name": "stand-in", "version": "0"},
        "platform": "android",
        "measurement_kind": "simulator" if emulated else "device",
        "device": {
            "manufacturer": known["ro.product.manufacturer"], "model": known["ro.product.model"], "soc": "",
            "os": "Android", "os_version": known["ro.build.version.release"],
        },
        "runtime": {
            "name": "litert", "version": found["version"], "api": "Interpreter",
            "requested": given["units"].split(","), "strict": True, "num_threads": int(given["threads"]),
        },
        "model": model,
        "protocol": {
            "warmup_runs": int(given["warmup"]), "runs": int(given["runs"]), "input": "random:seed=0",
        },
        "latency": {
            "load_ns": found["load_ns"], "first_ns": found["first_ns"],
            "inference": {"samples_ns": found["samples_ns"]},
        },
    }  # fmt: skip


PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "am": am,
    "dumpsys": dumpsys,
    "getprop": getprop,
    "lite-rt-benchmark": benchmark,
    "pm": pm,
    "run-as": run_as,
    "settings": settings,
}

if __name__ == "__main__":
    sys.exit(PROGRAMS[sys.argv[1]](sys.argv[2:]))
