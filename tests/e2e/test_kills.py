"""An export that is killed leaves the former artifact, whole; the next one clears what was left."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mobilekit.core import artifact

NETS = Path(__file__).with_name("nets.py")
LONGEST_S = 14.0
"""About what an export of the small net to one format takes on two busy cores."""


def start(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable, "-m", "mobilekit", "export", f"{NETS}:tiny", "--input", "x=1x3x16x16",
            "--to", "onnx", "--out", str(out), "--runs", "5", "--count", "1", "--quiet",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def kill_once(out: Path, moment: float) -> None:
    before = artifact.read_manifest(out)
    with start(out) as process:
        deadline = time.monotonic() + moment
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    after = artifact.read_manifest(out)
    artifact.check_files(out, after)
    assert after == before or process.returncode == 0


@pytest.fixture
def former(spine: Path, tmp_path: Path) -> Path:
    out = tmp_path / "artifact"
    shutil.copytree(spine, out)
    return out


def test_killed_early_midway_and_late(former: Path):
    for moment in (1.0, 4.0, 7.0):
        kill_once(former, moment)
    assert start(former).wait() == 0
    assert [path.name for path in former.parent.iterdir()] == ["artifact"]
    assert [file.path for file in artifact.read_manifest(former).files] == ["model.onnx"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_thirty_random_moments(former: Path):
    moments = random.Random(7)  # noqa: S311  not for secrets
    for _ in range(30):
        kill_once(former, moments.uniform(0, LONGEST_S))
    assert start(former).wait() == 0
    assert [path.name for path in former.parent.iterdir()] == ["artifact"]


@pytest.mark.parametrize("later_s", [0.0, 0.1, 0.2])
def test_an_interrupt_while_files_are_made_leaves_the_former_artifact_alone(
    former: Path, later_s: float
):
    before = artifact.read_manifest(former)
    with start(former) as process:
        while not list(former.parent.glob(".artifact.new-*/golden")):  # conversions have begun
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(later_s)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    assert process.returncode == 130
    assert artifact.read_manifest(former) == before
    assert [path.name for path in former.parent.iterdir()] == ["artifact"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_leaves_the_former_artifact(spine: Path, tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=420k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("this container may not mount a file system")
    try:
        out = disk / "artifact"
        shutil.copytree(spine, out)
        with (disk / "ballast").open("wb") as ballast:
            free = shutil.disk_usage(disk).free
            ballast.write(b"0" * max(free - 8192, 0))
        before = artifact.read_manifest(out)
        done = subprocess.run(
            [
                sys.executable, "-m", "mobilekit", "export", f"{NETS}:tiny", "--input", "x=1x3x16x16",
                "--to", "onnx", "--out", str(out), "--runs", "0", "--count", "1", "--quiet",
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        assert "disk is full" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert artifact.read_manifest(out) == before
        artifact.check_files(out, before)
    finally:
        subprocess.run(["umount", str(disk)], check=False)
