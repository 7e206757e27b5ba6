"""Time of all post-training forms of mobilenet_v2: mobilekit against the makers' own tools.

Figure: seconds of mobilekit over seconds of coremltools plus ai-edge-quantizer, one after the other, on
the same forms, the same files of floats and the same calibration inputs, one thread; sizes of the files
and decibels of the weights beside them. Bar: ≤ 0.5. Forms that only mobilekit makes are timed apart.
"""

import argparse
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["TQDM_DISABLE"] = "1"  # coremltools' progress bars

import numpy as np
import outcome

BAR = 0.5
SHAPE = (1, 3, 224, 224)
INPUTS = 4
"""Calibration inputs."""
PALETTES = {
    "weights:palette8": {"nbits": 8},
    "weights:palette6": {"nbits": 6},
    "weights:palette4": {"nbits": 4},
    "weights:palette4:uniform": {"nbits": 4, "mode": "uniform"},
    "weights:palette3": {"nbits": 3},
    "weights:palette2": {"nbits": 2},
    "weights:palette1": {"nbits": 1},
    "weights:palette4:group16": {
        "nbits": 4, "granularity": "per_grouped_channel", "group_size": 16,
    },
    "weights:palette4:scaled": {"nbits": 4, "enable_per_channel_scale": True},
}  # fmt: skip
INTEGERS = {
    "weights:int8": {"dtype": "int8"},
    "weights:int8:tensor": {"dtype": "int8", "granularity": "per_tensor"},
    "weights:int4": {"dtype": "int4"},
    "weights:int4:block32": {"dtype": "int4", "granularity": "per_block", "block_size": 32},
}
SPARSE = {
    "sparse:0.75": {"target_sparsity": 0.75},
    "sparse:2:4": {"n_m_ratio": (2, 4)},
}
JOINT = {"sparse:0.75+palette4": "weights:palette4", "sparse:0.75+int8": "weights:int8"}
RECIPES = {
    "float16": "weight_only_fp16",
    "weights:int8": "weight_only_wi8_afp32",
    "weights:int4": "weight_only_wi4_afp32",
    "dynamic:int8": "dynamic_wi8_afp32",
    "dynamic:int4": "dynamic_wi4_afp32",
    "static:int8": "static_wi8_ai8",
    "static:int8x16": "static_wi8_ai16",
}
ALONE = ("weights:binary", "weights:ternary", "weights:int8:block16", "static:int8")
"""Core ML forms that coremltools has not, or not away from a Mac."""


def files(folder: Path) -> tuple[Path, Path, dict[str, np.ndarray]]:
    """Convert a network whose batch norms have met noise; return both files and the weights."""
    import torch
    import torchvision

    from mobilekit.core.targets import CoremlTarget, TfliteTarget
    from mobilekit.core.tensors import TensorSpec
    from mobilekit.export import coreml, tflite
    from mobilekit.export.program import trace
    from mobilekit.nets.warm import warm_batch_norm

    torch.set_num_threads(1)
    spec = TensorSpec("image", SHAPE, layout="NCHW")
    net = torchvision.models.mobilenet_v2(weights=None).eval()
    warm_batch_norm(net, (spec,), 0)
    program = trace(net, (spec,))
    apple, google = folder / "floats.mlpackage", folder / "floats.tflite"
    coreml.convert(program, CoremlTarget("ios18"), apple, {})
    tflite.convert(program, TfliteTarget(), google, {})
    weights = {name: value.numpy() for name, value in net.state_dict().items() if value.ndim > 1}
    return apple, google, weights


def theirs_apple(file: Path, folder: Path) -> dict[str, Callable[[], Path]]:
    """Return what makes each form by coremltools, from the file on disk to a file on disk."""
    import coremltools as ct
    import coremltools.optimize.coreml as cto

    def model() -> Any:
        return ct.models.MLModel(str(file), skip_model_load=True)

    def palettized(options: dict[str, Any], base: Any = None) -> Any:
        config = cto.OptimizationConfig(cto.OpPalettizerConfig(**{"mode": "kmeans", **options}))
        return cto.palettize_weights(base or model(), config, joint_compression=base is not None)

    def linear(options: dict[str, Any], base: Any = None) -> Any:
        settings = {"mode": "linear_symmetric", **options}
        config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(**settings))
        return cto.linear_quantize_weights(
            base or model(), config, joint_compression=base is not None
        )

    def pruned(options: dict[str, Any]) -> Any:
        config = cto.OptimizationConfig(cto.OpMagnitudePrunerConfig(**options))
        return cto.prune_weights(model(), config)

    def joint(second: str) -> Any:
        base = pruned(SPARSE["sparse:0.75"])
        if second in PALETTES:
            return palettized(PALETTES[second], base)
        return linear(INTEGERS[second], base)

    made: dict[str, Callable[[], Any]] = {}
    made |= {form: lambda o=options: linear(o) for form, options in INTEGERS.items()}
    made |= {form: lambda o=options: palettized(o) for form, options in PALETTES.items()}
    made |= {form: lambda o=options: pruned(o) for form, options in SPARSE.items()}
    made |= {form: lambda s=second: joint(s) for form, second in JOINT.items()}

    def saved(make: Callable[[], Any]) -> Path:
        out = folder / "theirs.mlpackage"
        make().save(str(out))
        return out

    return {form: lambda m=make: saved(m) for form, make in made.items()}


