"""`mobilekit profile --device` with real tools against stand-ins of phones: `devices.py MACHINE`.

Android: the real `adb` talks to a stand-in of adbd whose phone runs LiteRT on an emulated ARM64 processor. iOS: a
recorded `xcrun`. Faults must each come to one clear line and the right exit code. How long anything took means nothing.
"""

import contextlib
import filecmp
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from arm64 import processor_command  # noqa: E402
from arm64_models import subjects  # noqa: E402
from devices_adbd import Adbd  # noqa: E402
from devices_phone import FolderPhone  # noqa: E402

from mobilekit.core.device_checks import read_report  # noqa: E402
from tests.profile import phones  # noqa: E402

INSIDE = Path(__file__).with_name("devices_inside.py")
TIMEOUT_S = 300.0
RUNS = 5


class CheckError(Exception):
    """A check that did not hold."""


def expect(found: object, wanted: object, what: str) -> None:
    """Compare.

    Raises:
        CheckError: they differ.
    """
    if found != wanted:
        raise CheckError(f"{what}: expected {wanted!r}, found {found!r}")


def call(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end."""
    return subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def mobilekit(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run mobilekit's command line."""
    return call(sys.executable, "-m", "mobilekit", *words)


def one_line(words: tuple[object, ...], code: int, says: str) -> None:
    """Check that a command fails with one clear line."""
    done = mobilekit(*words)
    expect(done.returncode, code, f"exit code ({done.stderr.strip()})")
    expect((done.stdout, done.stderr.count("\n")), ("", 1), f"one line ({done.stderr})")
    if says not in done.stderr:
        raise CheckError(f"expected a line with {says!r}, found {done.stderr.strip()!r}")


class Android:
    """The checks of Android."""

    def __init__(self, scratch: Path, machine: Path) -> None:
        self.scratch = scratch
        self.phone = FolderPhone(scratch / "phone", processor_command(machine, "cortex-a76"))
        self.serial = ""
        [self.model] = [
            one.model
            for one in subjects(machine.parent, scratch, ("mobile-hourglass",))
            if one.variant == "static:int8"
        ]

    def plug_in(self) -> None:
        """Connect the phone, as it is at first, under a new serial number.

        Raises:
            CheckError: adb refuses.
        """
        adbd = Adbd(self.phone)
        self.phone.unplug, self.serial = adbd.unplug, adbd.serial
        self.phone.state()
        connected = call("adb", "connect", self.serial)
        if "connected to" not in connected.stdout:
            raise CheckError(f"adb connect: {connected.stdout}{connected.stderr}")

    def command(self, *words: object) -> tuple[object, ...]:
        """Return the words of a measurement of the file on this phone."""
        place = ("--device", "android", "--serial", self.serial)
        return ("profile", self.model, *place, "--runs", RUNS, "--warmup", 1, "-q", *words)

    def transfers(self) -> str:
        """Push, pull, exit codes and the two outputs of a shell."""
        self.plug_in()
        sent, back = self.scratch / "sent", self.scratch / "back"
        sent.write_bytes(os.urandom(3_000_001))
        adb = ("adb", "-s", self.serial)
        expect(call(*adb, "push", sent, "/data/local/tmp/x").returncode, 0, "push")
        expect(call(*adb, "pull", "/data/local/tmp/x", back).returncode, 0, "pull")
        expect(filecmp.cmp(sent, back, shallow=False), True, "what came back is what was sent")
        said = call(*adb, "shell", "cat /data/local/tmp/none; echo out; echo error >&2; exit 3")
        expect((said.returncode, said.stdout), (3, "out\n"), "a shell's exit code and output")
        expect(said.stderr.endswith("error\n"), True, "a shell's errors stand apart")
        expect(call(*adb, "pull", "/data/none", back).returncode, 1, "pulling what is not there")
        expect(call(*adb, "shell", "rm -rf /data/local/tmp/x").returncode, 0, "rm")
        return "3,000,001 bytes there and back, exit code 3"

    def app(self) -> str:
        """Measure by the app; its outputs are those of this machine."""
        out = self.scratch / "reports"
        done = mobilekit(*self.command("--out", out))
        expect(done.returncode, 0, f"exit code ({done.stderr.strip()})")
        [path] = out.glob("*.json")
        report = read_report(path)
        expect(report.measurement_kind, "simulator", "kind")
        expect(len(report.latency.inference.samples_ns), RUNS, "samples")
        here = json.loads(call(sys.executable, INSIDE, self.model, 1, 0, 1).stdout)
        there = json.loads((self.phone.folder / "outputs.json").read_text())
        expect(there, here["outputs_sha256"], "outputs on ARM64 and here")
        expect(self.phone.left(), [], "files left on the phone")
        shown = mobilekit("report", path, "-q", "--out", self.scratch / "report.html")
        expect(shown.returncode, 0, f"mobilekit report ({shown.stderr.strip()})")
        return f"a report of {RUNS} runs, outputs bit-equal to this machine's, nothing left on the phone"

    def binary(self) -> str:
        """Measure by a program that is pushed."""
        program = self.scratch / "benchmark_model"
        program.write_text('#!/bin/sh\nexec lite-rt-benchmark "$@"\n')
        out = self.scratch / "binary"
        words = ("--backend", "benchmark_model", "--benchmark-model", program, "--out", out)
        done = mobilekit(*self.command(*words))
        expect(done.returncode, 0, f"exit code ({done.stderr.strip()})")
        report = read_report(next(out.glob("*.json")))
        summary = report.latency.inference.summary
        expect(summary is not None and summary.n, RUNS, "runs")
        expect(any("CONV_2D" in one.type for one in report.per_op), True, "operators are listed")
        expect(self.phone.left(), [], "files left on the phone")
        return f"times and {len(report.per_op)} operators decoded, nothing left on the phone"

    def faults(self) -> str:
        """Let go wrong what can."""
        wrong = ("profile", self.model, "--device", "android", "--serial", "127.0.0.1:1", "-q")
        one_line(wrong, 2, "--serial 127.0.0.1:1: no such Android device; attached: ")
        for state, says in (
            ({"installed": []}, "org.mobilekit.demo is not installed"),
            ({"locked": 1}, "the phone is locked; unlock it"),
        ):
            self.phone.state(**state)
            one_line(self.command(), 3, says)
        expect(self.phone.left(), [], "files left on the phone")
        for place, says in (("SEND", "pushing model"), ("am instrument", "measuring")):
            self.phone.state(unplug_at=place)
            one_line(self.command(), 3, f"the connection was lost while {says}")
            call("adb", "disconnect", self.serial)
            one_line(self.command(), 3, "adb: no Android device; connect one")
            self.plug_in()
        return "wrong serial, not installed, locked, unplugged while pushing and measuring: one line each"


class Ios:
    """The checks of iOS."""

    def __init__(self, scratch: Path) -> None:
        self.tool = phones.ios(scratch / "xcrun")
        shutil.copy(ROOT / "apps/testdata/reports/ios.json", self.tool.folder / "answer.json")
        os.environ["STAND_IN"] = str(self.tool.folder)
        os.environ["PATH"] = f"{self.tool.bin}:{os.environ['PATH']}"
        self.package = scratch / "net.mlpackage"
        self.package.mkdir()
        (self.package / "Manifest.json").write_text("{}")
        self.out = scratch / "ios"

    def command(self, *words: object) -> tuple[object, ...]:
        """Return the words of a measurement."""
        units = ("--compute-units", "cpuAndNeuralEngine")
        return ("profile", self.package, "--device", "ios", *units, "-q", "--out", self.out, *words)

    def app(self) -> str:
        """Measure by the app."""
        done = mobilekit(*self.command())
        expect(done.returncode, 0, f"exit code ({done.stderr.strip()})")
        report = read_report(next(self.out.glob("*.json")))
        expect(report.platform, "ios", "platform")
        asked = [" ".join(call[:4]) for call in self.tool.calls]
        expect(any("devicectl device process launch" in one for one in asked), True, "launched")
        return f"{len(asked)} calls of xcrun, their recorded answers read"

    def faults(self) -> str:
        """Let go wrong what can."""
        one_line(self.command("--serial", "none"), 2, "--serial none")
        for state, says in (
            ({"installed": False}, "org.mobilekit.demo is not installed"),
            ({"installed": True, "fail": ["process launch", phones.LOCKED]}, "locked"),
            ({"fail": ["", ""], "devices": []}, "no iPhone or iPad"),
        ):
            self.tool.state(**state)
            one_line(self.command(), 3, says)
        return "wrong serial, not installed, locked, none attached: one line each"


@contextlib.contextmanager
def adb_server(home: Path) -> Iterator[None]:
    """Give adb a server of its own, which ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    os.environ |= {"ANDROID_ADB_SERVER_PORT": str(port), "HOME": str(home)}
    try:
        yield
    finally:
        call("adb", "kill-server")


def main(machine: Path) -> int:
    """Run all checks, one line each; return the exit code."""
    with tempfile.TemporaryDirectory() as scratch, adb_server(Path(scratch)):
        android, ios = Android(Path(scratch), machine), Ios(Path(scratch))
        checks = {
            "adb": android.transfers,
            "android app": android.app,
            "android benchmark_model": android.binary,
            "android faults": android.faults,
            "ios app": ios.app,
            "ios faults": ios.faults,
        }
        failures = 0
        for name, check in checks.items():
            try:
                sys.stdout.write(f"  {name}: {check()}\n")
            except (CheckError, subprocess.TimeoutExpired) as problem:
                sys.stdout.write(f"  {name}: FAILED: {problem}\n")
                failures += 1
            sys.stdout.flush()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
