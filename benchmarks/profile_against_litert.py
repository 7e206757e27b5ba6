"""Figure: the median of `mobilekit profile` within 3 % of LiteRT's own benchmark tool, same file.

Alternating pairs, each measurement in a fresh process; the median of the ratios counts. The spread of
the tool against itself in the same run is shown beside it.
"""

import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import outcome

BAR = 0.03
BESIDE = Path(sys.executable).parent


def main() -> int:
    """Print the ratios; 1 when the bar is missed."""
    parser = outcome.parser(__doc__)
    parser.add_argument("--model", type=Path, help="a .tflite file; mobilenet_v2 otherwise")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--runs", type=int, default=50)
    arguments = parser.parse_args()
    model = arguments.model or exported()
    load = outcome.load()
    own, tool = [], []
    for _ in range(arguments.pairs):
        own.append(by_profile(model, arguments.runs))
        tool.append(by_tool(model, arguments.runs))
    ratios = [first / second for first, second in zip(own, tool, strict=True)]
    against_itself = [abs(b / a - 1) for a, b in itertools.pairwise(tool)]
    ratio = statistics.median(ratios)
    result = {
        "median_ratio": ratio,
        "ratios": ratios,
        "profile_ms": own,
        "tool_ms": tool,
        "tool_against_itself_median": statistics.median(against_itself),
        "load_average": load,
        "met": abs(ratio - 1) <= BAR,
    }
    return outcome.finish(result, arguments.json)


def exported() -> Path:
    """Export mobilenet_v2 once."""
    folder = Path("build/bench/mobilenet_v2")
    if not (folder / "model.tflite").is_file():
        line = [sys.executable, "-m", "mobilekit", "export", "torchvision:mobilenet_v2"]
        line += ["--to", "tflite", "--runs", "0", "--quiet", "--out", str(folder)]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return folder / "model.tflite"


def by_profile(model: Path, runs: int) -> float:
    """Return the median in ms that `mobilekit profile` reports."""
    line = [sys.executable, "-m", "mobilekit", "profile", str(model), "--no-operators", "--json"]
    line += ["--runs", str(runs), "--warmup", "10"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    samples = json.loads(done.stdout)["latencies"][0]["samples_ns"]
    return statistics.median(samples) / 1e6


def by_tool(model: Path, runs: int) -> float:
    """Return the median in ms that LiteRT's tool reports."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        line = [str(BESIDE / "litert-benchmark"), "--model", str(model), "--num_threads", "1"]
        line += ["--num_runs", str(runs), "--warmup_runs", "10", "--result_json", str(out)]
        subprocess.run(line, capture_output=True, check=True)
        return float(found(json.loads(out.read_text()), "median"))


def found(content: object, word: str) -> float:
    """Return the first number whose key holds `word`."""
    if isinstance(content, dict):
        for key, value in content.items():
            if word in key and isinstance(value, (int, float)):
                return float(value)
        for value in content.values():
            inner = found(value, word)
            if not math.isnan(inner):
                return inner
    return float("nan")


if __name__ == "__main__":
    sys.exit(main())
