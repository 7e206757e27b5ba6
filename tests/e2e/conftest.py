from pathlib import Path

import pytest

from mobilekit import cli

NETS = Path(__file__).with_name("nets.py")


@pytest.fixture
def command(capfd):
    """Run one command line in this process: exit code, stdout, stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.execute([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def spine(tmp_path_factory) -> Path:
    """Export a user's small net to all three formats, once."""
    out = tmp_path_factory.mktemp("spine") / "tiny"
    labels = out.parent / "labels.txt"
    labels.write_text("cat\ndog\nbird\nfish\nhorse\n")
    code = cli.execute(
        [
            "export", f"{NETS}:tiny", "--input", "image=1x3x32x32", "--to", "coreml,tflite,onnx",
            "--out", str(out), "--mean", "0.5", "--std", "0.25", "--scale", "1/255",
            "--labels", str(labels), "--count", "2", "--runs", "5", "--quiet",
        ]
    )  # fmt: skip
    assert code == 0
    return out
