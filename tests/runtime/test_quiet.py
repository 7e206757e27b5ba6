import os

import pytest

from mobilekit.runtime.quiet import without_stderr


def test_holds_back_what_c_writes_and_gives_the_descriptor_back(
    capfd: pytest.CaptureFixture[str],
) -> None:
    os.write(2, b"before ")
    with without_stderr():
        os.write(2, b"inside ")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_gives_the_descriptor_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="x"), without_stderr():
        raise ValueError("x")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_leaks_no_descriptor() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112, PTH208

    before = count()
    for _ in range(20):
        with without_stderr():
            pass
    assert count() == before
