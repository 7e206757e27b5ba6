"""`mobilekit profile --device ios` against a stand-in of xcrun."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mobilekit import cli
from mobilekit.core.device_checks import read_report
from mobilekit.core.files import sha256
from tests.profile import phones
from tests.profile.phones import LOCKED, StandIn, iphone

GOLDEN = Path(__file__).parents[2] / "apps" / "testdata" / "reports" / "ios.json"


@pytest.fixture
def xcrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = phones.ios(tmp_path / "stand-in")
    shutil.copy(GOLDEN, made.folder / "answer.json")
    monkeypatch.setenv("STAND_IN", str(made.folder))
    monkeypatch.setenv("PATH", str(made.bin), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.mlpackage").mkdir()
    (tmp_path / "net.mlpackage" / "Manifest.json").write_text("{}")
    return made


def call(capfd: Any, *arguments: object) -> tuple[int, str, str]:
    capfd.readouterr()
    code = cli.execute(["profile", "net.mlpackage", "--device", "ios", "-q", *map(str, arguments)])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def test_the_app_gives_a_report(xcrun: StandIn, capfd, tmp_path: Path):
    code, out, err = call(capfd, "--compute-units", "cpuAndNeuralEngine", "--out", "reports")
    assert code == 0, err
    [path] = (tmp_path / "reports").glob("*.json")
    assert out.rstrip().endswith(path.name)
    report = read_report(path)
    assert report.model.sha256 == sha256(tmp_path / "net.mlpackage")
    assert report.runtime.placement is not None
    launch = next(call for call in xcrun.calls if "launch" in call)
    behind = launch[launch.index("--") + 1 :]
    assert behind[behind.index("--compute-units") + 1] == "cpuAndNeuralEngine"
    assert launch.index("--json-output") < launch.index("org.mobilekit.demo")
    assert cli.execute(["report", str(path), "-q"]) == 0


@pytest.mark.parametrize("serial", ["0000-1", "AAAA-1", "Ann's phone"])
def test_a_phone_has_three_names(serial: str, xcrun: StandIn, capfd):
    other = iphone(hardware={"udid": "0000-2"}, device={"name": "Bob's phone"}) | {
        "identifier": "B-2"
    }
    xcrun.state(devices=[other, iphone()])
    code, _, err = call(capfd, "--serial", serial)
    assert code == 0, err
    assert all(
        call[call.index("--device") + 1] == "AAAA-1" for call in xcrun.calls if "--device" in call
    )


FAR = iphone(connection={"tunnelState": "unavailable"})
WATCH = iphone(hardware={"platform": "watchOS"})
OTHER = iphone(hardware={"udid": "0000-2"}) | {"identifier": "B-2"}


@pytest.mark.parametrize(
    ("state", "arguments", "code", "says"),
    [
        ({"devices": []}, (), 3, "no iPhone or iPad; connect one"),
        ({"devices": [FAR, WATCH]}, (), 3, "no iPhone or iPad; connect one"),
        ({"devices": [iphone(), OTHER]}, (), 2, "--serial: 2 iOS devices are attached; name one of 0000-1"),
        ({}, ("--serial", "0000-3"), 2, "no such iOS device; attached: 0000-1"),
        ({"devices": [iphone(connection={"pairingState": "unpaired"})]}, (), 3, "is not paired; unlock it"),
        ({"devices": [iphone(device={"developerModeStatus": "disabled"})]}, (), 3, "developer mode is off"),
        ({"devices": [{"name": 1}]}, (), 3, "listed devices in another form"),
        ({"installed": False}, (), 3, "org.mobilekit.demo is not installed; run the sample app once from Xcode"),
        ({"fail": ["process launch", LOCKED]}, (), 3, "Ann's phone: the phone is locked; unlock it"),
        (
            {"fail": ["copy to", "ERROR: The device disconnected immediately after connecting."]}, (), 3,
            "the connection was lost while copying net.mlpackage",
        ),
        ({"fail": ["process launch", "ERROR: signal 6"]}, (), 3, "measuring failed (ERROR: signal 6)"),
        ({"fail": ["copy from", "ERROR: no such file"]}, (), 3, "failed (ERROR: no such file)"),
        ({"hang": "process launch"}, ("--timeout", "1"), 3, "measuring took longer than 1 s"),
        ({"model": {"sha256": "0" * 64}}, (), 2, "the app measured another model"),
        ({"units": ["cpu"]}, (), 2, "`$.runtime.requested` expected cpu+gpu+ane, found cpu"),
        ({"model": {"size_bytes": 0}}, (), 2, "$.model.size_bytes"),
        ({}, ("--compute-units", "gpu"), 2, "expected one of cpuOnly, cpuAndGPU"),
        ({}, ("--backend", "benchmark_model", "--benchmark-model", "x"), 2, "runs on Android only"),
        ({}, ("--apk", "x"), 2, "--apk: belongs to --device android"),
    ],
)  # fmt: skip
def test_what_can_go_wrong_is_one_line(state, arguments, code, says, xcrun: StandIn, capfd):
    xcrun.state(**state)
    found, out, err = call(capfd, *arguments)
    assert says in err
    assert (found, out, err.count("\n")) == (code, "", 1)


@pytest.fixture
def project(xcrun: StandIn, tmp_path: Path) -> Path:
    made = tmp_path / "Demo.xcodeproj"
    made.mkdir()
    xcrun.state(attached=[answer(tmp_path, sha256="0" * 64), answer(tmp_path)])
    return made


def answer(folder: Path, **changes: object) -> str:
    report = json.loads(GOLDEN.read_text())
    report["model"] |= {"sha256": sha256(folder / "net.mlpackage")} | changes
    report["runtime"]["requested"] = ["cpu", "gpu", "ane"]
    return json.dumps(report)


def test_xcode_s_test_gives_a_report(project: Path, xcrun: StandIn, capfd, tmp_path: Path):
    code, out, err = call(capfd, "--xcode-project", project, "--runs", "40", "--json")
    assert code == 0, err
    [report] = json.loads(out)["reports"]
    assert report["model"]["sha256"] == sha256(
        tmp_path / "net.mlpackage"
    )  # of two, the one asked for
    [built] = [each for each in xcrun.calls if each[0] == "xcodebuild"]
    assert "id=0000-1" in built
    assert "-only-testing:MobileKitDemoTests/BenchmarkTests" in built
    told = json.loads(built[-1])
    assert told["TEST_RUNNER_MOBILEKIT_RUNS"] == "40"
    assert told["TEST_RUNNER_MOBILEKIT_COMPUTE_UNITS"] == "all"


@pytest.mark.parametrize(
    ("state", "code", "says"),
    [
        ({"attached": []}, 2, "left no attachment called device-report*.json"),
        ({"torn": True}, 3, "left no list of attachments that can be read"),
        (
            {"broken": "x.swift:1:2: error: No profiles for 'x' were found"},
            3,
            "(No profiles for 'x' were found)",
        ),
        (
            {"broken": "xcodebuild: error: Ann's phone is locked. Unlock it"},
            3,
            "the phone is locked; unlock it",
        ),
        ({"broken": "** TEST FAILED **"}, 3, "could not build or measure (exit code 65)"),
        ({"hang": "xcodebuild"}, 3, "measuring took longer than 1 s"),
    ],
)
def test_what_can_go_wrong_with_xcode_is_one_line(
    state, code, says, project, xcrun: StandIn, capfd
):
    xcrun.state(**state)
    found, out, err = call(
        capfd, "--xcode-project", project, "--timeout", "1" if "hang" in state else "60"
    )
    assert says in err
    assert (found, out, err.count("\n")) == (code, "", 1)


def test_a_bundled_model_of_another_export_is_refused(
    project: Path, xcrun: StandIn, capfd, tmp_path
):
    xcrun.state(attached=[answer(tmp_path, sha256="0" * 64)])
    code, _, err = call(capfd, "--xcode-project", project)
    assert code == 2
    assert "the app measured another model" in err
    assert call(capfd, "--xcode-project", "none")[0] == 2


def test_without_xcode_it_says_what_is_needed(xcrun: StandIn, capfd, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, err = call(capfd)
    assert code == 3
    assert "xcrun: is not on PATH; phones with iOS are reached from a Mac" in err


def test_an_interrupt_ends_the_tool(xcrun: StandIn):
    xcrun.state(hang="process launch")
    process = subprocess.Popen(
        [sys.executable, "-m", "mobilekit", "profile", "net.mlpackage", "--device", "ios", "-q"],
        stderr=subprocess.PIPE,
        text=True,
    )
    mark = xcrun.folder / "hanging"
    deadline = time.monotonic() + 60
    while not (mark.is_file() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "mobilekit: interrupted; nothing was changed\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
