"""Find a winning ticket: prune, go back to the beginning, and train again, several rounds in one training.

What it does:
    Splits the training into `rounds` + 1 equal parts. After each part but the last the groups that a
    criterion finds least important are pruned, by equal shares of what is left, and all that trained goes
    back to what it was at `rewind_at`: weights, batch-norm statistics, and the optimizer's memory. The
    last part trains the ticket.

When to use it:
    To ask whether a small network could have been trained from the start.

When not:
    For a small network at little cost: `sparsify` needs one training, this one needs `rounds` + 1.

Source:
    Frankle and Carbin 2019; rewinding: Frankle et al. 2020; Hubens' thesis, sections 3.3.4, 4.2.5 and
    5.5. A learning rate that falls over the training should start anew with each part: `cycles` of the
    train step's optimizer.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import torch
from msgspec import Meta
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilekit.compress.base import Context, Handle
from mobilekit.compress.sparsity.axes import Axes, check_names, sparsifier
from mobilekit.compress.sparsity.records import filter_records, zero_records
from mobilekit.compress.sparsity.sparsifier import Sparsifier
from mobilekit.core.errors import ModelError, RecipeError


class Lottery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    sparsity: Annotated[float, Meta(ge=0, lt=1)] = 0.7
    """Share of the groups that are zero in the ticket, 0–1, 1 excluded."""
    rounds: Annotated[int, Meta(ge=1)] = 3
    rewind_at: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Share of the whole training to whose end all goes back, within the first part; 0: initialization."""
    granularity: str = "weight"
    context: str | dict[str, float] = "global"
    criterion: str = "large_final"
    layers: tuple[str, ...] = ()
    """Patterns of names; all layers of the kinds that have the granularity without them."""
    without: tuple[str, ...] = ()
    """Patterns of names of layers that are left alone."""

    def __post_init__(self) -> None:
        check_names(self.granularity, self.criterion, self.context)

    def start(self, network: nn.Module, context: Context) -> Handle:
        """Begin the first part.

        Raises:
            MobilekitError: an option that is wrong or that the network cannot meet.
        """
        if self.rewind_at * (self.rounds + 1) >= 1:
            raise RecipeError(
                f"lottery: rewind_at {self.rewind_at} lies behind the first of {self.rounds + 1} parts"
            )
        axes = Axes(
            self.sparsity, self.granularity, self.context, self.criterion, self.layers, self.without  # type: ignore[arg-type]
        )  # fmt: skip
        made, notes = sparsifier(network, axes, context.inputs, context.seed)
        return Drawing(network, made, self, notes)


class Drawing(Handle):
    """A network on its way to a ticket."""

    def __init__(
        self, network: nn.Module, made: Sparsifier, config: Lottery, notes: tuple[str, ...]
    ) -> None:
        self._network, self.sparsifier, self._config, self._notes = network, made, config, notes
        self.round = 0
        self._weights = _weights(network)
        self._memory: dict[str, dict[str, Any]] = {}
        self._noted = config.rewind_at == 0

    def settle(self) -> None:
        """Take the masks and references to the weights."""
        self.sparsifier.settle()

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Note where to go back to, and at the end of a part prune and go back."""
        if not self._noted and progress >= self._config.rewind_at:
            self._noted = True
            self._weights = _weights(self._network)
            self._memory = _memory(self._network, optimizer)
        parts = self._config.rounds + 1
        ends = self.round < self._config.rounds and progress >= (self.round + 1) / parts - 1e-9
        if ends:
            self.round += 1
            self.sparsifier.update(self._share())
            self._rewind(optimizer)
        self.sparsifier.apply(optimizer)

    def finish(self) -> tuple[str, ...]:
        """Say what the ticket is."""
        self.sparsifier.apply()
        gone, total = self.sparsifier.count
        return (
            f"lottery: {self.round} rounds, {gone:,} of {total:,} groups are zero",
            *self._notes,
        )

    def figures(self) -> dict[str, float]:
        """Return round and sparsity."""
        return {"sparsity": self.sparsifier.sparsity, "round": float(self.round)}

    def records(self) -> dict[str, Tensor]:
        """Return sparsities, of filters also their mean |W|, and which are zero."""
        made = self.sparsifier
        return filter_records(made.groups) | zero_records(made.groups, made.dead)

    def state_dict(self) -> dict[str, Any]:
        """Return masks, the round, and what to go back to."""
        return {
            "sparsifier": self.sparsifier.state_dict(),
            "round": self.round,
            "noted": self._noted,
            "weights": {name: each.clone() for name, each in self._weights.items()},
            "memory": self._memory,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave."""
        if state["weights"].keys() != self._weights.keys():
            raise ModelError("lottery: the checkpoint is of another network")
        self.sparsifier.load_state_dict(state["sparsifier"])
        self.round, self._noted = int(state["round"]), bool(state["noted"])
        self._weights, self._memory = dict(state["weights"]), dict(state["memory"])

    def _share(self) -> float:
        """Return the share of the final sparsity: each round leaves the same share of what was left."""
        final = self._config.sparsity
        left = (1 - final) ** (self.round / self._config.rounds)
        return 1.0 if self.round == self._config.rounds else (1 - left) / final

    @torch.no_grad()
    def _rewind(self, optimizer: Optimizer | None) -> None:
        now = self._network.state_dict()
        for name, each in self._weights.items():
            now[name].copy_(each)
        if optimizer is None:
            return
        for name, parameter in self._network.named_parameters():
            if name in self._memory:
                optimizer.state[parameter] = {
                    key: each.to(parameter.device) if _alike(each, parameter) else each
                    for key, each in _copied(self._memory[name]).items()
                }
            else:
                optimizer.state.pop(parameter, None)


def _weights(network: nn.Module) -> dict[str, Tensor]:
    return {
        name: each.detach().clone()
        for name, each in network.state_dict().items()
        if isinstance(each, Tensor)
    }


def _memory(network: nn.Module, optimizer: Optimizer | None) -> dict[str, dict[str, Any]]:
    if optimizer is None:
        return {}
    return {
        name: _copied(optimizer.state[parameter])
        for name, parameter in network.named_parameters()
        if optimizer.state.get(parameter)
    }


def _copied(memory: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: each.detach().clone() if isinstance(each, Tensor) else each
        for key, each in memory.items()
    }


def _alike(kept: Any, parameter: Tensor) -> bool:
    """Say whether it lives where the parameter does; a count of steps does not."""
    return isinstance(kept, Tensor) and kept.shape == parameter.shape
