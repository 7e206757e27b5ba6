"""Run every figure's command, one after the other, and print which bars were met."""

import os
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
SCRIPTS = (
    "cli_startup.py",
    "executor_speed.py",
    "profile_against_litert.py",
    "export_against_script.py",
    "parity.py",
    "pruning_against_torch_pruning.py",
    "pruning_zoo.py",
    "pruning_latency.py",
    "faults.py",
    "regularization_cost.py",
    "sparsify_cost.py",
    "quantization_time.py",
    "quantization_accuracy.py",
    "quantization_aware.py",
    "mixed_precision.py",
    "deep_compression.py",
    "quantization_bytes.py",
    "face_rendering.py",
    "face_parsing_latency.py",
    "flicker.py",
    "data_wait.py",
)


def main() -> int:
    """Run all; 1 when a bar was missed."""
    rows = []
    for name in SCRIPTS:
        print(f"== {name} (load average {os.getloadavg()[0]:.2f})", flush=True)
        start = time.monotonic()
        out = RESULTS / f"{Path(name).stem}.json"
        done = subprocess.run([sys.executable, str(FOLDER / name), "--json", str(out)], check=False)
        rows.append((name, done.returncode, time.monotonic() - start))
    for name, code, seconds in rows:
        print(f"{name:32} {'met' if code == 0 else 'MISSED':8} {seconds:7.0f} s")
    return 1 if any(code for _, code, _ in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
