"""Program → Core ML ML program, by coremltools' `torch.export` front end."""

import re
import time
from pathlib import Path
from typing import Any

from mobilekit.core.errors import ExportError
from mobilekit.core.targets import CoremlTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.export.chatter import captured, telling
from mobilekit.export.converted import Converted
from mobilekit.export.preflight import operator_at, rewrite
from mobilekit.runtime.coreml_reference.loader import quiet_coremltools
from mobilekit.runtime.program import Program

AUTHOR_FIELDS = {
    "author": "author",
    "licence": "license",
    "description": "short_description",
    "version": "version",
}
_POOLING = re.compile(r"aten\.(max|avg)_pool[123]d\.")


def preload() -> None:
    """Import what a conversion needs, without its chatter."""
    quiet_coremltools()


def convert(
    program: Program,
    target: CoremlTarget,
    out: Path,
    metadata: dict[str, str],
    labels: tuple[str, ...] = (),
    *,
    normalized: bool = False,
) -> Converted:
    """Convert `program` and save it as `out` (`.mlpackage`).

    Raises:
        ExportError: Core ML lacks an operator; the line names it, its module and source line.
    """
    preload()
    import coremltools as ct

    if target.float16_io and target.minimum_os == "ios15":
        raise ExportError("coreml: float16 inputs and outputs need ios16 or later; ios15 was asked")
    started = time.monotonic()
    rewritten, notes = rewrite(program, target)
    classifier, why = _classifier(program, labels)
    exported = tidied(rewritten.exported.run_decompositions({}))
    with captured("coremltools") as lines:
        try:
            model = ct.convert(
                exported,
                inputs=_inputs(ct, program, target, normalized=normalized),
                outputs=_outputs(ct, program, target, classifier),
                classifier_config=classifier,
                minimum_deployment_target=getattr(
                    ct.target, target.minimum_os.replace("ios", "iOS")
                ),
                compute_precision=getattr(ct.precision, target.precision.upper()),
                pass_pipeline=_passes(ct, target),
                convert_to="mlprogram",
                skip_model_load=True,
            )
        except OSError:
            raise  # the disk, not the network
        except Exception as problem:
            raise ExportError(f"coreml: {operator_at(program, problem)}") from problem
        _describe(model, metadata, program)
        model.save(str(out))
    inputs, outputs = _ends(model, program)
    found = (*notes, *why, *telling(lines))
    return Converted(inputs, outputs, found, time.monotonic() - started)


def tidied(exported: Any) -> Any:
    """Say the same in the words that coremltools' front end expects; values are unchanged.

    It does not know alias nodes, and takes a pooling without a stride for one with too few inputs.
    """
    for node in list(exported.graph.nodes):
        name = str(node.target)
        if name == "aten.alias.default" and not _is_output(node):
            node.replace_all_uses_with(node.args[0])
            exported.graph.erase_node(node)
        elif _POOLING.match(name) and (len(node.args) < 3 or not node.args[2]):
            node.args = (*node.args[:2], node.args[1], *node.args[3:])
    _compute_passed_inputs(exported)
    return exported


def _compute_passed_inputs(exported: Any) -> None:
    """Multiply inputs that are outputs too by 1: a MIL variable has one name only."""
    import torch

    ends = next(node for node in exported.graph.nodes if node.op == "output")
    for index, node in enumerate(ends.args[0]):
        if getattr(node, "op", "") != "placeholder" or node.meta["val"].dtype == torch.bool:
            continue
        with exported.graph.inserting_before(ends):
            made = exported.graph.call_function(torch.ops.aten.mul.Tensor, (node, 1))
        made.meta = dict(node.meta)
        ends.args = ((*ends.args[0][:index], made, *ends.args[0][index + 1 :]), *ends.args[1:])
        spec = exported.graph_signature.output_specs[index]
        spec.arg = type(spec.arg)(name=made.name)


def _is_output(node: Any) -> bool:
    return any(user.op == "output" for user in node.users)


def _passes(ct: Any, target: CoremlTarget) -> Any:
    """Leave out, in float32, the pass that makes `x * a + b` per channel a batch norm.

    It leaves the batch norm's epsilon at 1e-5, which scales x by 1 - 5e-6: less than float16
    resolves, and 80 times what float32 does.
    """
    passes = ct.PassPipeline()
    if target.precision == "float32":
        passes.remove_passes({"common::fuse_elementwise_to_batchnorm"})
    return passes


def _inputs(ct: Any, program: Program, target: CoremlTarget, *, normalized: bool) -> list[Any]:
    import numpy as np

    kinds = []
    for index, spec in enumerate(program.inputs):
        if index == 0 and target.image_input:
            if spec.layout != "NCHW" or spec.shape[1] not in {1, 3}:
                raise ExportError(
                    f"coreml: --image-input: {spec.name} {list(spec.shape)} is no RGB or gray image"
                )
            colour = ct.colorlayout.RGB if spec.shape[1] == 3 else ct.colorlayout.GRAYSCALE
            scale = 1.0 if normalized else 1 / 255
            kinds.append(
                ct.ImageType(name=spec.name, shape=spec.shape, scale=scale, color_layout=colour)
            )
            continue
        floating = spec.dtype.startswith("float")
        dtype: Any = (np.float16 if target.float16_io else np.float32) if floating else np.int32
        kinds.append(ct.TensorType(name=spec.name, shape=spec.shape, dtype=dtype))
    return kinds


def _outputs(ct: Any, program: Program, target: CoremlTarget, classifier: Any) -> list[Any]:
    import numpy as np

    kinds = []
    for spec in program.outputs:
        dtype: Any = None
        if spec.dtype.startswith("float"):
            dtype = np.float16 if target.float16_io else np.float32
        if classifier is not None:
            dtype = None  # Core ML decides the type of class probabilities
        kinds.append(ct.TensorType(name=spec.name, dtype=dtype))
    return kinds


def _classifier(program: Program, labels: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
    """Return a classifier configuration where the labels name the scores of the only output."""
    if not labels:
        return None, ()
    scores = program.outputs[0]
    if len(program.outputs) == 1 and scores.shape == (1, len(labels)):
        import coremltools as ct

        return ct.ClassifierConfig(list(labels), predicted_probabilities_output=scores.name), ()
    if len(scores.shape) == 4 and scores.shape[1] == len(labels):
        return None, ()
    return None, (
        f"{len(labels)} labels do not name the scores of {scores.name} {list(scores.shape)};"
        " the Core ML file is no classifier",
    )


def _describe(model: Any, metadata: dict[str, str], program: Program) -> None:
    for key, value in metadata.items():
        if key in AUTHOR_FIELDS:
            setattr(model, AUTHOR_FIELDS[key], value)
        else:
            model.user_defined_metadata[key] = value
    for spec in program.inputs:
        model.input_description[spec.name] = f"{spec.layout} {'x'.join(map(str, spec.shape))}"


def _ends(model: Any, program: Program) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Read the file's own inputs and outputs, in the order of the program."""
    from mobilekit.runtime.coreml_reference.description import described

    inputs, outputs = described(model.get_spec())
    known = {spec.name: spec for spec in program.outputs}
    outputs = tuple(
        TensorSpec(spec.name, known[spec.name].shape, spec.dtype, known[spec.name].layout)
        if spec.name in known
        else spec
        for spec in outputs
    )
    layouts = {spec.name: spec.layout for spec in program.inputs}
    inputs = tuple(
        spec
        if spec.dtype == "uint8"
        else TensorSpec(spec.name, spec.shape, spec.dtype, layouts[spec.name])
        for spec in inputs
    )
    return inputs, outputs
