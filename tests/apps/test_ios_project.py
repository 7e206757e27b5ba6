"""The Xcode project, read here since no Xcode does: its parts belong together, and it keeps the contract."""

import json
import plistlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
IOS = ROOT / "apps" / "ios"
PROJECT = IOS / "MobileKitDemo.xcodeproj"
CONTRACT = json.loads((ROOT / "apps" / "testdata" / "contract.json").read_text())
_TOKEN = re.compile(r'\s+|//[^\n]*|/\*.*?\*/|"(?:[^"\\]|\\.)*"|[\w./$]+|[{}()=;,]', re.DOTALL)
_ID = re.compile(r"[0-9A-F]{24}")


def tokens(text: str) -> Iterator[str]:
    """Cut an OpenStep property list into words and marks; nothing may be left over."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        assert found is not None, f"unexpected {text[at : at + 30]!r}"
        at = found.end()
        if not found[0].isspace() and not found[0].startswith(("//", "/*")):
            yield found[0]


def value(words: list[str]) -> Any:
    """Read one value from the front of the words."""
    word = words.pop(0)
    if word == "{":
        entries: dict[str, Any] = {}
        while words[0] != "}":
            key = words.pop(0).strip('"')
            assert key not in entries, f"{key} stands twice"
            assert words.pop(0) == "="
            entries[key] = value(words)
            assert words.pop(0) == ";"
        words.pop(0)
        return entries
    if word == "(":
        items = []
        while words[0] != ")":
            items.append(value(words))
            assert words.pop(0) == ","
        words.pop(0)
        return items
    assert word not in "})=;,", f"unexpected {word}"
    return word.strip('"')


def texts(part: Any) -> Iterator[str]:
    """Give each text of a tree, keys too."""
    if isinstance(part, dict):
        for key, inner in part.items():
            yield key
            yield from texts(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from texts(inner)
    else:
        yield part


@pytest.fixture(scope="module")
def project() -> Any:
    words = list(tokens((PROJECT / "project.pbxproj").read_text()))
    found = value(words)
    assert not words
    return found


def of_kind(project: Any, kind: str) -> dict[str, Any]:
    return {key: one for key, one in project["objects"].items() if one["isa"] == kind}


def settings(project: Any, target: Any, name: str) -> dict[str, str]:
    """Return a target's settings in a configuration: the project's, then its own."""
    found: dict[str, str] = {}
    [whole] = of_kind(project, "PBXProject").values()
    for owner in (whole, target):
        listed = project["objects"][owner["buildConfigurationList"]]["buildConfigurations"]
        [own] = [one for one in map(project["objects"].get, listed) if one["name"] == name]
        file = project["objects"][own["baseConfigurationReference"]]["path"]
        found |= xcconfig(IOS / "Config" / file) | own["buildSettings"]
    return found


def xcconfig(path: Path) -> dict[str, str]:
    """Read a file of settings, with those that it includes."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r'#include "(.+)"', line):
            found |= xcconfig(path.parent / match[1])
        elif match := re.fullmatch(r"(\w+) = (.*)", line):
            found[match[1]] = match[2]
        else:
            assert not line.strip() or line.startswith(("//", "#include? "))
    return found


def test_every_id_is_that_of_an_object_and_is_used(project: Any):
    objects = project["objects"]
    named = {text for text in texts(project) if _ID.fullmatch(text)}
    assert named == set(objects)
    mentions = [text for text in texts(project) if _ID.fullmatch(text)]
    assert {one for one in objects if mentions.count(one) < 2} == set()
    assert objects[project["rootObject"]]["isa"] == "PBXProject"


def test_it_is_of_the_form_with_folders(project: Any):
    assert project["objectVersion"] == "77"
    [whole] = of_kind(project, "PBXProject").values()
    assert whole["preferredProjectObjectVersion"] == "77"


def test_an_app_and_its_tests(project: Any):
    targets = of_kind(project, "PBXNativeTarget")
    kinds = {one["name"]: one["productType"].rsplit(".", 1)[1] for one in targets.values()}
    assert kinds == {"MobileKitDemo": "application", "MobileKitDemoTests": "unit-test"}
    [whole] = of_kind(project, "PBXProject").values()
    assert set(whole["targets"]) == set(targets)
    assert CONTRACT["ios"]["test"].split("/")[0] in kinds


def test_folders_are_there_and_hold_sources(project: Any):
    folders = of_kind(project, "PBXFileSystemSynchronizedRootGroup")
    used = [
        one for target in of_kind(project, "PBXNativeTarget").values()
        for one in target["fileSystemSynchronizedGroups"]
    ]  # fmt: skip
    assert sorted(used) == sorted(folders)
    for folder in folders.values():
        place = IOS / folder["path"]
        assert list(place.rglob("*.swift"))
        for name in folder["explicitFolders"]:
            assert (place / name).is_dir()
    [exceptions] = of_kind(project, "PBXFileSystemSynchronizedBuildFileExceptionSet").values()
    for name in exceptions["membershipExceptions"]:
        assert (IOS / "MobileKitDemo" / name).is_file()


def test_models_are_copied_as_a_folder(project: Any):
    [app] = [
        one for one in of_kind(project, "PBXFileSystemSynchronizedRootGroup").values()
        if one["path"] == "MobileKitDemo"
    ]  # fmt: skip
    assert app["explicitFolders"] == ["Models"]
    bundles = [path.parent for path in (IOS / "MobileKitDemo" / "Models").glob("*/manifest.json")]
    assert bundles
    for bundle in bundles:
        assert list(bundle.glob("*.mlpackage")), bundle


