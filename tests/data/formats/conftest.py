"""A face to write down; and messages reach the tests, whatever ran before has done to the loggers."""

import logging
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest


@pytest.fixture(autouse=True)
def _listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    logger = logging.getLogger("mobilekit")
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logger, "disabled", False)
    level = logger.level
    logger.setLevel(logging.NOTSET)
    yield
    logger.setLevel(level)


@pytest.fixture
def drawn_face() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """A photograph `[60, 80, 3]`, ramps of red and green, and Helen's labels; left is the person's own.

    The box of all but hair and background is (20, 16, 56, 52).
    """
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:, :, 0] = np.arange(80) * 3
    pixels[:, :, 1] = np.arange(60)[:, None] * 4
    labels = np.zeros((60, 80), np.uint8)
    labels[4:16, 20:56] = 10
    labels[16:52, 20:56] = 1
    labels[20:22, 42:50], labels[20:22, 26:34] = 2, 3
    labels[24:28, 42:50], labels[24:28, 26:34] = 4, 5
    labels[30:36, 36:40] = 6
    labels[40:42, 30:46], labels[42:44, 30:46], labels[44:46, 30:46] = 7, 8, 9
    return pixels, labels
