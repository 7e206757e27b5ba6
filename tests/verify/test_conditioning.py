import copy

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.core.tensors import TensorSpec
from mobilekit.export.program import trace
from mobilekit.runtime import program as programs
from mobilekit.runtime.program import Program
from mobilekit.verify.conditioning import own_error
from tests.verify.conftest import small, traced

VECTOR = TensorSpec("x", (1, 64))


def vectors(count: int) -> list[dict[str, np.ndarray]]:
    generator = np.random.default_rng(4)
    return [{"x": generator.standard_normal((1, 64)).astype(np.float32)} for _ in range(count)]


def test_float16_rounding_of_one_product_is_that_of_numpy() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("factor", torch.linspace(0.1, 2.0, 64)[None])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.factor  # type: ignore[operator,no-any-return]

    samples = vectors(3)
    found = own_error(trace(Scale(), (VECTOR,)), samples, "float16")
    factor = np.linspace(0.1, 2.0, 64, dtype=np.float32)[None]
    exact = np.concatenate([s["x"].astype(np.float64) * factor for s in samples])
    half = [
        (s["x"].astype(np.float16).astype(np.float32) * factor.astype(np.float16)).astype(
            np.float16
        )
        for s in samples
    ]
    rough = np.concatenate(half).astype(np.float64)
    expected = np.linalg.norm(rough - exact) / np.linalg.norm(exact)
    assert found["output"] == pytest.approx(expected, rel=1e-3)


def test_float32_is_judged_against_float64(program: Program, inputs: dict[str, np.ndarray]) -> None:
    found = own_error(program, [inputs], "float32")["scores"]
    wide = small().double()
    with torch.no_grad():
        exact = wide(torch.from_numpy(inputs["image"]).double())["scores"].numpy()
        plain = small()(torch.from_numpy(inputs["image"]))["scores"].double().numpy()
    expected = np.linalg.norm(plain - exact) / np.linalg.norm(exact)
    # Two runs of one network may differ in their kernels; the size of the error is the same.
    assert found == pytest.approx(expected, rel=1.0)
    assert 1e-8 < found < 1e-5


def test_float16_is_near_what_torch_half_does(
    program: Program, inputs: dict[str, np.ndarray]
) -> None:
    found = own_error(program, [inputs], "float16")["scores"]
    half = small().half()
    with torch.no_grad():
        rough = half(torch.from_numpy(inputs["image"]).half())["scores"].double().numpy()
        exact = small()(torch.from_numpy(inputs["image"]))["scores"].double().numpy()
    theirs = np.linalg.norm(rough - exact) / np.linalg.norm(exact)
    # Ten outputs estimate an RMS within a factor of about 2.
    assert theirs / 3 < found < theirs * 3


def test_a_network_that_amplifies_errors_has_a_large_one() -> None:
    class Amplifying(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x + 1000.0) - 1000.0

    (error,) = own_error(trace(Amplifying(), (VECTOR,)), vectors(2), "float32").values()
    # x + 1000 is rounded by 2⁻²⁴ · 2¹⁰ / √3 RMS at most; x is of size 1.
    assert 2.0**-24 * 300 < error < 2.0**-24 * 1024


def test_an_overflow_of_pytorch_itself_gives_no_infinite_bound() -> None:
    class Large(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 60000.0

    (error,) = own_error(trace(Large(), (VECTOR,)), vectors(2), "float16").values()
    assert np.isfinite(error)
    assert error < 1e-2


def test_a_constant_zero_output_has_no_error() -> None:
    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 0.0

    assert set(own_error(trace(Nothing(), (VECTOR,)), vectors(1), "float16").values()) == {0.0}


class InPlace(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.add_(1.0)
        return x * 3.0


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_network_that_changes_its_input_leaves_the_samples_alone(precision: str) -> None:
    program = trace(InPlace(), (VECTOR,))
    samples = vectors(2)
    kept = copy.deepcopy(samples)
    error = own_error(program, samples, precision)
    assert all(np.array_equal(a["x"], b["x"]) for a, b in zip(samples, kept, strict=True))
    # Two roundings: a run on an input that was changed before would be off by 3.
    assert max(error.values()) < 4 * 2.0**-11
    result = programs.run(program, samples[0])
    np.testing.assert_allclose(next(iter(result.values())), (kept[0]["x"] + 1) * 3, rtol=1e-6)
    assert np.array_equal(samples[0]["x"], kept[0]["x"])


def test_the_program_still_runs_in_its_own_precision_afterwards(
    inputs: dict[str, np.ndarray],
) -> None:
    program = traced(small())
    before = programs.run(program, inputs)["scores"]
    own_error(program, [inputs], "float32")
    own_error(program, [inputs], "float16")
    after = programs.run(program, inputs)["scores"]
    np.testing.assert_array_equal(before, after)
