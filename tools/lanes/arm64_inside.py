"""Run LiteRT files: `arm64_inside.py JOBS.json`. Needs LiteRT and NumPy alone; runs on both kinds of processor.

JOBS is a list of `{"model", "inputs", "outputs"}`: a file, an `.npz` of `SAMPLE/TENSOR` arrays, the `.npz` to write.
"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def run(model: str, inputs: str, outputs: str) -> None:
    """Run one file on each sample, in one thread."""
    interpreter = Interpreter(model, num_threads=1)
    [signature] = interpreter.get_signature_list()
    runner = interpreter.get_signature_runner(signature)
    samples: dict[str, dict[str, np.ndarray]] = {}
    with np.load(inputs) as arrays:
        for key in arrays.files:
            sample, _, tensor = key.partition("/")
            samples.setdefault(sample, {})[tensor] = arrays[key]
    found = {
        f"{sample}/{tensor}": array
        for sample, given in samples.items()
        for tensor, array in runner(**given).items()
    }
    np.savez(outputs, **found)


if __name__ == "__main__":
    for job in json.loads(Path(sys.argv[1]).read_text()):
        run(**job)
