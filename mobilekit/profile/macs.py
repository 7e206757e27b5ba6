"""How many multiply-accumulates one operator of an exported graph takes: one rule per operator."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx import Node

from mobilekit.core.errors import ModelError

Arguments = dict[str, Any]
Shape = tuple[int, ...]
Rule = Callable[[Arguments, Shape], int]


def macs_of(node: Node) -> int | None:
    """Return the multiply-accumulates of a call, or None where there is no rule for its operator.

    Pads and cropped borders count as the textbook formula has them (kernel × output elements).
    """
    rule = RULES.get(operator_name(node))
    return None if rule is None else rule(arguments(node), shape_of(node))


def operator_name(node: Node) -> str:
    """Name the operator of a call without namespace `aten` and without overload.

    >>> graph = torch.fx.Graph()
    >>> operator_name(graph.call_function(torch.ops.aten.conv2d.padding))
    'conv2d'
    """
    target = node.target
    if isinstance(target, torch._ops.OpOverload):  # noqa: SLF001  the only name of this type
        return target._schema.name.removeprefix("aten::").replace("::", ".")  # noqa: SLF001
    return str(getattr(target, "__name__", target))


def arguments(node: Node) -> Arguments:
    """Return a call's arguments by the names of its schema; those left at their default are absent."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):  # noqa: SLF001
        return dict(node.kwargs)
    names = [argument.name for argument in target._schema.arguments]  # noqa: SLF001
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def shape_of(value: object) -> Shape:
    """Return the shape of a node's (first) output; symbolic sizes by their example.

    A node without a tensor has the shape `()`.
    """
    found = value.meta.get("val") if isinstance(value, Node) else value
    while isinstance(found, (tuple, list)) and found:
        found = found[0]
    if not isinstance(found, torch.Tensor):
        return ()
    return tuple(size_of(size) for size in found.shape)


def size_of(size: "int | torch.SymInt") -> int:
    """Return a size as a number: a symbolic one by its example.

    Raises:
        ModelError: a size that depends on the values of a tensor, and so has no example.
    """
    if isinstance(size, int):
        return size
    if size.node.hint is None:
        raise ModelError("the cost cannot be counted: a size depends on the values of a tensor")
    return int(str(size.node.hint))


def is_free(node: Node) -> bool:
    """Say whether a call takes no arithmetic worth counting.

    Free are views and copies, elementwise operators, batch norm (folded into its convolution),
    pooling, reductions and the making of constants.
    """
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):  # noqa: SLF001
        return getattr(target, "__module__", "") in {"_operator", "math", "builtins"}
    name = operator_name(node)
    aliased = any(value.alias_info is not None for value in target._schema.returns)  # noqa: SLF001
    return aliased or name in FREE or is_elementwise(node)


def is_elementwise(node: Node) -> bool:
    """Say whether each element of a call's result depends on one element of each operand."""
    tags = getattr(node.target, "tags", ())
    return torch.Tag.pointwise in tags or operator_name(node) in UNTAGGED


def _convolution(given: Arguments, out: Shape) -> int:
    if given.get("transposed", False):
        return _transposed(given, out)
    return math.prod(out) * math.prod(shape_of(given["weight"])[1:])


def _transposed(given: Arguments, _: Shape) -> int:
    return math.prod(shape_of(given["input"])) * math.prod(shape_of(given["weight"])[1:])


def _linear(given: Arguments, out: Shape) -> int:
    return math.prod(out) * shape_of(given["weight"])[-1]


def _product(left: str) -> Rule:
    """Return the rule of a matrix product that sums over the last axis of the argument `left`."""

    def rule(given: Arguments, out: Shape) -> int:
        return math.prod(out) * shape_of(given[left])[-1]

    return rule


def _addbmm(given: Arguments, out: Shape) -> int:
    batch, _, inner = shape_of(given["batch1"])
    return batch * inner * math.prod(out)


def _attention(given: Arguments, out: Shape) -> int:
    keys = shape_of(given["key"])[-2]
    return keys * (math.prod(shape_of(given["query"])) + math.prod(out))


def _recurrent(given: Arguments, _: Shape) -> int:
    """Every weight matrix acts once per time step and sample, in each direction."""
    shape = shape_of(given["input"])
    matrices = [shape_of(part) for part in given["params"]]
    weights = sum(math.prod(matrix) for matrix in matrices if len(matrix) == 2)
    return math.prod(shape[:-1]) * weights


def _cell(given: Arguments, _: Shape) -> int:
    samples = math.prod(shape_of(given["input"])[:-1])
    return samples * sum(math.prod(shape_of(given[name])) for name in ("w_ih", "w_hh"))


def _einsum(given: Arguments, _: Shape) -> int:
    operands = [shape_of(tensor) for tensor in given["tensors"]]
    return einsum_macs(given["equation"], operands, given.get("path"))


