"""Reference executor against PyTorch: mobilenet_v2 at 224 × 224, float32, one thread.

Figure: median time of the executor over median time of torch eager, interleaved. Bar: ≤ 3.
"""

import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import outcome

BAR = 3.0
SHAPE = (1, 3, 224, 224)


def sides(folder: Path) -> tuple[Callable[[], object], Callable[[], object]]:
    """Convert the network; return one inference of each side: torch eager, executor."""
    import torch
    import torchvision

    from mobilekit.runtime.coreml_reference import ReferenceRunner
    from mobilekit.runtime.coreml_reference.loader import quiet_coremltools

    quiet_coremltools()
    import coremltools as ct

    torch.set_num_threads(1)
    net = torchvision.models.mobilenet_v2(weights=None).eval()
    sample = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(net, (sample,)).run_decompositions({})
        model = ct.convert(
            program,
            inputs=[ct.TensorType(name="x", shape=SHAPE)],
            minimum_deployment_target=ct.target.iOS17,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        )
        path = folder / "mobilenet_v2.mlpackage"
        model.save(str(path))

    def eager() -> object:
        with torch.inference_mode():
            return net(sample)

    runner = ReferenceRunner(path, threads=1)
    feed = {runner.inputs[0].name: sample.numpy()}
    return eager, lambda: runner.run(feed)


def milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def measured(eager: Callable[[], object], executor: Callable[[], object], pairs: int) -> dict:
    for _ in range(3):
        eager()
        executor()
    times = [(milliseconds(eager), milliseconds(executor)) for _ in range(pairs)]
    torch_ms, executor_ms = (statistics.median(side) for side in zip(*times, strict=True))
    ratio = executor_ms / torch_ms
    return {
        "figure": "executor-speed",
        "torch_ms": round(torch_ms, 2),
        "executor_ms": round(executor_ms, 2),
        "pairs": pairs,
        "ratio": round(ratio, 3),
        "bar": BAR,
        "met": ratio <= BAR,
        "load_average": outcome.load(),
    }


def main() -> int:
    parser = outcome.parser(__doc__)
    parser.add_argument("--pairs", type=int, default=21, help="interleaved pairs of runs, ≥ 5")
    options = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"  # coremltools' progress bars
    with tempfile.TemporaryDirectory() as folder:
        eager, executor = sides(Path(folder))
        result = measured(eager, executor, max(options.pairs, 5))
    return outcome.finish(result, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
