import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops.elementwise import TABLE

RNG = np.random.default_rng(0)
ANY = RNG.normal(size=(2, 3, 4)).astype(np.float32) * 3
INSIDE = np.linspace(-0.95, 0.95, 24, dtype=np.float32).reshape(2, 3, 4)
POSITIVE = np.abs(ANY) + 0.1
HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.0, 0.49999997], np.float32)
INTEGERS = np.array([-5, -1, 0, 1, 2, 7], np.int32)
UNARY = {
    "abs": ANY, "acos": INSIDE, "asin": INSIDE, "atan": ANY, "atanh": INSIDE, "ceil": ANY,
    "cos": ANY, "cosh": ANY, "erf": ANY, "exp": ANY, "exp2": ANY, "floor": ANY, "round": HALVES,
    "sign": HALVES, "sin": ANY, "sinh": ANY, "sqrt": POSITIVE, "square": ANY, "tan": INSIDE,
    "logical_not": ANY > 0,
}  # fmt: skip
COMPARISONS = ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal")
LOGICAL = ("logical_and", "logical_or", "logical_xor")
ARITHMETIC = ("add", "floor_div", "maximum", "minimum", "mod", "mul", "real_div", "sub")


@pytest.mark.parametrize("operator", UNARY)
def test_one_input(agrees, operator):
    agrees(operator, x=UNARY[operator])


@pytest.mark.parametrize("operator", ["abs", "sign", "square"])
def test_one_input_of_integers(agrees, operator):
    agrees(operator, x=INTEGERS)


def test_exp2_of_integers_is_cut_to_integers():
    found = TABLE["exp2"](x=torch.tensor([-1, 0, 3, 30], dtype=torch.int32))
    assert found.tolist() == [0, 1, 8, 1 << 30]


def test_sign_keeps_not_a_number():
    assert torch.isnan(TABLE["sign"](x=torch.tensor(float("nan"))))


@pytest.mark.parametrize("operator", [*ARITHMETIC, *COMPARISONS])
@pytest.mark.parametrize("other", [(2, 3, 4), (3, 1), (1, 1, 4)])
def test_two_inputs_broadcast(agrees, operator, other):
    y = RNG.normal(size=other).astype(np.float32) + 0.01
    agrees(operator, x=ANY, y=y)
    agrees(operator, x=y, y=ANY)


@pytest.mark.parametrize("operator", [*ARITHMETIC, *COMPARISONS])
def test_two_inputs_with_a_number(agrees, operator):
    agrees(operator, x=ANY, y=np.float32(1.5))
    agrees(operator, x=np.float32(1.5), y=ANY)


@pytest.mark.parametrize(
    "operator", [name for name in (*ARITHMETIC, *COMPARISONS) if name != "real_div"]
)
def test_two_inputs_of_integers(agrees, operator):
    agrees(operator, x=INTEGERS, y=np.array([3, -3, 5, -5, 2, 3], np.int32))
    agrees(operator, x=INTEGERS, y=np.int32(3))


def test_integers_divide_toward_zero():
    found = TABLE["real_div"](x=torch.tensor([7, -7, 1]), y=torch.tensor([2, 2, 3]))
    assert found.tolist() == [3, -3, 0]


@pytest.mark.parametrize("operator", ["real_div", "floor_div", "mod"])
def test_dividing_integers_by_zero_is_refused(operator):
    with pytest.raises(ArtifactError, match=f"operator {operator}: y = 0 divides an integer"):
        TABLE[operator](x=torch.tensor([1, 2]), y=torch.tensor([1, 0]))


def test_dividing_by_zero_is_infinite():
    zero = torch.zeros(3)
    found = TABLE["real_div"](x=torch.tensor([1.0, -1.0, 0.0]), y=zero)
    assert found[:2].tolist() == [np.inf, -np.inf]
    assert torch.isnan(found[2])


def test_pow(agrees):
    agrees("pow", x=POSITIVE, y=INSIDE)
    agrees("pow", x=ANY, y=np.float32(2))
    agrees("pow", x=INTEGERS, y=np.array([2, 3, 4, 5, 6, 1], np.int32))


@pytest.mark.parametrize("operator", LOGICAL)
def test_logical(agrees, operator):
    agrees(operator, x=ANY > 0, y=INSIDE > 0)
    agrees(operator, x=ANY > 0, y=np.array([True, False, True, False]))


