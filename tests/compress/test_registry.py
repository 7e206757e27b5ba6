from pathlib import Path
from typing import Any, get_args

import pytest

from mobilekit.compress import registry
from mobilekit.compress.distillation.watching import FeatureLoss
from mobilekit.compress.during.distill import LogitLoss
from mobilekit.compress.registry import Method
from mobilekit.compress.sparsity.comparisons import CONTEXTS, COSTS
from mobilekit.compress.sparsity.criteria import CRITERIA
from mobilekit.compress.sparsity.granularity import GRANULARITIES
from mobilekit.compress.sparsity.schedule import SCHEDULES
from mobilekit.core.errors import RecipeError


def test_the_methods_are_the_files(tmp_path: Path, monkeypatch):
    (tmp_path / "shrink_test_only.py").write_text('"""Make it smaller.\n\nMore words.\n"""\n')
    monkeypatch.setattr(registry.mobilekit.compress.steps, "__path__", [str(tmp_path)])
    monkeypatch.setattr(registry.mobilekit.compress.during, "__path__", [])
    assert registry.methods() == (Method("shrink_test_only", "steps", "Make it smaller."),)


def test_a_card_has_the_text_and_the_options_with_their_defaults():
    card = registry.describe("sparsify")
    assert card.place == "during"
    assert "What it does:" in card.text
    options = {option.name: option for option in card.options}
    assert options["sparsity"].default == "0.5"
    assert options["sparsity"].text.startswith("Share of the groups that are zero in the end")
    assert registry.describe("specialize").options[0].default == "required"
    for method in registry.methods():
        assert registry.describe(method.kind).text


def text_of(kind: str, option: str) -> str:
    return {each.name: each.text for each in registry.describe(kind).options}[option]


def test_a_card_says_what_words_an_option_takes():
    """Each word of the catalogs and of the types, as the code that takes them knows them."""
    for kind in ("sparsify", "sparsify_by_sensitivity", "lottery"):
        assert f"One of {', '.join(GRANULARITIES)}, n:m" in text_of(kind, "granularity")
        assert f"One of {', '.join(CRITERIA)}." in text_of(kind, "criterion")
    assert f"One of {', '.join(GRANULARITIES)}, n:m" in text_of("group_penalty", "granularity")
    assert all(f"{name} (" in text_of("sparsify", "schedule") for name in SCHEDULES)
    assert "gradual (start, end)" in text_of("sparsify", "schedule")
    assert f"One of {', '.join(CONTEXTS)}, sensitivity." in text_of("sparsify", "context")
    assert f"One of {', '.join(sorted(COSTS))}." in text_of("sparsify", "cost")
    for option, kind in (("loss", LogitLoss), ("features", FeatureLoss)):
        assert f"One of {', '.join(sorted(get_args(kind)))}." in text_of("distill", option)
    assert "activation_boundary` takes those before" in text_of("distill", "features")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"kind": "distill", "features": "fitnt"},
            r"^steps\[0\]: Invalid enum value 'fitnt' - at `\$\.features`; there are .*Did you mean fitnet\?",
        ),
        (
            {"kind": "sparsify", "sparsityy": 0.5},
            r"^steps\[0\]: .*`sparsityy`; the options are sparsity, .*Did you mean sparsity\?",
        ),
        (
            {"kind": "sparsify", "schedule": {"kind": "gradual", "start": "a"}},
            r"^steps\[0\]: schedule gradual: start must be a number, not 'a'$",
        ),
        (
            {"kind": "sparsify", "schedule": {"kind": "gradual", "alpha": 3}},
            r"^steps\[0\]: schedule gradual: there is no option 'alpha'; its options are start, end\.$",
        ),
        (
            {"kind": "sparsify", "cost": "params"},
            r"^steps\[0\]: cost params weighs layers .*; its context is global or block$",
        ),
        (
            {"kind": "sparsify", "cost": "macs", "context": {"*": 0.5}},
            r"^steps\[0\]: cost macs weighs layers .*; its context is global or block$",
        ),
    ],
)
def test_wrong_options_are_told_with_the_right_ones(options: dict[str, Any], words: str):
    with pytest.raises(RecipeError, match=words):
        registry.during_of(options, "steps[0]")


def test_unknown_methods_have_their_nearest_names():
    with pytest.raises(RecipeError, match=r"unknown method 'sparsifi'.*Did you mean sparsify"):
        registry.describe("sparsifi")
    with pytest.raises(RecipeError, match=r"steps\[0\]: unknown step 'prun'.*Did you mean prune"):
        registry.step_of({"kind": "prun"}, "steps[0]")
    with pytest.raises(RecipeError, match=r"during\[1\]: unknown method 'prune'"):
        registry.during_of({"kind": "prune"}, "train.during[1]")
    with pytest.raises(RecipeError, match="sparsityy"):
        registry.during_of({"kind": "sparsify", "sparsityy": 0.5}, "train.during[0]")
