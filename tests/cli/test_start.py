"""The command line starts without anything heavy, and says what each command does."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "torch", "torchvision", "numpy", "coremltools", "litert_torch", "onnx", "onnxruntime", "PIL",
    "skimage", "matplotlib", "safetensors", "jsonschema", "tensorflow",
}  # fmt: skip
COMMANDS = ("export", "verify", "profile", "inspect", "nets", "methods", "run")


def run(*arguments: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run a command line in a fresh interpreter; return it with the top-level modules it imported."""
    script = (
        "import sys, json; from mobilekit import cli; code = cli.execute(sys.argv[1:]);"
        "sys.stdout.flush(); print('\\n' + json.dumps(sorted(sys.modules))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    modules = json.loads(done.stdout.splitlines()[-1])
    return done, {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(
    "arguments", [("--help",), (), ("--version",), ("nets",), ("nets", "--json"), ("methods",)]
)
def test_what_needs_no_network_imports_nothing_heavy(arguments: tuple[str, ...]):
    done, modules = run(*arguments)
    assert done.returncode == 0
    assert not modules & HEAVY
    assert done.stderr == ""


def test_a_wrong_line_is_refused_before_anything_heavy_is_imported():
    done, modules = run("export", "dfbuster", "--to", "tensorrt")
    assert done.returncode == 2
    assert not modules & HEAVY


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_json_quiet_and_debug(command: str):
    done, modules = run(command, "--help")
    assert done.returncode == 0
    for option in ("--json", "--quiet", "--debug"):
        assert option in done.stdout
    assert not modules & HEAVY


def test_nets_as_json_has_parameters_macs_and_inputs():
    done = subprocess.run(
        [sys.executable, "-m", "mobilekit", "nets", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = {row["reference"]: row for row in json.loads(done.stdout)}
    assert rows["mobile-hourglass"]["params"] == 273_226
    assert rows["mobile-hourglass"]["inputs"][0]["shape"] == [1, 3, 256, 256]
    assert rows["mobile-hourglass"]["macs"] > 7e9
    assert {"dfbuster", "unet", "segnet", "blazeface"} <= {name.partition(":")[0] for name in rows}


def test_the_operators_of_the_reference_executor_are_listed():
    done = subprocess.run(
        [sys.executable, "-m", "mobilekit", "methods", "operators", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert len(found["supported"]) >= 120
    assert not set(found["supported"]) & set(found["missing"])


def test_the_traps_are_listed():
    done = subprocess.run(
        [sys.executable, "-m", "mobilekit", "methods", "traps"],
        capture_output=True,
        text=True,
        check=True,
    )
    for trap in ("antialiased-resize", "fractional-nearest", "gelu-tanh", "topk"):
        assert trap in done.stdout
