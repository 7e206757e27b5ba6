"""Estimate the running statistics of batch norms anew, on calibration inputs.

What it does:
    Forgets the running mean and variance of every batch norm, shows the network the calibration
    batches with only the batch norms in training mode, and keeps the plain average of what each batch
    gave: per channel the mean, and the variance divided by n − 1. Weights are not touched.

When to use it:
    After channels were removed for good measure (not as dead), after a decomposition, and after
    training with a momentum: wherever the statistics no longer are those of the weights.

When not:
    After `fold`, when no batch norm is left. On inputs unlike those of real use, or batches of a few
    images: the statistics get as good as the batches are.

Source:
    Wu & Johnson 2021, "Rethinking 'batch' in BatchNorm", section 3.2 (PreciseBN). There the variances
    are those of all samples together; here, as in PyTorch's cumulative average, the mean of each
    batch's own.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import DataError, NoEffectError

FEW = 100
"""Inputs below which statistics are called unsteady."""


def recalibrate(
    network: nn.Module, batches: Sequence[Sequence[Tensor]]
) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a copy with new running statistics, and the paths of the norms that got them.

    Args:
        network: any module; it is left as found, the copy is in the same modes.
        batches: positional inputs, such as 100 times `([32, 3, 224, 224],)`, all of one batch size.

    Raises:
        NoEffectError: no batch norm with running statistics runs.
        DataError: no batches, or one that the network refuses or that gives no finite statistics.
    """
    result = duplicate(network)
    norms = {
        path: module
        for path, module in result.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }
    if not norms:
        raise NoEffectError("recalibrate: the network has no batch norm with running statistics")
    if not batches:
        raise DataError(
            "recalibrate: there are no calibration inputs; give some hundred images like those of real"
            " use, in batches of 16 or more"
        )
    found = _Statistics(result, norms)
    try:
        _show(result, batches)
    finally:
        counted = found.finish()
    if not counted:
        raise NoEffectError("recalibrate: none of the network's batch norms runs")
    for path in counted:
        if not all(_finite(buffer) for buffer in norms[path].buffers()):
            raise DataError(
                f"recalibrate: the calibration inputs give {path} no finite mean and variance; look for"
                " NaN in them"
            )
    return result, counted


class Recalibrate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the step."""

    batches: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many of the calibration batches are shown; all where it is not given."""

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the network with new statistics; its function changes, so there is no residual.

        Raises:
            NoEffectError: no batch norm with running statistics runs.
            DataError: no, too few or unfit calibration inputs.
        """
        available = len(context.calibration)
        if self.batches is not None and 0 < available < self.batches:
            raise DataError(
                f"recalibrate.batches: {self.batches} asked, {available} given; ask for fewer or give"
                " more calibration inputs"
            )
        shown = context.calibration[: self.batches]
        context.progress(f"estimating batch-norm statistics on {len(shown)} batches")
        result, counted = recalibrate(network, shown)
        total = sum(isinstance(module, _BatchNorm) for module in network.modules())
        of = f" of {context.provenance}" if context.provenance else ""
        seen = sum(len(batch[0]) for batch in shown)
        notes = [
            f"{len(counted)} of {total} batch norms, on {seen} inputs{of} in {len(shown)} batches"
        ]
        if seen < FEW:
            notes.append(f"{seen} inputs are few: statistics of some hundred are steadier")
        if len({batch[0].shape[0] for batch in shown}) > 1:
            notes.append("the batches differ in size, and count the same")
        count = count_parameters(network)
        return result, StepReport("recalibrate", count, count, None, tuple(notes))


class _Statistics:
    """What the norms of a network were, until `finish` brings it back, all but the new statistics."""

    def __init__(self, network: nn.Module, norms: dict[str, _BatchNorm]) -> None:
        self._norms = norms
        self._modes = {module: module.training for module in network.modules()}
        self._momenta = {path: norm.momentum for path, norm in norms.items()}
        self._before = {
            path: [None if buffer is None else buffer.clone() for buffer in _buffers(norm)]
            for path, norm in norms.items()
        }
        network.eval()
        for norm in norms.values():
            norm.num_batches_tracked = torch.zeros((), dtype=torch.long, device=_device(norm))
            norm.reset_running_stats()
            norm.momentum = None  # the plain average
            norm.training = True

    def finish(self) -> tuple[str, ...]:
        """Restore modes, momenta and the statistics of norms that did not run; name the others."""
        for module, training in self._modes.items():
            module.training = training
        counted = []
        for path, norm in self._norms.items():
            norm.momentum = self._momenta[path]
            mean, variance, count = self._before[path]
            if norm.num_batches_tracked:
                counted.append(path)
            else:
                norm.running_mean, norm.running_var = mean, variance
            if count is None or path not in counted:
                norm.num_batches_tracked = count
        return tuple(counted)


def _show(network: nn.Module, batches: Sequence[Sequence[Tensor]]) -> None:
    with torch.no_grad():
        for number, batch in enumerate(batches):
            try:
                network(*batch)
            except (RuntimeError, ValueError, TypeError) as problem:
                words = " ".join(str(problem).split())[:200]
                raise DataError(f"recalibrate: calibration batch {number}: {words}") from problem


def _buffers(norm: _BatchNorm) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    return norm.running_mean, norm.running_var, norm.num_batches_tracked


def _device(norm: _BatchNorm) -> torch.device | None:
    return None if norm.running_mean is None else norm.running_mean.device


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())
