"""Precisions that a device lacks are refused, not replaced."""

import pytest
import torch

from mobilekit.compress.fitting.course import Course
from mobilekit.compress.fitting.fit import fit
from mobilekit.compress.fitting.running import check_precision
from mobilekit.core.errors import RuntimeUnavailableError
from tests.compress.fitting.material import context, plain


def test_half_precision_on_the_processor_is_refused() -> None:
    with pytest.raises(
        RuntimeUnavailableError, match="does not compute in precision 16-mixed; take bf16"
    ):
        fit(plain(), [], Course(1, 10), context(flags={"precision": "16-mixed"}))


def test_gpu_without_bfloat16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)  # noqa: ARG005
    with pytest.raises(
        RuntimeUnavailableError, match="this GPU does not compute in precision bf16"
    ):
        check_precision("bf16-mixed", torch.device("cuda"))
    check_precision("16-mixed", torch.device("cuda"))
    check_precision("bf16-mixed", torch.device("cpu"))
