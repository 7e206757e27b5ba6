from pathlib import Path

import pytest

from mobilekit.compress.registry import step_of
from mobilekit.core.errors import RecipeError
from mobilekit.core.targets import CoremlTarget, TfliteTarget
from mobilekit.nets.catalog import DfbusterConfig
from mobilekit.pipeline.ablation import is_ablation, read_ablation
from mobilekit.recipe import Recipe, read_recipe

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "name", sorted(p.parent.name for p in (ROOT / "models").glob("*/recipe.toml"))
)
def test_shipped_recipes_are_read(name: str):
    recipe = read_recipe(ROOT / "models" / name)
    assert recipe.name == name
    assert {type(target) for target in recipe.targets} == {CoremlTarget, TfliteTarget}


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*/*.toml")), ids=lambda p: p.stem)
def test_recipes_beside_them_have_a_network_and_steps_that_are_there(path: Path):
    lines = read_ablation(path)[0] if is_ablation(path) else [("", read_recipe(path))]
    recipes = [recipe for _, recipe in lines]
    assert all(recipe.steps for recipe in recipes)
    for recipe in recipes:
        for number, step in enumerate(recipe.steps):
            step_of(dict(step), f"steps[{number}]")  # raises where an option is not one


def test_the_digest_follows_the_values_and_not_their_order(tmp_path: Path):
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text('name = "x"\nseed = 1\nnet = { kind = "dfbuster", width = 0.5 }\n')
    second.write_text('net = { width = 0.5, kind = "dfbuster" }\nseed = 1\nname = "x"\n')
    assert read_recipe(first).digest == read_recipe(second).digest
    assert Recipe("x", DfbusterConfig(width=0.25), 1).digest != read_recipe(first).digest


def test_a_folder_without_a_recipe_is_said(tmp_path: Path):
    with pytest.raises(RecipeError, match=r"no recipe\.toml"):
        read_recipe(tmp_path)
