"""Messages reach the tests, whatever a command that ran before has done to the loggers."""

import logging
from collections.abc import Iterator

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
