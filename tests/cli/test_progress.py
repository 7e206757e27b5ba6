"""A bar for people at a terminal, a line per epoch for logs, nothing where it is not wanted."""

import os
import pty
import re
import subprocess
import sys

import pytest

from mobilekit.cli import console
from mobilekit.core.progress import Advance


def test_elsewhere_steps_are_not_lines_and_ends_are(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress(quiet=False) as progress:
        progress("loading")
        for epoch in (1, 2):
            for step in range(1, 8):
                progress(Advance(f"epoch {epoch}, step {step}", step, 8))
            progress(Advance(f"epoch {epoch}: accuracy 0.5", 8, 8))
    out, err = capsys.readouterr()
    assert out == ""
    assert re.sub(r"\[ *[0-9.]+ s\]", "[time]", err).splitlines() == [
        "[time] loading",
        "[time] epoch 1: accuracy 0.5",
        "[time] epoch 2: accuracy 0.5",
    ]


def test_a_long_epoch_is_heard_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PAUSE_S", 0.0)
    with console.progress(quiet=False) as progress:
        progress(Advance("step 1", 1, 8))
    assert capsys.readouterr().err.endswith("] step 1\n")


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress(quiet=True) as progress:
        progress(Advance("step 1", 1, 8))
        progress("loading")
    assert capsys.readouterr() == ("", "")


AT_A_TERMINAL = """
import sys, time
from mobilekit.cli import console
from mobilekit.core.progress import Advance

with console.progress(quiet=False) as progress:
    progress("loading [bold] x")
    time.sleep(0.3)
    progress(Advance("epoch 1, step 3", 3, 8))
    time.sleep(0.3)
    progress(Advance("epoch 1: accuracy 0.5", 8, 8))
    time.sleep(0.3)
    progress("saving")
    time.sleep(0.3)
    sys.stdout.write("the result")
"""


def test_at_a_terminal_steps_are_a_bar_and_the_end_of_an_epoch_stays() -> None:
    reading, writing = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL],
        stdout=subprocess.PIPE,
        stderr=writing,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"},
    ) as process:
        os.close(writing)
        seen = bytearray()
        while True:
            try:
                seen += os.read(reading, 4096)
            except OSError:  # Linux says so of a terminal that nobody writes to any more
                break
        os.close(reading)
        assert process.stdout is not None
        assert process.stdout.read() == "the result"
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode()).splitlines()
    assert any(re.search(r"epoch 1, step 3 +[━╸╺ ]+ 3/8", line) for line in shown)
    assert any("loading [bold] x …" in line for line in shown)
    assert any(re.fullmatch(r" *\[ *\d+ s\] epoch 1: accuracy 0\.5 *", line) for line in shown)
    assert any("saving …" in line for line in shown)
    lasting = seen.decode().split("epoch 1: accuracy 0.5")[-1]
    assert "3/8" not in lasting
