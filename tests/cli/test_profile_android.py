"""`mobilekit profile --device android` against a stand-in of adb."""

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
from tests.profile import phones
from tests.profile.phones import PIXEL, StandIn
from tests.profile.protos import OPERATORS, RESULT

GOLDEN = Path(__file__).parents[2] / "apps" / "testdata" / "reports" / "android.json"
OTHER = "EMU002         device product:sdk model:sdk_phone device:emu transport_id:2"


@pytest.fixture
def adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = phones.android(tmp_path / "stand-in")
    shutil.copy(GOLDEN, made.folder / "answer.json")
    (made.folder / "result.pb").write_bytes(RESULT)
    (made.folder / "operators.pb").write_bytes(OPERATORS)
    monkeypatch.setenv("STAND_IN", str(made.folder))
    monkeypatch.setenv("PATH", str(made.bin), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(b"TFL3 the model")
    (tmp_path / "benchmark_model").write_bytes(b"ELF")
    return made


def call(capfd: Any, *arguments: object) -> tuple[int, str, str]:
    capfd.readouterr()
    words = ["profile", "net.tflite", "--device", "android", "--quiet", *map(str, arguments)]
    code = cli.execute(words)
    captured = capfd.readouterr()
    return code, captured.out, captured.err


BINARY = ("--backend", "benchmark_model", "--benchmark-model", "benchmark_model")


def left(adb: StandIn) -> list[Path]:
    return [path for path in (adb.folder / "phone").rglob("*") if path.is_file()]


def test_benchmark_model_gives_a_report(adb: StandIn, capfd):
    code, out, err = call(capfd, *BINARY, "--threads", "4", "--json")
    assert code == 0, err
    found = json.loads(out)
    report = read_report(Path(found["paths"][0]))
    assert report.device.model == "Pixel 6"
    assert report.device.soc == "Google Tensor"
    assert report.device.cpu_cores == 8
    assert report.device.ram_mb == 8000.0  # 7812500 KiB
    assert report.device.battery_level == 0.8
    assert report.device.charging is True
    assert report.measurement_kind == "device"
    assert report.latency.inference.samples_ns == ()
    assert report.latency.inference.summary is not None
    assert report.latency.inference.summary.p50_ns == 3_250_000
    assert report.protocol.runs == 50
    assert report.thermal is not None
    assert (report.thermal.start, report.thermal.max) == ("none", "light")
    assert {one.type for one in report.per_op} == {"ADD", "Convolution"}
    assert adb.asked("--num_threads=4 --num_runs=50 --warmup_runs=10")
    timed, profiled = [c[-1] for c in adb.calls if "./benchmark_model" in c[-1]]
    assert "op_profiling" not in timed
    assert "--enable_op_profiling=true" in profiled
    assert not left(adb)
    code, out, err = call(capfd, *BINARY)
    assert code == 0, err
    assert "3.25" in out
    assert out.rstrip().endswith(".json")


def test_the_gpu_is_asked_for_strictly(adb: StandIn, capfd):
    code, out, err = call(capfd, *BINARY, "--compute-units", "gpu", "--json")
    assert code == 0, err
    [report] = json.loads(out)["reports"]
    assert report["runtime"]["requested"] == ["gpu"]
    assert report["runtime"]["fully_accelerated"] is True
    assert adb.asked("--use_gpu=true --require_full_delegation=true")


def test_an_emulator_is_no_device(adb: StandIn, capfd):
    adb.state(properties={"ro.product.model": "sdk", "ro.kernel.qemu": "1"})
    code, out, err = call(capfd, *BINARY, "--json")
    assert code == 0, err
    assert json.loads(out)["reports"][0]["measurement_kind"] == "simulator"


def test_the_app_gives_a_report(adb: StandIn, capfd, tmp_path: Path):
    (tmp_path / "app.apk").write_bytes(b"")
    code, out, err = call(capfd, "--apk", "app.apk", "--runs", "40", "--compute-units", "gpu")
    assert code == 0, err
    [path] = (tmp_path / "build" / "reports").glob("*.json")
    assert out.rstrip().endswith(str(path.relative_to(tmp_path)))
    report = read_report(path)
    assert report.model.name == "net"
    assert len(report.latency.inference.samples_ns) == 40
    assert adb.asked("install -r -g -t app.apk")
    assert adb.asked("-e class org.mobilekit.demo.BenchmarkTest")
    assert adb.asked("-e units gpu")
    assert not left(adb)
    assert not [path for path in (adb.folder / "app").rglob("*") if path.is_file()]
    assert cli.execute(["report", str(path), "--quiet"]) == 0


@pytest.mark.parametrize(
    ("state", "arguments", "code", "says"),
    [
        ({"devices": []}, (), 3, "no Android device; connect one by USB"),
        ({"devices": [PIXEL, OTHER]}, (), 2, "--serial: 2 Android devices are attached"),
        ({}, ("--serial", "PIX002"), 2, "no such Android device; attached: PIX001. Did you mean PIX001?"),
        ({"devices": ["PIX001  unauthorized usb:1-1"]}, (), 3, "unauthorized; unlock the phone"),
        ({"devices": ["PIX001  offline"]}, (), 3, "offline; it does not answer"),
        ({"devices": ["PIX001  no permissions (user in plugdev group); see [x]"]}, (), 3, "udev rules"),
        ({"installed": []}, (), 3, "org.mobilekit.demo is not installed; install the sample app"),
        ({"installed": ["org.mobilekit.demo"]}, (), 3, "org.mobilekit.demo.test is not installed"),
        ({"locked": 1}, (), 3, "the phone is locked; unlock it"),
        ({"unplug": "am instrument"}, (), 3, "PIX001: the connection was lost while measuring"),
        ({"unplug": "push"}, (), 3, "the connection was lost while pushing net.tflite"),
        ({"unplug": "./benchmark_model"}, BINARY, 3, "lost while running benchmark_model"),
        ({"cut": "./benchmark_model"}, BINARY, 3, "the connection was lost while running benchmark_model"),
        ({"cut": "am instrument"}, (), 3, "the connection was lost while measuring"),
        ({"vanish": "am instrument"}, (), 3, "the connection was lost while measuring"),
        ({"revoke": "push"}, (), 3, "PIX001: unauthorized"),
        ({"hang": "am instrument"}, ("--timeout", "1"), 3, "measuring took longer than 1 s"),
        ({"wrong_abi": True}, BINARY, 3, "ended with 126 (/system/bin/sh: ./benchmark_model: not executable"),
        ({"run_as": "run-as: package not debuggable: org.mobilekit.demo"}, (), 3, "not debuggable"),
        ({"model": {"sha256": "0" * 64}}, (), 2, "the app measured another model"),
        ({"units": ["gpu"]}, (), 2, "`$.runtime.requested` expected cpu, found gpu"),
        ({"properties": {"ro.kernel.qemu": "1"}}, (), 2, "`$.measurement_kind` expected simulator, found device"),
        ({"model": {"size_bytes": -1}}, (), 2, "$.model.size_bytes"),
        (
            {"instrument": "INSTRUMENTATION_STATUS: Error=Unable to find instrumentation info for: ComponentInfo{x}\n"
             "INSTRUMENTATION_STATUS_CODE: -1\nINSTRUMENTATION_FAILED: x"},
            (), 3, "org.mobilekit.demo.test has no androidx.test.runner.AndroidJUnitRunner",
        ),
        (
            {"instrument": "INSTRUMENTATION_RESULT: shortMsg=Process crashed.\nINSTRUMENTATION_CODE: 0"},
            (), 3, "the app's measurement failed: Process crashed.",
        ),
        (
            {"instrument": "INSTRUMENTATION_STATUS: stack=java.lang.IllegalStateException: no GPU\n\tat x.y\n"
             "INSTRUMENTATION_STATUS_CODE: -2\nINSTRUMENTATION_CODE: -1"},
            (), 3, "the app's measurement failed: java.lang.IllegalStateException: no GPU",
        ),
        ({"instrument": ""}, (), 3, "the app's measurement did not end (silence)"),
        ({}, ("--compute-units", "tpu"), 2, "--compute-units tpu: expected one of cpu, gpu, npu"),
        ({}, (*BINARY, "--compute-units", "npu"), 2, "benchmark_model runs on one of cpu, gpu"),
        ({}, ("--backend", "benchmark_model"), 2, "name your Android build of it (--benchmark-model)"),
        ({}, (*BINARY[:3], "none"), 2, "--benchmark-model none: no such file"),
        ({}, ("--benchmark-model", "benchmark_model"), 2, "belongs to --backend benchmark_model"),
        ({}, (*BINARY, "--apk", "a.apk"), 2, "--apk: belongs to"),
        ({}, ("--apk", "bad.apk"), 3, "installing bad.apk failed"),
    ],
)  # fmt: skip
def test_what_can_go_wrong_is_one_line(state, arguments, code, says, adb: StandIn, capfd):
    adb.state(**state)
    found, out, err = call(capfd, *arguments)
    assert says in err
    assert (found, out, err.count("\n")) == (code, "", 1)
    if not {"unplug", "cut", "vanish"} & set(state):
        assert not left(adb)
    if "hang" in state:
        assert adb.asked("am force-stop org.mobilekit.demo")


@pytest.mark.parametrize("name", ["result.pb", "operators.pb"])
def test_a_program_that_is_too_old_says_so(name: str, adb: StandIn, capfd):
    (adb.folder / name).unlink()
    code, _, err = call(capfd, *BINARY)
    assert code == 2
    assert f"wrote no {name}; this build is too old" in err
    assert not left(adb)


def test_a_damaged_result_is_refused(adb: StandIn, capfd):
    (adb.folder / "result.pb").write_bytes(b"\xff\xff")
    code, _, err = call(capfd, *BINARY)
    assert code == 2
    assert "result.pb: is no result of benchmark_model" in err


def test_without_adb_it_says_where_to_get_it(adb: StandIn, capfd, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, err = call(capfd)
    assert code == 3
    assert "adb: is not on PATH; install Android's platform tools" in err


def test_files_that_android_does_not_run_are_refused_before_adb_is_asked(
    adb: StandIn, capfd, tmp_path
):
    (tmp_path / "net.onnx").write_bytes(b"")
    for name, says in (("net.onnx", "holds no .tflite file"), ("none", "no such file")):
        code = cli.execute(["profile", name, "--device", "android", "-q"])
        assert code == 2
        assert says in capfd.readouterr().err
    assert not adb.calls


def test_an_option_of_phones_is_refused_on_the_host(adb: StandIn, capfd):
    for option in (("--serial", "x"), ("--compute-units", "cpu"), ("--apk", "a"), BINARY):
        assert cli.execute(["profile", "net.tflite", "-q", *option]) == 2
        assert "belongs to --device" in capfd.readouterr().err


def test_an_interrupt_ends_the_tool_and_tidies_the_phone(adb: StandIn):
    adb.state(hang="./benchmark_model")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mobilekit",
            "profile",
            "net.tflite",
            "--device",
            "android",
            "-q",
            *BINARY,
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    mark = adb.folder / "hanging"
    deadline = time.monotonic() + 60
    while not (mark.is_file() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.startswith("mobilekit: interrupted")
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    assert not left(adb)
    assert adb.asked("rm -rf /data/local/tmp/mobilekit/")