def theirs_google(
    file: Path, folder: Path, inputs: list[dict[str, np.ndarray]]
) -> dict[str, Callable[[], Path]]:
    """Return what makes each form by ai-edge-quantizer."""
    from ai_edge_quantizer import quantizer, recipe

    def made(words: str) -> Path:
        one = quantizer.Quantizer(str(file))
        known = getattr(recipe, RECIPES[words], None)
        one.load_quantization_recipe(known() if known else _halves())
        shown = None
        if one.need_calibration:
            shown = one.calibrate({"serving_default": inputs}, num_threads=1)
        out = folder / "theirs.tflite"
        out.write_bytes(bytes(one.quantize(shown).quantized_model))
        return out

    return {form: lambda f=form: made(f) for form in RECIPES}


def _halves() -> list[dict[str, Any]]:
    from ai_edge_quantizer import recipe_manager
    from ai_edge_quantizer.recipe_manager import qtyping

    manager = recipe_manager.RecipeManager()
    manager.add_quantization_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=16, dtype=qtyping.TensorDataType.FLOAT
            ),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key="float_casting",
    )
    return list(manager.get_quantization_recipe())


def ours(
    file: Path, folder: Path, weights: dict[str, np.ndarray], inputs: list[dict[str, np.ndarray]]
) -> Callable[[str], tuple[Path, Any]]:
    """Return what makes a form by mobilekit; calibration is done once, by the first that needs it."""
    from mobilekit.core.quantization import Quantization, parse
    from mobilekit.export.quantization import coreml, tflite

    seen: list[Any] = []

    def made(form: str) -> tuple[Path, Any]:
        apple = file.suffix == ".mlpackage"
        out = folder / f"ours{file.suffix}"
        shown = None
        if parse(form).calibrated:
            if not seen:
                seen.append(
                    coreml.collect(file, inputs, "minmax")
                    if apple
                    else tflite.collect(file, inputs)
                )
            shown = seen[0]
        asked = Quantization(form)
        if apple:
            return out, coreml.quantize(
                file, out, asked, weights, minimum_os="ios18", statistics=shown
            )
        return out, tflite.quantize(file, out, asked, weights, calibration=shown)

    return made


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def size_mb(path: Path) -> float:
    whole = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return round(sum(one.stat().st_size for one in whole) / 1e6, 3)


def db(found: Any) -> float | None:
    """Return the decibels of all weights together."""
    error = sum(row.error_energy for row in found.layers)
    signal = sum(row.signal_energy for row in found.layers)
    return round(float(10 * np.log10(signal / error)), 1) if error else None


def row(place: str, form: str, make: Any, other: Callable[[], Path] | None) -> dict[str, Any]:
    """Time one form on both sides."""
    seconds, (path, found) = timed(lambda: make(form))
    made: dict[str, Any] = {
        "format": place,
        "form": form,
        "seconds": round(seconds, 2),
        "mb": size_mb(path),
        "weights_db": db(found),
        "left": sum(layer.stored != layer.asked for layer in found.layers),
    }
    if other is not None:
        before, theirs = timed(other)
        made |= {"seconds_theirs": round(before, 2), "mb_theirs": size_mb(theirs)}
    return made


def measured(folder: Path, places: list[str]) -> dict[str, Any]:
    apple, google, weights = files(folder)
    generator = np.random.default_rng(0)
    images = [generator.standard_normal(SHAPE).astype(np.float32) for _ in range(INPUTS)]
    rows = []
    if "coreml" in places:
        make = ours(apple, folder, weights, [{"image": image} for image in images])
        others = theirs_apple(apple, folder)
        rows += [row("coreml", form, make, other) for form, other in others.items()]
        rows += [row("coreml", form, make, None) for form in ALONE]
    if "tflite" in places:
        from mobilekit.runtime import open_model

        name = open_model(google).inputs[0].name
        inputs = [{name: np.ascontiguousarray(x.transpose(0, 2, 3, 1))} for x in images]
        make = ours(google, folder, weights, inputs)
        others = theirs_google(google, folder, inputs)
        rows += [row("tflite", form, make, other) for form, other in others.items()]
    shared = [one for one in rows if "seconds_theirs" in one]
    mine, theirs = (sum(one[key] for one in shared) for key in ("seconds", "seconds_theirs"))
    ratio = mine / theirs
    return {
        "figure": "quantization-time",
        "rows": rows,
        "seconds": round(mine, 1),
        "seconds_theirs": round(theirs, 1),
        "ratio": round(ratio, 3),
        "bar": BAR,
        "met": ratio <= BAR,
        "load_average": outcome.load(),
    }


def main() -> int:
    parser = outcome.parser(__doc__)
    parser.add_argument(
        "--format", action="append", choices=("coreml", "tflite"), help="only this; both otherwise"
    )
    options: argparse.Namespace = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        result = measured(Path(folder), options.format or ["coreml", "tflite"])
    return outcome.finish(result, options.json)


if __name__ == "__main__":
    raise SystemExit(main())
