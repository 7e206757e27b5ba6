"""The Android project as text: what Gradle would resolve belongs together, and the app keeps the contract."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

APPS = Path(__file__).parents[2] / "apps"
PROJECT = APPS / "android"
APP = PROJECT / "app"
ANDROID = "{http://schemas.android.com/apk/res/android}"
CATALOG: dict[str, dict[str, Any]] = tomllib.loads(
    (PROJECT / "gradle" / "libs.versions.toml").read_text()
)
SCRIPTS = sorted(PROJECT.glob("*.gradle.kts")) + sorted(PROJECT.glob("*/*.gradle.kts"))
ALIAS = re.compile(r"\blibs\.((?:\w+\.)*\w+)")


def contract() -> Any:
    return json.loads((APPS / "testdata" / "contract.json").read_text())


def manifest() -> ElementTree.Element:
    return ElementTree.parse(APP / "src" / "main" / "AndroidManifest.xml").getroot()  # noqa: S314  our own file


def setting(name: str) -> str:
    found = re.search(
        rf'^\s*{name} = "?([^"\n]+)"?$', (APP / "build.gradle.kts").read_text(), re.MULTILINE
    )
    assert found, name
    return found[1]


def sources(*folders: str) -> str:
    files = [path for folder in folders for path in sorted((PROJECT / folder).rglob("*.kt"))]
    assert files
    return "\n".join(path.read_text() for path in files)


def known_aliases() -> set[str]:
    """What a build script may say after `libs.`, with dots where the catalogue has dashes."""
    names = {name.replace("-", ".") for name in CATALOG["libraries"]}
    names |= {f"plugins.{name.replace('-', '.')}" for name in CATALOG["plugins"]}
    return names | {f"versions.{name}.get" for name in CATALOG["versions"]}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.name)
def test_each_alias_is_in_the_catalogue(script: Path):
    assert set(ALIAS.findall(script.read_text())) <= known_aliases()


def test_each_entry_of_the_catalogue_is_used():
    used = {alias for script in SCRIPTS for alias in ALIAS.findall(script.read_text())}
    assert {name for name in known_aliases() if not name.startswith("versions.")} <= used
    entries = [*CATALOG["libraries"].values(), *CATALOG["plugins"].values()]
    referred = {entry["version"]["ref"] for entry in entries if "version" in entry}
    assert referred == set(CATALOG["versions"])


def test_artifacts_without_a_version_come_with_a_bill_of_materials():
    without = [e["module"] for e in CATALOG["libraries"].values() if "version" not in e]
    assert without
    assert all(module.startswith("androidx.compose.") for module in without)
    assert "platform(libs.compose.bom)" in (APP / "build.gradle.kts").read_text()


def test_each_module_of_the_settings_exists():
    included = re.search(
        r"^include\((.*)\)$", (PROJECT / "settings.gradle.kts").read_text(), re.MULTILINE
    )
    assert included
    modules = re.findall(r'":(\w+)"', included[1])
    assert sorted(modules) == ["app", "core", "desktop"]
    for module in modules:
        assert (PROJECT / module / "build.gradle.kts").is_file()
        assert list((PROJECT / module / "src" / "main" / "kotlin").rglob("*.kt"))


def test_projects_that_modules_use_are_modules():
    for script in SCRIPTS:
        for name in re.findall(r'project\(":(\w+)"\)', script.read_text()):
            assert (PROJECT / name / "build.gradle.kts").is_file()


def test_the_core_knows_nothing_of_android():
    imports = re.findall(r"^import (\S+)", sources("core/src/main"), re.MULTILINE)
    assert imports
    assert not [name for name in imports if name.startswith(("android", "com.google", "com.sun"))]


def test_the_manifest_asks_for_the_camera():
    root = manifest()
    asked = [one.get(f"{ANDROID}name") for one in root.findall("uses-permission")]
    assert asked == ["android.permission.CAMERA"]
    assert "package" not in root.attrib  # Gradle's plugin refuses it


def test_activities_of_the_manifest_exist():
    names = [one.get(f"{ANDROID}name", "") for one in manifest().iter("activity")]
    assert ".MainActivity" in names
    for name in names:
        assert (
            APP / "src" / "main" / "kotlin" / "org" / "mobilekit" / "demo" / f"{name[1:]}.kt"
        ).is_file()


def test_shared_reports_lie_where_the_provider_looks():
    provider = manifest().find("application/provider")
    assert provider is not None
    authority = provider.get(f"{ANDROID}authorities", "")
    assert provider.get(f"{ANDROID}exported") == "false"
    paths = APP / "src" / "main" / "res" / "xml" / "shared_files.xml"
    shared = ElementTree.parse(paths).getroot().find("cache-path")  # noqa: S314  our own file
    assert shared is not None
    code = sources("app/src/main")
    assert authority.replace("${applicationId}", "${context.packageName}") in code
    assert f'File(context.cacheDir, "{shared.get("path", "").rstrip("/")}")' in code


def test_names_are_those_of_the_contract():
    names = contract()["android"]
    assert setting("applicationId") == names["package"]
    assert f"{setting('applicationId')}.test" == names["test_package"]
    assert setting("testInstrumentationRunner") == names["runner"]
    package, _, test = names["test_class"].rpartition(".")
    path = APP / "src" / "androidTest" / "kotlin" / package.replace(".", "/") / f"{test}.kt"
    content = path.read_text()
    assert f"package {package}\n" in content
    assert f"class {test} " in content


def test_each_argument_of_the_instrumentation_is_read():
    order = (PROJECT / "core/src/main/kotlin/org/mobilekit/core/BenchmarkOrder.kt").read_text()
    read = set(re.findall(r'(?:text|argument)\("(\w+)"\)', order))
    runner_reads = {"class"}
    assert read == set(contract()["arguments"]["android instrumentation"]) - runner_reads
    assert "BenchmarkOrder.of { arguments.getString(it) }" in sources("app/src/androidTest")


def test_no_constant_of_a_model_is_in_the_app():
    code = sources("app/src/main", "core/src/main")
    for folder in (APPS.parent / "models").iterdir():
        # what the app says where nothing is bundled names one to bundle
        rest = code.replace("mobilekit export mobile-hourglass --bundle apps/", "")
        assert folder.name == "dfbuster" or folder.name not in rest
    assert not re.findall(
        r'"#[0-9a-f]{6}"|\b(?:256|224|80|96)\b(?=.*(?:size|side|width|height))', code, re.IGNORECASE
    )


def test_declarations_for_the_type_check_are_not_shipped():
    for script in SCRIPTS:
        assert "stubs" not in script.read_text()
    assert "never shipped" in (PROJECT / "stubs" / "README.md").read_text().replace("\n", " ")


def test_the_wrapper_names_gradle_by_its_version():
    text = (PROJECT / "gradle" / "wrapper" / "gradle-wrapper.properties").read_text()
    assert re.search(
        r"^distributionUrl=https\\://services\.gradle\.org/distributions/gradle-9[.\d]+-bin\.zip$",
        text,
        re.MULTILINE,
    )
