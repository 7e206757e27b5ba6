from pathlib import Path

import pytest

from mobilekit.core.errors import RecipeError
from mobilekit.core.targets import CoremlTarget, TfliteTarget
from mobilekit.nets.catalog import DfbusterConfig
from mobilekit.recipe import Recipe, read_recipe

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "name", sorted(p.parent.name for p in (ROOT / "models").glob("*/recipe.toml"))
)
def test_shipped_recipes_are_read(name: str):
    recipe = read_recipe(ROOT / "models" / name)
    assert recipe.name == name
    assert {type(target) for target in recipe.targets} == {CoremlTarget, TfliteTarget}


def test_the_digest_follows_the_values_and_not_their_order(tmp_path: Path):
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text('name = "x"\nseed = 1\nnet = { kind = "dfbuster", width = 0.5 }\n')
    second.write_text('net = { width = 0.5, kind = "dfbuster" }\nseed = 1\nname = "x"\n')
    assert read_recipe(first).digest == read_recipe(second).digest
    assert Recipe("x", DfbusterConfig(width=0.25), 1).digest != read_recipe(first).digest


def test_a_folder_without_a_recipe_is_said(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"no recipe\.toml"):
        read_recipe(tmp_path)
