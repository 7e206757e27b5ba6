"""The script that runs all lanes says what each came to, and fails when one did."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "lanes" / "run.sh"
LANES = {
    "good": "echo good: passed",
    "bad": "echo bad: failed; exit 1",
    "absent": "echo 'absent: SKIPPED (needs a Mac)'",
    "silent": "true",
    "liar": "echo liar: passed; exit 1",
    "slow": "mkdir taken || exit 1; sleep 0.5; rmdir taken; echo slow: passed",
    "server": "sleep 20 >/dev/null 2>&1 & echo $! >pid; echo server: passed",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "tools" / "lanes"
    folder.mkdir(parents=True)
    shutil.copy(SCRIPT, folder / "run.sh")
    for name, words in LANES.items():
        (folder / f"{name}.sh").write_text(f"#!/bin/sh\n{words}\n")
        (folder / f"{name}.sh").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("lanes", "required", "code", "says"),
    [
        (["good"], "0", 0, ["good: passed"]),
        (["bad", "good"], "0", 1, ["bad: failed", "good: passed"]),
        (["absent", "good"], "0", 0, ["absent: SKIPPED (needs a Mac)", "good: passed"]),
        (["absent", "good"], "1", 1, ["absent: SKIPPED (needs a Mac)", "good: passed"]),
        (["none", "good"], "0", 1, ["none: failed (no such lane)", "good: passed"]),
        (["silent"], "0", 1, ["silent: failed (said nothing)"]),
        (["liar"], "0", 1, ["liar: failed (exit code 1)"]),
    ],
)
def test_the_summary(
    lanes: list[str], required: str, code: int, says: list[str], place: Path
) -> None:
    done = finished(started(place, *lanes, REQUIRED=required))
    assert done == (code, says)


def started(place: Path, *lanes: str, **extra: str) -> "subprocess.Popen[str]":
    environment = {"PYTHON": sys.executable, "XDG_CACHE_HOME": str(place / "cache")}
    return subprocess.Popen(
        [str(place / "run.sh"), *lanes],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment | extra,
    )


def finished(process: "subprocess.Popen[str]") -> tuple[int, list[str]]:
    """Return a run's exit code, and its summary without the seconds."""
    summary = process.communicate(timeout=60)[0].partition("== summary\n")[2].splitlines()
    return process.returncode, [line.rpartition(", ")[0] for line in summary]


def test_two_runs_of_a_lane_wait_for_each_other(place: Path) -> None:
    both = [started(place, "slow", REQUIRED="0") for _ in range(2)]
    assert [finished(one) for one in both] == [(0, ["slow: passed"])] * 2


def test_a_lane_does_not_wait_forever(place: Path) -> None:
    folder = place / "cache" / "mobilekit-lanes"
    folder.mkdir(parents=True)
    with (folder / ".lane-good.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = finished(started(place, "good", "absent", WAIT_S="1", REQUIRED="0"))
    said = [
        "good: failed (another run of it did not end within 1 s)",
        "absent: SKIPPED (needs a Mac)",
    ]
    assert done == (1, said)


def test_what_a_lane_leaves_running_holds_no_lock(place: Path) -> None:
    assert finished(started(place, "server", REQUIRED="0")) == (0, ["server: passed"])
    server = int((place.parents[1] / "pid").read_text())
    try:
        done = finished(started(place, "server", WAIT_S="1", REQUIRED="0"))
        assert done == (0, ["server: passed"])
    finally:
        for pid in {server, int((place.parents[1] / "pid").read_text())}:
            os.kill(pid, signal.SIGKILL)
