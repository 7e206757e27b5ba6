"""Kernels and the operators they belong to."""

from mobilekit.profile.operators import Kernel, matched
from mobilekit.runtime.tflite import Operator


def operators(*kinds: str) -> list[Operator]:
    return [Operator(index, kind, (index,), (index + 1,)) for index, kind in enumerate(kinds)]


def delegated(*names: str) -> list[Kernel]:
    return [Kernel(name, delegated=True, index=index) for index, name in enumerate(names)]


def indices(found: tuple[Operator | None, ...]) -> list[int | None]:
    return [None if one is None else one.index for one in found]


def test_folded_operators_have_no_kernel():
    file = operators("PAD", "CONV_2D", "RELU", "RESHAPE", "FULLY_CONNECTED")
    kernels = delegated("Convolution (NHWC, F32) IGEMM", "Fully Connected (NC, F32) GEMM")
    assert indices(matched(file, kernels)) == [1, 4]


def test_an_operator_may_take_a_kernel_per_part():
    file = operators("CONV_2D", "CONCATENATION", "ADD")
    kernels = delegated("Convolution (NHWC, F32)", "Copy (NC, X32)", "Copy (NC, X32)", "Add (ND)")
    assert indices(matched(file, kernels)) == [0, 1, 1, 2]


def test_operators_that_fell_out_are_known_by_their_index():
    file = operators("ADD", "CUMSUM", "MUL")
    kernels = [*delegated("Add (ND)"), Kernel("CUMSUM", delegated=False, index=1)]
    assert indices(matched(file, [*kernels, *delegated("Multiply (ND)")])) == [0, 1, 2]


def test_from_a_kernel_that_fits_nowhere_on_nothing_is_claimed():
    file = operators("ADD", "MUL", "ADD")
    kernels = delegated("Add (ND)", "Something (new)", "Add (ND)")
    assert indices(matched(file, kernels)) == [0, None, None]
