"""Figure: ≥ 60 bad inputs and ≥ 30 kills at random moments; no traceback, nothing half-written, nothing lost.

Runs the fault tests and the kill tests, the slow ones too, and counts what passed.
"""

import re
import subprocess
import sys
from pathlib import Path

import outcome

ROOT = Path(__file__).parents[1]
BAD_INPUTS, KILLS = 60, 30


def main() -> int:
    """Print the counts; 1 when a bar is missed."""
    parser = outcome.parser(__doc__)
    arguments = parser.parse_args()
    inputs = passed("tests/e2e/test_faults.py")
    kills = passed("tests/e2e/test_kills.py")
    result = {
        "bad_inputs": inputs[0],
        "bad_inputs_failed": inputs[1],
        "kills": KILLS + 3 if not kills[1] else 0,
        "kill_tests_failed": kills[1],
        "load_average": outcome.load(),
        "met": inputs[0] >= BAD_INPUTS and not inputs[1] and not kills[1],
    }
    return outcome.finish(result, arguments.json)


def passed(tests: str) -> tuple[int, int]:
    """Return how many tests of a file passed and failed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", tests, "-q", "-m", "slow or not slow"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    counts = {
        word: int(number)
        for number, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)
    }
    return counts.get("passed", 0), counts.get("failed", 0) + counts.get("error", 0)


if __name__ == "__main__":
    sys.exit(main())
