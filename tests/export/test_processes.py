"""Workers: a conversion in a process of its own, its errors, its death, and its parent's death."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from mobilekit.core.errors import ArtifactError, ExportError, MobilekitError
from mobilekit.core.targets import CoremlTarget, OnnxTarget, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.processes import Crew, Worker
from mobilekit.export.program import trace
from mobilekit.runtime.program import save

IMAGE = TensorSpec("image", (1, 3, 8, 6), layout="NCHW")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker("onnx") as one:
        yield one


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, nn.Module]:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    save(trace(net, (IMAGE,)), tmp_path / "net.pt2")
    return tmp_path / "net.pt2", net


def _convert(worker: Worker, program: Path, out: Path, target: object = None) -> object:
    return worker.convert(
        program,
        target or OnnxTarget(dynamic_batch=False),
        out,
        metadata={"mobilekit.digest": "abc"},
        labels=(),
        normalized=False,
    )


@pytest.mark.parametrize(
    ("kind", "target", "suffix", "runtime"),
    [
        ("onnx", OnnxTarget(dynamic_batch=False), ".onnx", "onnx"),
        ("tflite", TfliteTarget(layout="nchw"), ".tflite", "tflite"),
        ("coreml", CoremlTarget(precision="float32"), ".mlpackage", "coreml-reference"),
    ],
)
def test_a_worker_converts_and_runs_the_file(
    kind: str,
    target: object,
    suffix: str,
    runtime: str,
    saved: tuple[Path, nn.Module],
    tmp_path: Path,
    float32_bar: float,
) -> None:
    program, net = saved
    out = tmp_path / f"net{suffix}"
    inputs = [
        {"image": np.random.default_rng(seed).standard_normal(IMAGE.shape).astype(np.float32)}
        for seed in range(3)
    ]
    with Worker(kind) as one:
        converted = _convert(one, program, out, target)
        assert [spec.name for spec in converted.inputs] == ["image"]
        outputs = one.run(out, inputs, runtime=runtime)
        assert one.peak_bytes > 50e6
    for given, found in zip(inputs, outputs, strict=True):
        with torch.no_grad():
            expected = net(torch.from_numpy(given["image"])).numpy()
        error = np.linalg.norm(found["output"] - expected)
        assert error <= float32_bar * np.linalg.norm(expected)


def test_errors_keep_their_class_and_words(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"absent\.pt2: no such file"):
        _convert(worker, tmp_path / "absent.pt2", tmp_path / "x.onnx")
    (tmp_path / "bad.pt2").write_bytes(b"no program")
    with pytest.raises(ArtifactError, match=r"bad\.pt2: is no whole torch\.export program"):
        _convert(worker, tmp_path / "bad.pt2", tmp_path / "x.onnx")


def test_a_worker_serves_on_after_an_error(
    worker: Worker, saved: tuple[Path, nn.Module], tmp_path: Path
) -> None:
    for _ in range(2):
        with pytest.raises(ArtifactError):
            _convert(worker, tmp_path / "absent.pt2", tmp_path / "x.onnx")
        _convert(worker, saved[0], tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").stat().st_size > 0


def test_a_path_that_cannot_be_written_is_one_line(
    worker: Worker, saved: tuple[Path, nn.Module], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MobilekitError) as raised:
        _convert(worker, saved[0], tmp_path / "file" / "net.onnx")
    assert raised.value.exit_code == 3
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_death_is_an_export_error_that_names_the_signal(
    number: signal.Signals, saved: tuple[Path, nn.Module], tmp_path: Path
) -> None:
    with Worker("onnx") as one:
        os.kill(one._process.pid, number)
        with pytest.raises(ExportError, match=f"onnx: .*killed by signal {int(number)}"):
            _convert(one, saved[0], tmp_path / "net.onnx")


def test_the_last_words_of_a_dead_worker_are_reported(
    saved: tuple[Path, nn.Module], tmp_path: Path
) -> None:
    with (
        Worker("nonsense") as one,
        pytest.raises(ExportError, match=r"ended with code 1: ModuleNotFoundError.*nonsense"),
    ):
        _convert(one, saved[0], tmp_path / "net.onnx")


def test_the_process_is_gone_after_the_block() -> None:
    with Worker("onnx") as one:
        process = psutil.Process(one._process.pid)
        assert process.is_running()
    assert not process.is_running()


def test_a_stopped_crew_has_no_process_left_and_hires_no_more(
    saved: tuple[Path, nn.Module],
) -> None:
    crew = Crew()
    with crew.hire("onnx") as one, ThreadPoolExecutor() as pool:
        process = psutil.Process(one._process.pid)
        waiting = pool.submit(_convert, one, saved[0], saved[0].parent / "net.onnx")
        crew.stop()
        with pytest.raises(ExportError, match="killed by signal 9"):
            waiting.result(timeout=30)
    assert not process.is_running()
    with pytest.raises(ExportError, match="the export was stopped"):
        crew.hire("onnx")


def test_a_worker_dies_with_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time
        from mobilekit.export.processes import Worker
        one = Worker("onnx")
        print(one._process.pid, flush=True)
        time.sleep(60)
        """)
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    # The worker asks the system for this before its heavy imports; give it time to start.
    time.sleep(1.0)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_parent_side_imports_no_torch() -> None:
    code = (
        "import sys, mobilekit.export.processes; "
        "sys.exit(any(n in sys.modules for n in ('torch', 'coremltools', 'litert_torch', 'onnx')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_detector_is_refused_in_words_of_its_own(worker: Worker, tmp_path: Path) -> None:
    from torchvision.ops import roi_align

    class Detector(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return roi_align(x, torch.zeros(2, 5) + x.mean(), output_size=(2, 2))

    save(trace(Detector(), (IMAGE,)), tmp_path / "detector.pt2")
    with pytest.raises(ExportError, match="export backbone and heads"):
        _convert(worker, tmp_path / "detector.pt2", tmp_path / "net.onnx")


def test_an_output_without_axes_stays_one(tmp_path: Path) -> None:
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean()

    save(trace(Mean(), (IMAGE,)), tmp_path / "net.pt2")
    arrays = {"image": np.ones(IMAGE.shape, np.float32)}
    with Worker("onnx") as worker:
        _convert(worker, tmp_path / "net.pt2", tmp_path / "net.onnx")
        (found,) = worker.run(tmp_path / "net.onnx", [arrays], runtime="onnx")
    assert found["output"].shape == ()