def einsum_macs(equation: str, shapes: Sequence[Shape], path: Sequence[int] | None = None) -> int:
    """Return the products that `torch.einsum` forms, contracting two operands at a time.

    Args:
        equation: such as `bij,bjk->bik`; `...` is allowed.
        shapes: of the operands.
        path: positions of the operands of each contraction, two by two; left to right by default.

    >>> einsum_macs("ij,jk->ik", [(2, 3), (3, 4)])
    24
    """
    left, _, right = equation.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    terms = [
        _labels(text, shape, sizes) for text, shape in zip(left.split(","), shapes, strict=True)
    ]
    kept = _labels(right, (), sizes) if "->" in equation else _implied(left, terms)
    steps = list(path or [])
    total = 0
    while len(terms) > 1:
        pair = sorted((steps.pop(0), steps.pop(0))) if steps else [0, 1]
        second, first = terms.pop(pair[1]), terms.pop(pair[0])
        later = kept.union(*terms)
        multiplied = (first & second) | ((first | second) & later)
        total += math.prod(sizes[label] for label in multiplied)
        terms.insert(len(terms) if path else 0, (first | second) & later)
    return total


def _labels(text: str, shape: Shape, sizes: dict[str, int]) -> set[str]:
    """Return the labels of one term, `...` as numbered ones from the right, and note their sizes."""
    before, dots, after = text.partition("...")
    hidden = len(shape) - len(before) - len(after) if dots else 0
    ellipsis_labels = [f"…{index}" for index in range(hidden, 0, -1)]
    labels = [*before, *ellipsis_labels, *after]
    for label, size in zip(labels, shape, strict=False):
        sizes[label] = max(sizes.get(label, 1), size)
    if dots and not shape:
        labels += [label for label in sizes if label.startswith("…")]
    return set(labels)


def _implied(left: str, terms: list[set[str]]) -> set[str]:
    """Return the output labels of an equation without an arrow: those that occur once."""
    return {label for label in set().union(*terms) if label[0] == "…" or left.count(label) == 1}


RULES: dict[str, Rule] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution", "_convolution"), _convolution),
    "torchvision.deform_conv2d": _convolution,
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    "linear": _linear,
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "vdot", "inner"), _product("self")),
    "addmm": _product("mat1"),
    "addmv": _product("mat"),
    "baddbmm": _product("batch1"),
    "addbmm": _addbmm,
    "einsum": _einsum,
    **dict.fromkeys(
        (
            "scaled_dot_product_attention",
            "_scaled_dot_product_attention_math",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
        ),
        _attention,
    ),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), _cell),
}

UNTAGGED = frozenset({
    "divide", "fill", "floor_divide", "greater", "greater_equal", "hardswish", "less", "less_equal",
    "log_sigmoid", "multiply", "not_equal", "prelu", "_prelu_kernel", "subtract", "type_as",
})  # fmt: skip
"""Elementwise operators that PyTorch does not tag as such."""

FREE = frozenset({
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices",
    "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "max_unpool2d", "max_unpool3d",
    "batch_norm", "_native_batch_norm_legit_no_training", "native_batch_norm", "all",
    "amax", "amin", "any", "argmax", "argmin", "count_nonzero", "max", "mean", "min", "prod", "std", "std_mean",
    "sum", "var", "var_mean", "arange", "empty", "empty_like", "eye", "glu", "full", "full_like", "linspace",
    "new_empty", "new_full", "new_ones", "new_zeros", "ones", "ones_like", "rand", "rand_like",
    "randn", "randn_like", "scalar_tensor", "zeros", "zeros_like", "_assert_tensor_metadata",
    "_to_copy", "_unsafe_view", "affine_grid_generator", "cat", "channel_shuffle", "clone",
    "concat", "constant_pad_nd", "copy", "dropout", "embedding", "feature_dropout",
    "alpha_dropout", "flip", "gather", "hstack", "index", "index_copy", "index_put", "index_select",
    "lift_fresh_copy", "masked_scatter", "masked_select", "native_channel_shuffle",
    "nonzero", "index_add", "meshgrid", "one_hot", "pad", "pixel_shuffle", "pixel_unshuffle",
    "reflection_pad1d", "reflection_pad2d", "repeat", "repeat_interleave",
    "replication_pad1d", "replication_pad2d", "roll", "scatter", "select_scatter",
    "slice_scatter", "stack", "sym_size", "take", "tile", "tril", "triu", "unfold_copy",
    "unsafe_chunk", "unsafe_split", "upsample_nearest1d", "upsample_nearest2d",
    "upsample_nearest3d", "_upsample_nearest_exact1d", "_upsample_nearest_exact2d",
    "vstack",
})  # fmt: skip
"""Operators that move, choose, compare or add values, or fold into a convolution."""
