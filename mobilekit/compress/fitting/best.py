"""The weights of the epoch that was judged best, kept in memory and in checkpoints."""

from typing import Any

import lightning.pytorch as pl
from torch import Tensor, nn

from mobilekit.compress.fitting.module import Fitting
from mobilekit.compress.fitting.tasks import METRICS


class Best(pl.Callback):
    """Remembers the network as it was judged best, and gives it back in the end.

    Args:
        network: that trains.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._metric = float("-inf")
        self._weights: dict[str, Tensor] = {}
        self._given = False

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remember the weights where the first process finds a greater metric than before."""
        assert isinstance(pl_module, Fitting)  # noqa: S101  its own callback
        judged = trainer.callback_metrics.get(METRICS[pl_module.task], float("nan"))
        found = float(trainer.strategy.broadcast(float(judged)))
        if found > self._metric:
            self._metric = found
            self._weights = {
                name: value.detach().cpu().clone()
                for name, value in self._network.state_dict().items()
            }

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Give the best weights back."""
        del trainer, pl_module
        self.give()

    def give(self) -> None:
        """Load the best weights into the network, once, where any were judged."""
        if self._weights and not self._given:
            self._network.load_state_dict(self._weights)
            self._given = True

    def state_dict(self) -> dict[str, Any]:
        """Return the greatest metric and its weights."""
        return {"metric": self._metric, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what `state_dict` gave."""
        self._metric, self._weights = float(state_dict["metric"]), state_dict["weights"]
