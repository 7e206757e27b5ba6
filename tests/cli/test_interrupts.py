"""Ctrl-C: never lost, and it says what is left of what had begun."""

import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import os, signal, sys
from mobilekit.cli import console, interrupts

class Swallows:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10000):
            pass

interrupts.listen()
thing = Swallows()
del thing  # Python ignores what a finalizer raises
sys.stdout.write("went on")
sys.stdout.flush()
with console.progress(quiet=True) as progress:
    progress("next step")
sys.stdout.write(" to the end")
"""


def test_an_interrupt_that_python_drops_stops_the_next_step() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.stdout == "went on"
    assert "KeyboardInterrupt" in done.stderr.strip().splitlines()[-1]


RECIPE = """
name = "long"
net = { kind = "lenet-caffe" }
data = { kind = "digits", train = 64, test = 16 }
targets = [{ kind = "onnx" }]
[[steps]]
kind = "train"
epochs = 100000
batch_size = 16
checkpoint_every = 1
"""


def test_an_interrupted_training_says_how_to_go_on(tmp_path: Path) -> None:
    recipe, place = tmp_path / "long.toml", tmp_path / "out.training"
    recipe.write_text(RECIPE)
    with subprocess.Popen(
        [sys.executable, "-m", "mobilekit", "run", str(recipe), "--out", str(tmp_path / "out")],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if (place / "1-train" / "last.ckpt").exists():
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        *progress, last = process.stderr.read().strip().splitlines()
    assert process.returncode == 130
    assert last == (
        f"mobilekit: interrupted; no artifact was written, and the training is kept in {place}: mobilekit run"
        " --resume goes on with it"
    )
    assert all(line.startswith("[") for line in progress)
    assert not (tmp_path / "out").exists()
