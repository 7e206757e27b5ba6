"""Which operators of a `.tflite` file XNNPACK runs, which fell out, and what each costs."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mobilekit.core.errors import ArtifactError, RuntimeUnavailableError
from mobilekit.core.reports import DelegationReport, OperatorTime
from mobilekit.profile.litert import DEFAULT, DELEGATED, INVOKE, OPERATOR, Event
from mobilekit.profile.operators import Described, Kernel, describe
from mobilekit.runtime.tflite import check_identifier

PATIENCE_S = 300


def xnnpack_profile(
    path: Path, *, threads: int = 1, runs: int = 20, warmup: int = 3
) -> DelegationReport:
    """Profile each operator, in a process of its own: a crash there is an error here.

    Raises:
        ArtifactError: no `.tflite` file, or one that LiteRT cannot run.
        RuntimeUnavailableError: this build of LiteRT has no profiler, or it crashed.
    """
    check_identifier(path)
    arguments = [str(path), str(threads), str(runs), str(warmup)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mobilekit.profile.litert", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
            env={"OMP_NUM_THREADS": str(threads), **os.environ},
        )
    except subprocess.TimeoutExpired:
        raise RuntimeUnavailableError(
            f"{path.name}: the operator profile took more than {PATIENCE_S} s"
        ) from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        kind = ArtifactError if "ArtifactError" in last else RuntimeUnavailableError
        raise kind(f"{path.name}: the operator profile failed ({last[:200]})")
    timed = runs_of(msgspec.json.decode(done.stdout, type=tuple[Event, ...]))
    kernels = [Kernel(one.tag, one.kind == DELEGATED, one.index) for one in timed[0]]
    return report_of(timed, describe(path, kernels))


def runs_of(events: Iterable[Event]) -> list[list[Event]]:
    """Take the kernels of each run; all runs have the same ones, in the same order.

    Raises:
        RuntimeUnavailableError: they differ, or there are none.
    """
    timed: list[list[Event]] = []
    for event in events:
        if event.tag == INVOKE and event.kind == DEFAULT:
            timed.append([])
        elif timed and event.kind in {OPERATOR, DELEGATED}:
            timed[-1].append(event)
    if (
        len({tuple((one.tag, one.kind, one.index) for one in run) for run in timed}) != 1
        or not timed[0]
    ):
        raise RuntimeUnavailableError("operator profile: LiteRT's runs have no operators in common")
    return timed


def report_of(timed: list[list[Event]], described: tuple[Described, ...]) -> DelegationReport:
    """Bring the runs' times together, kernel by kernel."""
    operators = tuple(
        OperatorTime(
            name=f"{place}:{what.name or first.tag}",
            operator=first.tag,
            delegated=first.kind == DELEGATED,
            samples_ns=tuple(run[place].elapsed_us * 1000 for run in timed),
            shapes=what.shapes,
            dtype=what.dtype,
        )
        for place, (first, what) in enumerate(zip(timed[0], described, strict=True))
    )
    fallen = tuple(operator.operator for operator in operators if not operator.delegated)
    total = sum(operator.mean_ns for operator in operators)
    outside = sum(operator.mean_ns for operator in operators if not operator.delegated)
    return DelegationReport(
        backend="XNNPACK",
        operators=operators,
        delegated=len(operators) - len(fallen),
        fallen=fallen,
        fallen_share=outside / total if total else 0.0,
    )
