import pytest

from mobilekit import cli
from mobilekit.cli import app
from mobilekit.core.errors import ArtifactError, OutputError


@pytest.mark.parametrize(
    ("problem", "code", "line"),
    [
        (ArtifactError("a: b"), 2, "mobilekit: a: b\n"),
        (OutputError("full\ndisk"), 3, "mobilekit: full disk\n"),
        (KeyboardInterrupt(), 130, "mobilekit: interrupted; nothing was changed\n"),
        (ZeroDivisionError("x"), 3, "mobilekit: ZeroDivisionError: x (unexpected;"),
    ],
)
def test_every_failure_is_one_line_and_a_code(problem, code, line, monkeypatch, capsys):
    def fail(_arguments: list[str]) -> int:
        raise problem

    monkeypatch.setattr(app, "command", fail)
    assert cli.execute(["nets"]) == code
    err = capsys.readouterr().err
    assert err.startswith(line)
    assert err.count("\n") == 1


def test_debug_shows_the_traceback(monkeypatch, capsys):
    def fail(_arguments: list[str]) -> int:
        raise ArtifactError("a: b")

    monkeypatch.setattr(app, "command", fail)
    assert cli.execute(["nets", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
