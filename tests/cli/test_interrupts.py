import subprocess
import sys

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
