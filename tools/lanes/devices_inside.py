"""Measure one LiteRT file: `devices_inside.py MODEL RUNS WARMUP THREADS` prints JSON. Needs LiteRT and NumPy alone."""

import hashlib
import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def measure(model: str, runs: int, warmup: int, threads: int) -> dict[str, Any]:
    """Run a file on random inputs; each run's time holds the reading of its outputs."""
    start = time.perf_counter_ns()
    interpreter = Interpreter(model, num_threads=threads)
    interpreter.allocate_tensors()
    load_ns = time.perf_counter_ns() - start
    random = np.random.default_rng(0)
    for one in interpreter.get_input_details():
        values = random.integers(-100, 100, one["shape"]).astype(one["dtype"])
        interpreter.set_tensor(one["index"], values)
    ends = [one["index"] for one in interpreter.get_output_details()]
    times = []
    for _ in range(1 + warmup + runs):
        start = time.perf_counter_ns()
        interpreter.invoke()
        outputs = [interpreter.get_tensor(index) for index in ends]
        times.append(time.perf_counter_ns() - start)
    return {
        "version": version("ai-edge-litert"),
        "load_ns": load_ns,
        "first_ns": times[0],
        "samples_ns": times[1 + warmup :],
        "operators": [one["op_name"] for one in interpreter._get_ops_details()],  # noqa: SLF001
        "outputs_sha256": hashlib.sha256(b"".join(one.tobytes() for one in outputs)).hexdigest(),
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], *map(int, sys.argv[2:]))))  # noqa: T201
