import numpy as np
import pytest
import torch

from mobilekit.core.errors import ArtifactError
from mobilekit.runtime.coreml_reference.context import OpContext
from mobilekit.runtime.coreml_reference.ops.random_ import TABLE

SHAPE = torch.tensor([100, 200])
DRAWS = 20_000
SIX_SIGMA = 6 / np.sqrt(DRAWS)
"""Bound of a mean of DRAWS samples of unit variance: a false alarm in 5e8."""
OPERATORS = {
    "random_bernoulli": {"shape": SHAPE},
    "random_categorical": {"x": torch.zeros(4, 5), "size": 50},
    "random_normal": {"shape": SHAPE},
    "random_uniform": {"shape": SHAPE},
}


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_seed_gives_the_same_numbers(operator):
    first, again, other = (TABLE[operator](**OPERATORS[operator], seed=s) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("operator", OPERATORS)
def test_without_a_seed_the_name_is_one(operator):
    found = [
        TABLE[operator](**OPERATORS[operator], **more, context=OpContext(name))
        for name, more in (("a", {}), ("a", {"seed": -1}), ("b", {}))
    ]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_global_generator_is_left_alone(operator):
    before = torch.random.get_rng_state()
    TABLE[operator](**OPERATORS[operator], seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("prob", [None, 0.2, 0.0, 1.0])
def test_bernoulli(prob):
    found = TABLE["random_bernoulli"](
        shape=SHAPE, seed=torch.tensor(0), **({} if prob is None else {"prob": prob})
    )
    assert found.shape == (100, 200)
    assert set(found.unique().tolist()) <= {0, 1}
    chance = 0.5 if prob is None else prob
    deviation = np.sqrt(chance * (1 - chance))
    assert abs(found.mean().item() - chance) <= SIX_SIGMA * deviation


@pytest.mark.parametrize(("mean", "stddev"), [(None, None), (-3.0, 0.5), (2.0, 0.0)])
def test_normal(mean, stddev):
    given = {"mean": mean, "stddev": stddev}
    found = TABLE["random_normal"](
        shape=SHAPE, seed=0, **{name: v for name, v in given.items() if v is not None}
    )
    scale = 1 if stddev is None else stddev
    assert found.shape == (100, 200)
    assert abs(found.mean().item() - (mean or 0)) <= SIX_SIGMA * scale
    # The variance of a squared normal number is 2.
    assert abs(found.var().item() - scale**2) <= np.sqrt(2) * SIX_SIGMA * scale**2


@pytest.mark.parametrize(("low", "high"), [(None, None), (-1.0, 3.0), (2.0, 2.0)])
def test_uniform(low, high):
    given = {"low": low, "high": high}
    found = TABLE["random_uniform"](
        shape=SHAPE, seed=0, **{name: v for name, v in given.items() if v is not None}
    )
    start, stop = (low or 0, 1 if high is None else high)
    assert found.shape == (100, 200)
    assert found.min() >= start
    assert found.max() <= stop
    deviation = (stop - start) / np.sqrt(12)
    assert abs(found.mean().item() - (start + stop) / 2) <= SIX_SIGMA * deviation


@pytest.mark.parametrize("mode", [None, "logits", "probs"])
def test_categorical(mode):
    chances = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
    given = {} if mode is None else {"mode": mode}
    x = chances if mode == "probs" else torch.log(chances) + 5
    found = TABLE["random_categorical"](x=x, size=DRAWS, seed=0, **given)
    assert found.shape == (2, DRAWS)
    assert found.dtype == torch.float32
    for row, wanted in zip(found, chances, strict=True):
        share = torch.stack([(row == k).float().mean() for k in range(3)])
        assert ((share - wanted).abs() <= SIX_SIGMA * torch.sqrt(wanted * (1 - wanted))).all()


def test_categorical_draws_once_by_default():
    assert TABLE["random_categorical"](x=torch.zeros(2, 4, 3)).shape == (2, 4, 1)


@pytest.mark.parametrize(
    ("operator", "given", "words"),
    [
        ("random_bernoulli", {"prob": 1.5}, r"prob = 1.5 is outside \[0, 1\]"),
        ("random_normal", {"stddev": -1.0}, "stddev = -1.0 is negative"),
        ("random_uniform", {"low": 1.0, "high": 0.0}, "high = 0.0 is below low = 1.0"),
        ("random_categorical", {"mode": "log"}, "mode = 'log' is neither logits nor probs"),
    ],
)
def test_refusals(operator, given, words):
    with pytest.raises(ArtifactError, match=f"operator {operator}: {words}"):
        TABLE[operator](**OPERATORS[operator], **given)


def test_saved_program(run_program):
    from coremltools.converters.mil.mil import Builder as mb

    def build(x):
        size = mb.shape(x=x)
        return (
            mb.random_uniform(shape=size, low=2.0, high=3.0, seed=1),
            mb.random_normal(shape=size, mean=1.0, stddev=0.5, seed=2),
            mb.random_bernoulli(shape=size, prob=0.25, seed=3),
            mb.random_categorical(x=x, mode="logits", size=4, seed=4),
        )

    x = np.zeros((100, 200), np.float32)
    uniform, normal, coins, classes = run_program(build, {"x": x})
    assert uniform.min() >= 2
    assert uniform.max() <= 3
    assert abs(normal.mean() - 1) <= SIX_SIGMA * 0.5
    assert abs(coins.mean() - 0.25) <= SIX_SIGMA * np.sqrt(0.25 * 0.75)
    assert classes.shape == (100, 4)
    assert set(np.unique(classes)) <= set(range(200))
