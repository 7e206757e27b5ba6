"""What converters say: nothing gets through, what tells something is kept."""

import logging
import warnings

import pytest

from mobilekit.export.chatter import MOST_LINES, captured, telling


def test_warnings_and_logs_are_collected_and_do_not_get_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logger = logging.getLogger("some.converter")
    with captured("some.converter") as lines:
        logger.warning("Skipped %s", "conv_1")
        logger.info("converting")
        warnings.warn("weights were saturated", UserWarning, stacklevel=1)
        logging.getLogger("elsewhere").error("root hears this")
    assert lines == ["Skipped conv_1", "root hears this", "weights were saturated"]
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_loggers_are_left_as_found_even_after_an_error() -> None:
    logger = logging.getLogger("some.other.converter")
    handler = logging.NullHandler()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    with pytest.raises(ValueError, match="boom"), captured("some.other.converter"):
        raise ValueError("boom")
    assert (logger.handlers, logger.level, logger.propagate) == ([handler], logging.DEBUG, True)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("Skipped palettization of conv_1", True),
        ("Unable to perform structured quantization on linear_3", True),
        ("Saturation of overflowing constant", True),
        ("Torch version 2.14.1 has not been tested with coremltools.", False),
        ("Failed to load _MLModelProxy: No module named libcoremlpython", False),
        ("Running MIL default pipeline", False),
    ],
)
def test_only_lines_that_tell_something_are_kept(line: str, kept: bool) -> None:
    assert telling([line]) == ((line,) if kept else ())


def test_lines_are_short_single_and_few() -> None:
    found = telling(
        ["skipped\na  b", "skipped a b", *(f"skipped {i} {'x' * 400}" for i in range(20))]
    )
    assert found[0] == "skipped a b"
    assert len(found) == MOST_LINES + 1
    assert found[-1] == f"… and {21 - MOST_LINES} more lines of this kind"
    assert all(len(line) <= 240 for line in found)