@pytest.mark.parametrize(("alpha", "beta"), [(-1.0, 2.5), (0.0, 0.5)])
def test_clip(agrees, alpha, beta):
    agrees("clip", x=ANY, alpha=np.float32(alpha), beta=np.float32(beta))


def test_clip_with_bounds_crossed_ends_at_beta(agrees):
    agrees("clip", opset="iOS15", x=ANY, alpha=np.float32(1.0), beta=np.float32(-1.0))


def test_clip_keeps_not_a_number():
    assert torch.isnan(TABLE["clip"](x=torch.tensor(float("nan")), alpha=0.0, beta=1.0))


@pytest.mark.parametrize("epsilon", [None, 0.0, 0.25])
@pytest.mark.parametrize("operator", ["inverse", "log", "rsqrt"])
def test_epsilon(agrees, operator, epsilon):
    agrees(operator, x=POSITIVE, epsilon=np.float32(epsilon)) if epsilon is not None else agrees(
        operator, x=POSITIVE
    )


def test_default_epsilons_save_zero(agrees):
    zero = np.zeros(2, np.float32)
    for operator in ("inverse", "log", "rsqrt"):
        agrees(operator, x=zero)


def test_threshold(agrees):
    agrees("threshold", x=ANY, alpha=np.float32(0.5))
    agrees("threshold", x=INTEGERS, alpha=np.int32(1))


@pytest.mark.parametrize("b", [INSIDE, INSIDE[0, :, :1], INSIDE[:, :1]])
def test_select(agrees, b):
    agrees("select", cond=ANY > 0, a=ANY, b=b)
    agrees("select", cond=ANY > 0, a=ANY > 1, b=ANY > 2)
    agrees("select", cond=INTEGERS > 0, a=INTEGERS, b=np.int32(-9))


def test_select_condition_broadcasts():
    found = TABLE["select"](cond=torch.tensor([[True], [False]]), a=torch.ones(2, 3), b=0.0)
    assert found.tolist() == [[1, 1, 1], [0, 0, 0]]


FROM_FLOAT = np.array([-2.7, -0.4, 0.0, 0.6, 1.0, 100.9], np.float32)


@pytest.mark.parametrize("dtype", ["int32", "int8", "int16", "bool", "fp32"])
def test_cast_from_float(agrees, dtype):
    agrees("cast", x=FROM_FLOAT, dtype=dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "bool", "fp32"])
def test_cast_from_integers_wraps(agrees, dtype):
    agrees("cast", x=np.array([-32769, -129, -1, 0, 127, 128, 65537], np.int32), dtype=dtype)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "fp32"])
def test_cast_from_bool(agrees, dtype):
    agrees("cast", x=np.array([True, False]), dtype=dtype)


def test_cast_to_float16_is_left_to_the_caller():
    found = TABLE["cast"](x=torch.tensor([1.0001]), dtype="fp16")
    assert found.dtype == torch.float32
    assert found.item() == np.float32(1.0001)


def test_cast_to_an_unknown_type_is_refused():
    with pytest.raises(ArtifactError, match="operator cast: dtype = 'fp8' is none of bool, fp16"):
        TABLE["cast"](x=torch.ones(1), dtype="fp8")


def test_saved_program(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x, y):
        low = mb.minimum(x=mb.square(x=x), y=mb.exp(x=y))
        whole = mb.cast(x=mb.floor_div(x=low, y=mb.log(x=mb.abs(x=y), epsilon=2.0)), dtype="int32")
        mask = mb.logical_and(x=mb.greater(x=x, y=y), y=mb.not_equal(x=whole, y=1))
        number = mb.cast(x=mb.mod(x=whole, y=3), dtype="fp32")
        chosen = mb.select(cond=mask, a=mb.rsqrt(x=low, epsilon=0.5), b=number)
        return mb.clip(x=chosen, alpha=0.1, beta=1.5), mb.sign(x=whole)

    x, y = ANY, RNG.normal(size=(2, 3, 4)).astype(np.float32)
    low = np.minimum(x**2, np.exp(y))
    whole = (low // np.log(np.abs(y) + np.float32(2))).astype(np.int32)
    mask = (x > y) & (whole != 1)
    chosen = np.where(mask, 1 / np.sqrt(low + np.float32(0.5)), (whole % 3).astype(np.float32))
    found = run_program(build, {"x": x, "y": y})
    np.testing.assert_allclose(found[0], np.clip(chosen, 0.1, 1.5), rtol=2e-6)
    np.testing.assert_array_equal(found[1], np.sign(whole))
