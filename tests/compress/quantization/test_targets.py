"""Which layers are meant, and what is said of patterns and forms that do not fit."""

import pytest
from torch import nn
from torch.nn.utils import parametrizations

from mobilekit.compress.quantization.targets import targets, trainable
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError


def network() -> nn.Module:
    made = nn.Module()
    made.stem = nn.Conv2d(3, 8, 3)
    made.body = nn.Sequential(nn.BatchNorm2d(8), nn.ConvTranspose2d(8, 4, 2), nn.Embedding(3, 4))
    made.attention = nn.MultiheadAttention(4, 2)
    made.head = nn.Linear(4, 4, bias=False)
    made.tied = nn.Linear(4, 4, bias=False)
    made.tied.weight = made.head.weight
    return made


def test_every_weight_of_a_product_is_found_once() -> None:
    found, floats = targets(network(), "weights:int4", {})
    assert [each.name for each in found] == [
        "stem", "body.1", "attention.in_proj_weight", "attention.out_proj", "head",
    ]  # fmt: skip
    assert [each.channels.count for each in found] == [8, 4, 12, 4, 4]
    assert floats == ()


def test_the_last_pattern_that_matches_counts() -> None:
    layers = {"*": "dynamic:int8", "attention.*": "float", "attention.out_*": "weights:int8"}
    found, floats = targets(network(), "weights:int4", layers)
    forms = {each.name: each.form.words for each in found}
    assert forms == {
        "stem": "dynamic:int8",
        "body.1": "dynamic:int8",
        "attention.out_proj": "weights:int8",
        "head": "dynamic:int8",
    }
    assert floats == ("attention.in_proj_weight",)


def test_a_pattern_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(RecipeError, match=r"^quantize_aware: 'stme' matches no layer.*stem\?$"):
        targets(network(), "int8", {"stme": "float"})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("weights:int5", "int of 5 bits does not exist; there are 4, 8 bits"),
        ("weights:palette5", "palette of 5 bits does not exist"),
        ("float16", "float16 is no form to train for; there are static:int8"),
        ("weights:int4:block32", r"is no form to train for.* Did you mean .*weights:int4"),
        ("sparse:0.5", "no form to train for"),
        ("integer", "is no form"),
    ],
)
def test_forms_without_a_grid_are_refused(words: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as found:
        trainable(words)
    assert "\n" not in str(found.value)


def test_integer_io_is_trained_for_as_without() -> None:
    assert trainable("static:int8:integer-io").weights == trainable("int8").weights


def test_nothing_to_quantize_is_an_error() -> None:
    with pytest.raises(NoEffectError, match="no convolution or linear layer"):
        targets(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2)), "int8", {})
    with pytest.raises(NoEffectError, match="no convolution or linear layer"):
        targets(network(), "int8", {"*": "float"})


def test_computed_weights_are_named_unless_left_out() -> None:
    made = nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)), nn.Linear(4, 2))
    with pytest.raises(ModelError, match=r"^quantize_aware: 0: its weight is computed"):
        targets(made, "int8", {})
    found, floats = targets(made, "int8", {"0": "float"})
    assert [each.name for each in found] == ["1"]
    assert floats == ("0",)
