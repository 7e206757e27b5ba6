from pathlib import Path

from mobilekit.compress import registry
from mobilekit.compress.registry import Method


def test_the_methods_are_the_files(tmp_path: Path, monkeypatch):
    (tmp_path / "shrink_test_only.py").write_text('"""Make it smaller.\n\nMore words.\n"""\n')
    monkeypatch.setattr(registry.mobilekit.compress.steps, "__path__", [str(tmp_path)])
    assert registry.methods() == (Method("shrink_test_only", "steps", "Make it smaller."),)
