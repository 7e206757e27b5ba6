import inspect

import numpy as np
import pytest
import torch
from scipy import special

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.ops.activation import TABLE

RNG = np.random.default_rng(1)
X = (RNG.normal(size=(2, 3, 4, 5)) * 3).astype(np.float32)
X[0, 0, 0, :3] = (0.0, -0.5, 0.5)
ALPHA, BETA = np.float32(0.3), np.float32(1.7)
WITH_TWO = ("clamped_relu", "linear_activation", "scaled_tanh", "sigmoid_hard")
WITH_ONE = ("elu", "leaky_relu", "thresholded_relu")
WITH_NONE = ("relu", "relu6", "sigmoid", "softplus", "softsign", "tanh")


@pytest.mark.parametrize("operator", WITH_NONE)
def test_without_parameters(agrees, operator):
    agrees(operator, x=X)


@pytest.mark.parametrize("operator", WITH_ONE)
@pytest.mark.parametrize("alpha", [0.3, -0.5, 1.0])
def test_alpha(agrees, operator, alpha):
    agrees(operator, x=X, alpha=np.float32(alpha))


@pytest.mark.parametrize("operator", WITH_TWO)
@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 1.7), (-0.2, 0.5), (1.0, 0.0)])
def test_alpha_and_beta(agrees, operator, alpha, beta):
    agrees(operator, x=X, alpha=np.float32(alpha), beta=np.float32(beta))


@pytest.mark.parametrize("mode", [None, "EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"])
def test_gelu(agrees, mode):
    agrees("gelu", x=X, **({} if mode is None else {"mode": mode}))


def test_gelu_modes_differ():
    x = torch.tensor([1.0, -2.0])
    found = [TABLE["gelu"](x=x, mode=m) for m in ("EXACT", "TANH_APPROXIMATION")]
    assert (found[0] - found[1]).abs().max() > 1e-5


def test_gelu_refuses_other_modes():
    with pytest.raises(ArtifactError, match="operator gelu: mode = 'tanh' is none of EXACT"):
        TABLE["gelu"](x=torch.ones(1), mode="tanh")


def test_silu(agrees):
    agrees("silu", x=X, expected=X * special.expit(X))


def test_prelu_per_channel(agrees):
    agrees("prelu", x=X, alpha=np.array([0.1, -0.2, 0.3], np.float32))


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 2, 2, 2)])
def test_prelu_of_other_ranks(agrees, shape):
    agrees("prelu", x=X.ravel()[: np.prod(shape)].reshape(shape), alpha=np.full(3, 0.2, np.float32))


@pytest.mark.parametrize("operator", ["prelu", "softplus_parametric"])
def test_per_channel_parameters_must_fit(operator):
    given = {"alpha": torch.ones(4)} | ({"beta": torch.ones(4)} if operator != "prelu" else {})
    with pytest.raises(ArtifactError, match=f"operator {operator}: .* does not fit x"):
        TABLE[operator](x=torch.from_numpy(X), **given)


def test_softplus_parametric(agrees):
    alpha, beta = np.array([1, 0.5, -2], np.float32), np.array([0.2, 1.0, -0.7], np.float32)
    agrees("softplus_parametric", x=X, alpha=alpha, beta=beta)


@pytest.mark.parametrize("operator", ["softplus", "softplus_parametric"])
def test_softplus_of_large_values_is_exact(operator):
    x = torch.tensor([[[90.0]], [[-90.0]]]).reshape(1, 2, 1, 1)
    more = {} if operator == "softplus" else {"alpha": torch.ones(2), "beta": torch.ones(2)}
    found = TABLE[operator](x=x, **more).flatten()
    assert found[0] == 90.0
    np.testing.assert_allclose(found[1], np.exp(-90.0), rtol=1e-5)


@pytest.mark.parametrize("axis", [None, -1, 1, -4])
def test_softmax(agrees, axis):
    agrees("softmax", x=X, **({} if axis is None else {"axis": np.int32(axis)}))


def test_softmax_refuses_an_axis_out_of_range():
    with pytest.raises(ArtifactError, match=r"operator softmax: axis = 4 is outside \[-4, 4\)"):
        TABLE["softmax"](x=torch.from_numpy(X), axis=4)


@pytest.mark.parametrize("operator", sorted(TABLE))
def test_not_a_number_stays(operator):
    """A tool that verifies must not lose one."""
    x = torch.full((1, 1, 1, 1), float("nan"))
    value = torch.ones(1) if operator in {"prelu", "softplus_parametric"} else 1.0
    required = {
        name
        for name, parameter in inspect.signature(TABLE[operator]).parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    more = dict.fromkeys(required - {"x"}, value)
    assert torch.isnan(TABLE[operator](x=x, **more)).all()


def test_saved_program(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    slopes = np.array([0.1, -0.2, 0.3], np.float32)

    def build(x):
        first = mb.gelu(x=mb.prelu(x=x, alpha=slopes), mode="TANH_APPROXIMATION")
        second = mb.elu(x=mb.sigmoid_hard(x=first, alpha=0.2, beta=0.5), alpha=1.0)
        return first, mb.softmax(x=second, axis=1)

    first = np.where(X > 0, X, X * slopes[:, None, None])
    first = first / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (first + 0.044715 * first**3)))
    hard = np.clip(0.2 * first + 0.5, 0, 1)
    found = run_program(build, {"x": X})
    np.testing.assert_allclose(found[0], first, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(found[1], special.softmax(hard, axis=1), rtol=4e-6)