def test_files_of_groups_are_there(project: Any):
    for group in of_kind(project, "PBXGroup").values():
        for child in map(project["objects"].get, group["children"]):
            if child["isa"] == "PBXFileReference" and child["sourceTree"] == "<group>":
                assert (IOS / group.get("path", "") / child["path"]).is_file()


def test_the_package_is_there_and_is_linked(project: Any):
    [reference] = of_kind(project, "XCLocalSwiftPackageReference").values()
    manifest = (IOS / reference["relativePath"] / "Package.swift").read_text()
    [product] = of_kind(project, "XCSwiftPackageProductDependency").values()
    assert f'.library(name: "{product["productName"]}"' in manifest
    assert "// swift-tools-version: 6.0" in manifest
    assert ".iOS(.v17)" in manifest


@pytest.mark.parametrize("configuration", ["Debug", "Release"])
def test_settings(project: Any, configuration: str):
    targets = {one["name"]: one for one in of_kind(project, "PBXNativeTarget").values()}
    app = settings(project, targets["MobileKitDemo"], configuration)
    assert app["PRODUCT_BUNDLE_IDENTIFIER"] == CONTRACT["ios"]["bundle"]
    assert app["IPHONEOS_DEPLOYMENT_TARGET"] == "17.0"
    assert (IOS / app["INFOPLIST_FILE"]).is_file()
    tests = settings(project, targets["MobileKitDemoTests"], configuration)
    assert tests["TEST_HOST"].endswith("/MobileKitDemo.app/MobileKitDemo")
    assert tests["PRODUCT_BUNDLE_IDENTIFIER"] != app["PRODUCT_BUNDLE_IDENTIFIER"]
    assert tests["ENABLE_TESTABILITY"] == "YES"


def test_the_plist_says_what_the_camera_is_for():
    found = plistlib.loads((IOS / "MobileKitDemo" / "Info.plist").read_bytes())
    assert len(found["NSCameraUsageDescription"]) > 20
    assert found["CFBundleIdentifier"] == "$(PRODUCT_BUNDLE_IDENTIFIER)"
    assert found["UILaunchScreen"] == {}


def test_the_scheme_runs_the_projects_targets(project: Any):
    path = PROJECT / "xcshareddata" / "xcschemes" / f"{CONTRACT['ios']['scheme']}.xcscheme"
    scheme = ET.parse(path).getroot()  # noqa: S314  a file of ours
    targets = of_kind(project, "PBXNativeTarget")
    references = list(scheme.iter("BuildableReference"))
    assert len(references) >= 3
    for one in references:
        target = targets[one.attrib["BlueprintIdentifier"]]
        assert one.attrib["BlueprintName"] == target["name"]
        product = project["objects"][target["productReference"]]
        assert one.attrib["BuildableName"] == product["path"]
        assert one.attrib["ReferencedContainer"] == f"container:{PROJECT.name}"
    tested = scheme.findall("TestAction/Testables/TestableReference/BuildableReference")
    assert [one.attrib["BlueprintName"] for one in tested] == ["MobileKitDemoTests"]
    action = scheme.find("TestAction")
    assert action is not None
    assert action.attrib["buildConfiguration"] == "Release"  # times of Debug say nothing


def test_what_the_desk_says_is_read_by_the_sources():
    core = IOS / "Packages" / "MobileKitCore" / "Sources" / "MobileKitCore"
    orders = (core / "Orders.swift").read_text()
    for way in ("ios launch", "ios test environment"):
        for name in CONTRACT["arguments"][way]:
            assert f'"{name}"' in orders
    for word in CONTRACT["compute_units"]:
        assert re.search(rf"case\b.*\b{word}\b", (core / "ReportWords.swift").read_text())


def test_the_test_is_called_as_the_desk_calls_it():
    _, name = CONTRACT["ios"]["test"].split("/")
    source = (IOS / "MobileKitDemoTests" / f"{name}.swift").read_text()
    assert f"final class {name}: XCTestCase" in source
    assert f'"{CONTRACT["ios"]["attachment"]}.json"' in source


def test_each_framework_that_the_app_uses_has_a_stub():
    listed = (IOS / "Stubs" / "order.txt").read_text().split()
    assert sorted(listed) == sorted(path.stem for path in (IOS / "Stubs").glob("*.swift"))
    imports = {
        name
        for folder in ("MobileKitDemo", "MobileKitDemoTests")
        for path in (IOS / folder).rglob("*.swift")
        for name in re.findall(r"^(?:@\w+ )?import (\w+)$", path.read_text(), re.MULTILINE)
    }
    on_linux = {"Foundation", "Observation", "MobileKitCore", "MobileKitDemo"}
    assert imports - on_linux <= set(listed)


def test_the_core_needs_nothing_of_apples():
    core = IOS / "Packages" / "MobileKitCore"
    imports = {
        name for path in core.rglob("*.swift")
        for name in re.findall(r"^(?:@\w+ )?import (\w+)$", path.read_text(), re.MULTILINE)
    }  # fmt: skip
    assert imports <= {"Foundation", "Testing", "PackageDescription", "MobileKitCore"}


def test_no_model_is_named_in_the_app():
    shipped = {path.name for path in (ROOT / "models").iterdir() if path.is_dir()}
    assert "mobile-hourglass" in shipped
    for folder in ("MobileKitDemo", "MobileKitDemoTests", "Packages/MobileKitCore/Sources"):
        for path in (IOS / folder).rglob("*.swift"):
            assert not [name for name in shipped if name in path.read_text()]
