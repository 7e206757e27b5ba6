from pathlib import Path

import pytest

from mobilekit.compress import registry
from mobilekit.compress.registry import Method
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


def test_unknown_methods_have_their_nearest_names():
    with pytest.raises(RecipeError, match=r"unknown method 'sparsifi'.*Did you mean sparsify"):
        registry.describe("sparsifi")
    with pytest.raises(RecipeError, match=r"steps\[0\]: unknown step 'prun'.*Did you mean prune"):
        registry.step_of({"kind": "prun"}, "steps[0]")
    with pytest.raises(RecipeError, match=r"during\[1\]: unknown method 'prune'"):
        registry.during_of({"kind": "prune"}, "train.during[1]")
    with pytest.raises(RecipeError, match="sparsityy"):
        registry.during_of({"kind": "sparsify", "sparsityy": 0.5}, "train.during[0]")
