"""Measuring on Android with LiteRT's own `benchmark_model`, a program that the user has and names."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path

from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.errors import ArtifactError, MachineError, UsageError
from mobilekit.profile import android
from mobilekit.profile.adb import Adb
from mobilekit.profile.benchmark_proto import read_operators, read_result
from mobilekit.profile.benchmark_report import report_of
from mobilekit.profile.devices import ANDROID, Job, Subject

Progress = Callable[[str], None]
UNITS = ("cpu", "gpu")
RESULT, OPERATORS = "result.pb", "operators.pb"
_WHOLE = re.compile(r"completely executed by the delegate")


def measure(adb: Adb, binary: Path, subject: Subject, job: Job, progress: Progress) -> DeviceReport:
    """Push program and model, run, fetch and decode what it wrote; nothing of ours stays on the phone.

    It runs twice: once for the times, once for the operators, whose profiling costs time.

    Raises:
        UsageError: a unit that the program does not run on.
        ArtifactError: no such program, or it writes nothing that can be read.
        MachineError: the phone is gone, takes too long, or the program fails.
    """
    if len(job.units) != 1 or job.units[0] not in UNITS:
        raise UsageError(
            f"--compute-units {','.join(job.units)}: benchmark_model runs on one of {', '.join(UNITS)}"
        )
    if not binary.is_file():
        raise ArtifactError(
            f"--benchmark-model {binary}: no such file; name an Android build of it"
        )
    known = android.properties(adb)
    folder = f"{ANDROID.folder}/{uuid.uuid4().hex[:12]}"
    try:
        adb.shell(f"mkdir -p {folder}", what="making a folder")
        progress(f"pushing {binary.name} and {subject.path.name} to {adb.serial}")
        adb.push(binary, f"{folder}/benchmark_model")
        adb.push(subject.path, f"{folder}/model.tflite")
        adb.shell(f"chmod 755 {folder}/benchmark_model", what="making benchmark_model runnable")
        device, start = android.device(adb, known), android.thermal(adb)
        progress(f"measuring {subject.path.name} on {device.model}")
        log = _run(adb, folder, job, operators=False)
        result = read_result(_fetched(adb, folder, RESULT, binary), f"{binary.name}: {RESULT}")
        course = android.course(start, android.thermal(adb))
        progress("profiling operators")
        log += _run(adb, folder, job, operators=True)
        content = _fetched(adb, folder, OPERATORS, binary)
        listed = read_operators(content, f"{binary.name}: {OPERATORS}")
    finally:
        adb.remove(folder)
    whole = bool(_WHOLE.search(log)) if job.units == ("gpu",) else None
    return report_of(subject, job, (device, android.kind(known), course), (result, listed, whole))


def _run(adb: Adb, folder: str, job: Job, *, operators: bool) -> str:
    gpu = job.units == ("gpu",)
    options = {
        "graph": f"{folder}/model.tflite",
        "num_threads": job.threads,
        "num_runs": job.runs,
        "warmup_runs": job.warmup,
        "min_secs": 0,
        "warmup_min_secs": 0,
        "max_secs": int(job.timeout_s),
        "use_xnnpack": _flag(not gpu),
        "use_gpu": _flag(gpu),
        "require_full_delegation": _flag(gpu),
    }
    if operators:
        options |= {
            "enable_op_profiling": "true",
            "op_profiling_output_mode": "proto",
            "op_profiling_output_file": f"{folder}/{OPERATORS}",
        }
    else:
        options |= {
            "report_peak_memory_footprint": "true",
            "result_file_path": f"{folder}/{RESULT}",
        }
    words = " ".join(f"--{name}={value}" for name, value in options.items())
    command = f"cd {folder} && ./benchmark_model {words} 2>&1"
    done = adb.call("shell", command, what="running benchmark_model", timeout_s=job.timeout_s)
    if done.code != 0:
        raise MachineError(
            f"{adb.serial}: benchmark_model ended with {done.code} ({_last(done.text)}); is it a build for this"
            " phone's processor?"
        )
    return done.text


def _fetched(adb: Adb, folder: str, name: str, binary: Path) -> bytes:
    content = adb.read(f"{folder}/{name}")
    if content is None:
        raise ArtifactError(
            f"{binary}: wrote no {name}; this build is too old to know --result_file_path and"
            " --op_profiling_output_mode"
        )
    return content


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
