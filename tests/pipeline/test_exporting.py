"""An export that is stopped: no conversion runs on, nothing is left, and nobody waits for a second Ctrl-C."""

import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mobilekit.core.errors import ExportError
from mobilekit.core.targets import OnnxTarget, SourceTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.processes import Crew
from mobilekit.pipeline import exporting
from mobilekit.pipeline.request import ExportRequest
from mobilekit.runtime.source import SourceRunner

BOTH = (OnnxTarget(), SourceTarget())


def request(out: Path, targets: Any = BOTH) -> ExportRequest:
    nets = Path(__file__).parents[1] / "e2e" / "nets.py"
    return ExportRequest(
        reference=f"{nets}:tiny",
        inputs=(TensorSpec("x", (1, 3, 16, 16), layout="NCHW"),),
        targets=targets,
        out=out,
        runs=0,
        image_count=1,
    )


def told(_: object) -> None:
    """Say nothing of progress."""


def test_an_interrupt_while_conversions_are_begun_ends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, begun = ThreadPoolExecutor.submit, []

    def interrupted(self: ThreadPoolExecutor, *work: Any, **more: Any) -> Future[Any]:
        if begun:
            raise KeyboardInterrupt
        begun.append(submit(self, *work, **more))
        return begun[0]

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        exporting.export(request(tmp_path / "out"), told)
    assert begun[0].done()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_the_runs_of_the_source_and_begins_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, running, converted = [], threading.Event(), []

    def slow(self: SourceRunner, inputs: object) -> dict[str, object]:
        del self, inputs
        runs.append(time.monotonic())
        running.set()
        time.sleep(0.3)
        return {}

    def interrupted(*_: object) -> None:
        assert running.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)  # one at a time
    monkeypatch.setattr(exporting, "deliver", lambda *_, **__: converted.append(1))
    monkeypatch.setattr(SourceRunner, "run", slow)
    monkeypatch.setattr(exporting.samples, "write_golden", interrupted)
    with pytest.raises(KeyboardInterrupt):
        exporting.export(request(tmp_path / "out", (SourceTarget(), OnnxTarget())), told)
    assert len(runs) == 1
    assert converted == []
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_crew_is_checked() -> None:
    crew = Crew()
    crew.check()
    crew.stop()
    with pytest.raises(ExportError, match="the export was stopped"):
        crew.check()
