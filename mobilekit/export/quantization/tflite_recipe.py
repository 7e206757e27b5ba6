"""Forms → what ai-edge-quantizer is told, layer by layer."""

import contextlib
import functools
import io
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mobilekit.core.quantization import Form, parse
from mobilekit.export.chatter import captured
from mobilekit.export.quantization.tflite_file import read
from mobilekit.export.quantization.tflite_layers import Layer

if TYPE_CHECKING:
    from ai_edge_quantizer.recipe_manager import RecipeManager

_NAMES = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}
"""Kind of operator → the quantizer's name, where it is another."""
_DECODED = ("DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE")
"""Operators whose 4-bit weights its policy refuses, though DEQUANTIZE, which
decodes them, does not care what takes them."""
_ONE_SCALE = "BATCH_MATMUL"
"""Of constants with a scale per channel, LiteRT's integer kernels of it make zeros without a word."""
_NO_DYNAMIC_INT4 = ("DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "BATCH_MATMUL")


def feasible(form: Form | None, kind: str) -> tuple[Form | None, str]:
    """Return the form that a kind of operator can have, and why it is not the one asked for.

    >>> found, reason = feasible(parse("dynamic:int4"), "DEPTHWISE_CONV_2D")
    >>> found.words, reason
    ('weights:int4', 'LiteRT has no dynamic 4-bit kernel for DEPTHWISE_CONV_2D')
    """
    if form is None:
        return None, ""
    if kind in {"CONV_3D", "CONV_3D_TRANSPOSE"}:
        return None, f"ai-edge-quantizer does not know {kind}"
    if form.words == "float16" and kind == "BATCH_MATMUL":
        return None, f"ai-edge-quantizer stores no float16 weights of {kind}"
    if form.calibrated and kind == "EMBEDDING_LOOKUP":
        return parse("weights:int8"), f"LiteRT has no static integer kernel for {kind}"
    if form.words == "dynamic:int4" and kind in _NO_DYNAMIC_INT4:
        return parse("weights:int4"), f"LiteRT has no dynamic 4-bit kernel for {kind}"
    return form, ""


def quantized(
    model: Any,
    default: Form,
    layers: Sequence[tuple[Layer, Form | None]],
    ranges: dict[str, dict[str, Any]] | None,
) -> Any:
    """Return the quantized flat buffer's objects.

    Args:
        model: the objects of the flat buffer of floats; they stay as they are.
        default: form of the file; operators without weights have it too.
        layers: each with the form that it can have.
        ranges: of each tensor that is computed: `min` and `max`, one value in as many dimensions as
            the tensor has; None where no form needs them.
    """
    from ai_edge_quantizer import model_modifier, params_generator, recipe_manager

    class InMemory(model_modifier.ModelModifier):  # type: ignore[misc]
        """Gives the objects, which are written once they hold all that they should."""

        def _serialize_small_model(self, quantized_model: Any) -> Any:
            return quantized_model

        def _serialize_model(self, quantized_model: Any, *_: Any, **__: Any) -> Any:
            return quantized_model

    _allow_decoding()
    with captured("ai_edge_quantizer", "absl"), contextlib.redirect_stderr(io.StringIO()):
        recipe = recipe_manager.RecipeManager()
        _ask(recipe, ".*", "*", default)
        if default.calibrated:
            _ask(recipe, ".*", _ONE_SCALE, default)
        for layer, form in layers:
            if form is None or form.words != default.words:
                kind = _NAMES.get(layer.kind, layer.kind)
                _ask(recipe, f"^{re.escape(layer.scope)}$", kind, form)
        if not default.integer_io:
            for end in ("INPUT", "OUTPUT"):
                _ask(recipe, ".*", end, None)
        generator = params_generator.ParamsGenerator(model)
        parameters = generator.generate_quantization_parameters(
            recipe, ranges, enable_progress_bar=False
        )
        made = InMemory(model).modify_model(parameters, enable_progress_bar=False)
    model = read(bytes(made)) if isinstance(made, bytes | bytearray | memoryview) else made
    _allow_any_scales(model)
    return model


def _allow_any_scales(model: Any) -> None:
    """Let sums of 16-bit integers have scales of any size.

    LiteRT takes scales near powers of two for those of an older kind of file, and then refuses a sum that
    has a smaller scale than one of its terms, as that of 2 · x and −1 has.
    """
    for graph in model.subgraphs:
        for operator in graph.operators:
            if hasattr(operator.builtinOptions, "potScaleInt16"):
                operator.builtinOptions.potScaleInt16 = False


def _ask(recipe: "RecipeManager", regex: str, kind: str, form: Form | None) -> None:
    """Give operators of a kind, at scopes that match, a form; None leaves them as they are."""
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.qtyping import QuantGranularity, TFLOperationName

    name = TFLOperationName(kind)
    if form is None:
        recipe.add_quantization_config(regex, name, None, AlgorithmName.NO_QUANTIZE)
        return
    bits = form.weights.bits
    shared = {"tensor": QuantGranularity.TENSORWISE, "channel": QuantGranularity.CHANNELWISE}
    one_scale = form.calibrated and kind == _ONE_SCALE
    granularity = shared["tensor" if one_scale else form.weights.granularity]
    if form.weights.encoding == "float16":
        recipe.add_weight_only_config(
            regex, name, bits, QuantGranularity.TENSORWISE, AlgorithmName.FLOAT_CASTING
        )
    elif form.activations == "float":
        recipe.add_weight_only_config(regex, name, bits, granularity)
    elif form.activations == "dynamic":
        recipe.add_dynamic_config(regex, name, bits, granularity)
    else:
        recipe.add_static_config(regex, name, activation_bits(form), bits, granularity)


def activation_bits(form: Form) -> int:
    """Return the bits of one activation of a static form."""
    return 16 if form.activations == "int16" else 8


@functools.cache
def _allow_decoding() -> None:
    """Let the quantizer store 4-bit weights of all convolutions where they are decoded before use."""
    from ai_edge_quantizer import algorithm_manager, default_policy

    policy = json.loads(default_policy.DEFAULT_JSON_POLICY)
    policy["ops_per_config"]["weightonly_wi4_afp32"] += _DECODED
    algorithm_manager.register_config_check_policy_func(
        algorithm_manager.AlgorithmName.MIN_MAX_UNIFORM_QUANT,
        default_policy.update_default_config_policy(json.dumps(policy)),
    )
