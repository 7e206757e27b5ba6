"""The networks in the apps of this repository."""

from pathlib import Path

import pytest

from mobilekit import pipeline
from mobilekit.core.artifact import read_manifest
from mobilekit.nets import shipped
from mobilekit.pipeline.bundling import PLACES

ROOT = Path(__file__).parents[2]
APPS = ROOT / "apps"
MOST_BYTES = 2_000_000
MAY_BE_LEFT_OUT = {"mobile-hourglass-small"}
"""The same task as another that is bundled: the apps gain nothing but size."""


def test_the_apps_lie_where_networks_are_bundled() -> None:
    pipeline.check_apps(APPS)


def test_the_bundled_networks_are_those_that_ship() -> None:
    found = pipeline.check_bundles(APPS)
    assert not found.stale, [f"{one.name}: {one.reason}" for one in found.stale]
    ships = {one.name for one in shipped.shipped()}
    assert set(found.names) <= ships
    missing = ships - set(found.names) - MAY_BE_LEFT_OUT
    assert not missing, [f"mobilekit export {name} --runs 0 --bundle apps" for name in missing]


@pytest.mark.parametrize("place", PLACES, ids=["ios", "android"])
def test_what_finds_forgeries_says_where_it_looks(place) -> None:
    manifest = read_manifest(APPS / place.models / "dfbuster")
    assert [one.name for one in manifest.outputs] == ["logits", "attention"]


@pytest.mark.parametrize("place", PLACES, ids=["ios", "android"])
def test_no_bundled_file_is_too_large_for_the_repository(place) -> None:
    large = [
        str(path.relative_to(APPS))
        for path in (APPS / place.models).rglob("*")
        if path.is_file() and path.stat().st_size > MOST_BYTES
    ]
    assert not large
