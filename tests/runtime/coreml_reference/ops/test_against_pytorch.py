"""Modules converted by coremltools as it would for a user: the file against PyTorch itself."""

import gc
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mobilekit.runtime.coreml_reference import ReferenceRunner


class Rearranged(nn.Module):
    def forward(self, x):
        x = functional.pixel_unshuffle(functional.pixel_shuffle(x, 2), 2)
        x = torch.roll(x, (1, 2), (2, 3)).flip(1)
        x = functional.pad(x, (1, 2, 3, 1), mode="reflect")[:, :, ::2, 1:-1].clone()
        x[:, 0] = x[:, 1] * 2
        x[:, :, 1:3] = 0.5
        return x, x[:, :, torch.tensor([1, -1, 0])], x.tile(1, 2, 1, 1)


class Sorted(nn.Module):
    def forward(self, x):
        values, places = torch.topk(x, 3, dim=3)
        running = torch.tril(torch.cumsum(torch.sort(x, dim=2, descending=True)[0], 1))
        chosen = torch.where(running > 0, running, running * 2)
        hot = functional.one_hot(chosen[:, 0, 0].argmax(-1), 10).float()
        picked = torch.gather(chosen, 3, (chosen > 0).long()[..., :3])
        return values, places, chosen, hot, picked


class Reduced(nn.Module):
    def forward(self, x):
        norm = x.norm(dim=2)
        return torch.logsumexp(x, (1, 2)), x.std((2, 3)), norm, x.amax((1, 3)), x.mean(2)


class Activated(nn.Module):
    def __init__(self):
        super().__init__()
        self.prelu = nn.PReLU(4, 0.1)

    def forward(self, x):
        x = functional.hardswish(functional.elu(self.prelu(x), 0.7))
        x = functional.gelu(x) + functional.silu(x) - functional.hardsigmoid(x)
        x = functional.softplus(x) + functional.softsign(x) + functional.leaky_relu(x, 0.2)
        return functional.glu(x, 1), torch.softmax(x, 1), functional.log_softmax(x, 3)


class Suppressed(nn.Module):
    def forward(self, corners, scores):
        from torchvision.ops import nms

        return nms(corners, scores, 0.4)


class States(nn.Module):
    """A recurrent module without the nesting of its outputs."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        states, last = self.inner(x)
        return (states, *last) if isinstance(last, tuple) else (states, last)


def image():
    return (torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(0)),)


def boxes():
    low, size, scores = torch.rand(3, 20, 2, generator=torch.Generator().manual_seed(0))
    return torch.cat([low * 5, low * 5 + size * 4 + 0.5], dim=1), scores[:, 0]


def sequence():
    return (torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0)),)


CASES = {
    "rearranged": (Rearranged, image),
    "sorted": (Sorted, image),
    "reduced": (Reduced, image),
    "activated": (Activated, image),
    "suppressed": (Suppressed, boxes),
    "rnn": (lambda: States(nn.RNN(3, 4, 2, nonlinearity="relu")), sequence),
    "gru": (lambda: States(nn.GRU(3, 4)), sequence),
    "lstm": (lambda: States(nn.LSTM(3, 4, 2, bidirectional=True)), sequence),
}
TOLERANCE = 1e-5
"""Of the largest value: sums of at most 64 terms in float32 (2^-24 each), in two orders."""


@pytest.fixture
def converted(tmp_path):
    import coremltools as ct

    def convert(module, inputs, target):
        path = tmp_path / "module.mlpackage"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.jit's and coremltools' own
            model = ct.convert(
                torch.jit.trace(module, inputs),
                inputs=[ct.TensorType(name=f"x{i}", shape=x.shape) for i, x in enumerate(inputs)],
                minimum_deployment_target=getattr(ct.target, target),
                compute_precision=ct.precision.FLOAT32,
                skip_model_load=True,
            )
            model.save(str(path))
            del model
            runner = ReferenceRunner(path)
            gc.collect()
        return runner

    return convert


@pytest.mark.parametrize("target", ["iOS18", pytest.param("iOS16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_converted_module(converted, case, target):
    make, sample = CASES[case]
    with torch.random.fork_rng():
        torch.random.default_generator.manual_seed(0)
        module = make().eval()
    inputs = sample()
    with torch.no_grad():
        wanted = module(*inputs)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    runner = converted(module, inputs, target)
    found = runner.run({f"x{i}": x.numpy() for i, x in enumerate(inputs)})
    assert len(found) == len(wanted)
    for one, other in zip(found.values(), wanted, strict=True):
        assert one.shape == tuple(other.shape)
        scale = max(other.abs().max().item(), 1)
        np.testing.assert_allclose(one, other.numpy(), rtol=0, atol=TOLERANCE * scale)
