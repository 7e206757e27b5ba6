"""The oracle is the mean of each layer's outputs, taken by hand with PyTorch's functions.

Tolerance: float64; sums of some thousand numbers of about 1 are exact to 1e-12.
"""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilekit.compress.base import Context
from mobilekit.compress.steps.correct_biases import CorrectBiases, correct_biases
from mobilekit.core.errors import DataError, NoEffectError, RecipeError

CLOSE = {"rtol": 0.0, "atol": 1e-12}


def images(count: int = 16, seed: int = 0) -> Tensor:
    """Positive pixels: their means are what rounding shifts."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, 8, 8, generator=generator, dtype=torch.float64)


def drawn(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data = (
            torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3
        )
    return network.double().eval()


def chain(*, bias: bool = True) -> nn.Sequential:
    parts = [
        nn.Conv2d(3, 8, 3, bias=bias),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8, bias=bias),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5, bias=bias),
    ]
    network = nn.Sequential(*parts)
    assert drawn(network) is network
    return network


def on_grid(weight: Tensor, bits: int) -> Tensor:
    most = 2 ** (bits - 1) - 1
    step = weight.flatten(1).abs().amax(1).view(-1, *[1] * (weight.ndim - 1)) / most
    return (weight / step).round() * step


def outputs(network: nn.Sequential, x: Tensor) -> list[Tensor]:
    """Means per channel behind each convolution and linear layer."""
    found = []
    with torch.no_grad():
        for module in network:
            x = module(x)
            if isinstance(module, nn.Conv2d | nn.Linear):
                found.append(x.transpose(0, 1).flatten(1).mean(1))
    return found


@pytest.mark.parametrize("bias", [True, False])
def test_every_layer_has_the_means_it_had(bias):
    network, x = chain(bias=bias), images()
    found = correct_biases(network, [x], "weights:int4")
    assert found.corrected == ("0", "3", "7")
    assert found.left == ()
    apart = 0.0
    for want, got, plain in zip(
        *(outputs(one, x) for one in (network, found.network, found.rounded)), strict=True
    ):
        torch.testing.assert_close(got, want, **CLOSE)
        apart = max(apart, float((plain - want).abs().max()))
    assert apart > 1e-3  # 4 bits: without the correction the means move


def test_weights_lie_on_the_grid_and_find_it_again():
    network = chain()
    found = correct_biases(network, [images()], "weights:int4")
    for place in (0, 3, 7):
        expected = on_grid(network[place].weight.detach(), 4)
        torch.testing.assert_close(found.network[place].weight.detach(), expected, **CLOSE)
        torch.testing.assert_close(on_grid(expected, 4), expected, **CLOSE)
        assert torch.equal(found.network[place].weight, found.rounded[place].weight)
        assert torch.equal(network[place].bias, found.rounded[place].bias)


def test_the_given_network_and_modes_are_left():
    network = chain(bias=False).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = correct_biases(network, [images()], "weights:int4")
    assert all(torch.equal(before[name], one) for name, one in network.state_dict().items())
    assert network[0].bias is None
    assert network.training
    assert found.network.training
    assert not any(
        module._forward_hooks for net in (network, found.network) for module in net.modules()
    )


class Twice(nn.Module):
    """Runs one layer twice, and one only by its weight."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        return F.linear(self.b(self.b(self.a(x))), self.c.weight)


def test_what_runs_never_or_twice_is_rounded_and_left():
    network = drawn(Twice())
    x = images()[:, 0, 0, :4]
    found = correct_biases(network, [x], "weights:int4")
    assert found.corrected == ("a",)
    assert found.left == ("b", "c")
    assert torch.equal(found.network.b.bias, network.b.bias)
    torch.testing.assert_close(
        found.network.b.weight.detach(), on_grid(network.b.weight.detach(), 4), **CLOSE
    )


def test_a_shared_bias_is_left():
    network = drawn(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)))
    network[1].bias = network[0].bias
    with pytest.raises(NoEffectError, match="bias of its own"):
        correct_biases(network, [images()[:, 0, 0, :4]], "weights:int4")


def test_the_step_says_what_it_gained_and_takes_so_many_images():
    network, batches = chain(), tuple((part,) for part in images(40).split(8))
    context = Context(inputs=[images(1)], calibration=batches, provenance="photographs")
    result, report = CorrectBiases(form="weights:int4", images=24).apply(network, context)
    assert report.notes[0] == (
        "3 layers rounded for weights:int4 and corrected, on 24 inputs of photographs"
    )
    before, after = (
        float(part.split(" dB")[0].split()[-1]) for part in report.notes[1].split(",")[:2]
    )
    assert after > before + 3
    assert report.notes[1].endswith("dB when corrected, on 16 others")
    assert report.residual is None
    torch.testing.assert_close(
        outputs(result, images(40)[:24])[-1], outputs(network, images(40)[:24])[-1], **CLOSE
    )


def test_layers_that_are_named_float_stay():
    network = chain()
    found = correct_biases(network, [images()], "weights:int4", {"7": "float"})
    assert found.corrected == ("0", "3")
    assert torch.equal(found.network[7].weight, network[7].weight)
    assert torch.equal(found.network[7].bias, network[7].bias)


def test_bad_input_is_named():
    context = Context(inputs=[images(1)])
    with pytest.raises(DataError, match="there are no calibration inputs"):
        CorrectBiases().apply(chain(), context)
    with pytest.raises(DataError, match="give 0 no finite means"):
        correct_biases(chain(), [images() * torch.nan])
    with pytest.raises(DataError, match=r"calibration inputs: Given groups=1"):
        correct_biases(chain(), [images()[:, :2]])
    with pytest.raises(RecipeError, match="weights:palette4 has no integers to round to"):
        CorrectBiases(form="weights:palette4")
    with pytest.raises(RecipeError, match=r"correct_biases: .* is no form to train for"):
        CorrectBiases(form="float16")


def test_without_other_images_the_gain_is_judged_on_the_same():
    context = Context(inputs=[images(1)], calibration=((images(),),))
    _, report = CorrectBiases(form="weights:int4").apply(chain(), context)
    assert report.notes[1].endswith("on the same inputs")
