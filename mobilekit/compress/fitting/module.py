"""A network with its task, as Lightning takes it."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from mobilekit.compress.fitting.aims import Aim
from mobilekit.compress.fitting.frames import Frame, Moving, followed, unsteadiness
from mobilekit.compress.fitting.rates import OptimizerConfig
from mobilekit.compress.fitting.tasks import (
    METRICS,
    judge,
    loss_of,
    metric_of,
    task_loss,
    value_of,
)
from mobilekit.compress.outputs import first_of
from mobilekit.data.task import Labelled

Statistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation per channel, of pixels in 0–1."""


class Fitting(pl.LightningModule):
    """What is trained: the network, and what the methods train beside it.

    Args:
        network: any module.
        beside: adapters and the like.
        data: whose task and classes count.
        optimizer: which.
        statistics: by which images are normalized.
        aim: how cross-entropy is taken.
    """

    def __init__(
        self,
        network: nn.Module,
        beside: nn.ModuleList,
        data: Labelled,
        optimizer: OptimizerConfig,
        statistics: Statistics | None,
        aim: Aim,
    ) -> None:
        super().__init__()
        self.network, self.beside = network, beside
        self.task, self._optimizer = data.task, optimizer
        classes = len(data.classes) + (data.task == "detection")
        self.metric = metric_of(data.task, classes)
        self.followed = metric_of(data.task, classes)
        """Of a network that takes the mask of the frame before: what it is worth with a mask."""
        self.figures: dict[str, float] = {}
        """Beside the metric, of the last time that it was judged."""
        self._statistics, self._aim = statistics, aim

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of the task for a batch, shape `[]`."""
        del batch_idx
        images = self.normalized(batch[0])
        if isinstance(images, Moving):
            loss = self._moving_loss(images, batch[1])
        else:
            loss = task_loss(self.task, self.network, images, batch[1], self._aim)
        self.log("loss", loss.detach())
        return loss

    def _moving_loss(self, moving: Moving, target: Tensor) -> Tensor:
        frame, before = followed(self.network, moving)
        outputs = self.network(*frame)
        loss = loss_of(self.task, outputs, target, self._aim)
        if not self._aim.steady:
            return loss
        return loss + self._aim.steady * unsteadiness(first_of(outputs), before, moving)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Judge a batch; where the network takes a mask of the frame before, without one and with one."""
        del batch_idx
        images = self.normalized(batch[0])
        if isinstance(images, Frame):
            empty = torch.zeros_like(images.mask)
            judge(self.task, self.metric, self.network(images.image, empty), batch[1])
            judge(self.task, self.followed, self.network(*images), batch[1])
        else:
            judge(self.task, self.metric, self.network(images), batch[1])

    def on_validation_epoch_end(self) -> None:
        """Log the metric."""
        name = METRICS[self.task]
        self.log(name, value_of(self.metric))
        self.metric.reset()
        if self.followed.update_called:
            self.figures = {f"{name}_with_mask": value_of(self.followed)}
            self.followed.reset()

    def configure_optimizers(self) -> Any:
        """Make the optimizer, and what sets its rate after each step."""
        steps = int(self.trainer.estimated_stepping_batches)
        made, rate = self._optimizer.build(self.parameters(), steps)
        return {"optimizer": made, "lr_scheduler": {"scheduler": rate, "interval": "step"}}

    def normalized(self, images: Any) -> Any:
        """Return images in the range that the network takes: one tensor, a list of them, or frames."""
        if self._statistics is None:
            return images
        if isinstance(images, Frame):
            return images._replace(image=self.normalized(images.image))
        if isinstance(images, Moving):
            both = {name: self.normalized(getattr(images, name)) for name in ("image", "before")}
            return images._replace(**both)
        if isinstance(images, list):
            return [self.normalized(image) for image in images]
        mean, deviation = (
            torch.tensor(each, dtype=images.dtype, device=images.device).view(-1, 1, 1)
            for each in self._statistics
        )
        return (images - mean) / deviation


def collate_detection(samples: list[tuple[Tensor, Any]]) -> tuple[list[Tensor], list[Any]]:
    """Keep images and boxes apart: they differ in size and number."""
    return [image for image, _ in samples], [target for _, target in samples]
