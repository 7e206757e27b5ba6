"""Which operators of a `.tflite` file XNNPACK runs, which fell out, and what each costs."""

import os
import re
import subprocess
import sys
from pathlib import Path

from mobilekit.core.errors import ArtifactError, RuntimeUnavailableError
from mobilekit.core.reports import DelegationReport, OperatorTime
from mobilekit.runtime.tflite import check_identifier

DELEGATE = "Delegate/"
PATIENCE_S = 300
_ROW = re.compile(
    r"^\s*(?P<kind>\S.*?)\s+(?P<start>[\d.]+)\s+(?P<first>[\d.]+)\s+(?P<mean>[\d.]+)"
    r"\s+[\d.]+%\s+[\d.]+%\s+[\d.]+\s+\d+\s+\[?(?P<name>.*)$"
)


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
    return parsed(done.stdout)


def parsed(text: str) -> DelegationReport:
    """Read LiteRT's summary (its section in run order).

    Raises:
        RuntimeUnavailableError: the summary is of another form.
    """
    lines = text.partition("Run Order")[2].partition("Top by Computation Time")[0].splitlines()
    rows = [match for line in lines if (match := _ROW.match(line))]
    if not rows:
        raise RuntimeUnavailableError("operator profile: LiteRT's summary has no operators")
    operators = tuple(_operator(row) for row in rows)
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


def _operator(row: re.Match[str]) -> OperatorTime:
    kind = row["kind"]
    return OperatorTime(
        name=row["name"].rstrip("]").replace("]:", ":"),
        operator=kind.removeprefix(DELEGATE),
        delegated=kind.startswith(DELEGATE),
        mean_ns=round(float(row["mean"]) * 1e6),
    )
