"""Find a winning ticket: prune, go back to the beginning, and train again, several rounds in one training.

What it does:
    Splits the training into `rounds` + 1 equal parts. After each part but the last the groups that a
    criterion finds least important are pruned, by equal shares of what is left, and all that trained goes
    back to what it was at `rewind_at`: weights, batch-norm statistics, and the optimizer's memory, also of
    what other methods train beside the network. The last part trains the ticket.

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
from msgspec import Meta
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilekit.compress.base import Context, Handle
from mobilekit.compress.rewinding import Point
from mobilekit.compress.sparsity.axes import Axes, check_names, sparsifier
from mobilekit.compress.sparsity.comparisons import ContextName
from mobilekit.compress.sparsity.criteria import CriterionName
from mobilekit.compress.sparsity.granularity import GranularityName
from mobilekit.compress.sparsity.records import filter_records, zero_records
from mobilekit.compress.sparsity.shortfall import shortfall
from mobilekit.compress.sparsity.sparsifier import Sparsifier
from mobilekit.core.errors import ModelError, RecipeError


class Lottery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    sparsity: Annotated[float, Meta(ge=0, lt=1)] = 0.7
    """Share of the groups that are zero in the ticket, 0–1, 1 excluded."""
    rounds: Annotated[int, Meta(ge=1)] = 3
    rewind_at: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """Share of the whole training to whose end all goes back, within the first part; 0: initialization."""
    granularity: GranularityName = "weight"
    context: ContextName | dict[str, float] = "global"
    criterion: CriterionName = "large_final"
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
        self._beside: nn.Module = nn.ModuleList()
        self._noted = config.rewind_at == 0
        self._point, self._beyond = Point.of(network), Point.of(self._beside)

    def meet(self, beside: nn.Module) -> None:
        """Go back with what trains beside the network, too."""
        self._beside = beside
        self._beyond = Point.of(beside)

    def settle(self) -> None:
        """Take the masks and references to the weights."""
        self.sparsifier.settle()

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Note where to go back to, and at the end of a part prune and go back."""
        if not self._noted and progress >= self._config.rewind_at:
            self._noted = True
            self._point = Point.of(self._network, optimizer)
            self._beyond = Point.of(self._beside, optimizer)
        parts = self._config.rounds + 1
        ends = self.round < self._config.rounds and progress >= (self.round + 1) / parts - 1e-9
        if ends:
            self.round += 1
            self.sparsifier.update(self._share())
            self._rewind(optimizer)
        self.sparsifier.apply(optimizer)

    def finish(self) -> tuple[str, ...]:
        """Say what the ticket is, and why it is not as sparse as was asked for.

        Raises:
            NoEffectError: the first round was not reached.
        """
        self.sparsifier.apply()
        ended = f"the training ended in part {self.round + 1} of {self._config.rounds + 1}"
        short = shortfall(self.sparsifier, "lottery", ended)
        gone, total = self.sparsifier.count
        return (
            f"lottery: {self.round} rounds, {gone:,} of {total:,} groups are zero",
            *short,
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
            "beside": self._beyond.state_dict(),
            **self._point.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take what `state_dict` gave."""
        beside = state.get("beside", {"weights": {}, "memory": {}})
        if state["weights"].keys() != self._point.weights.keys():
            raise ModelError("lottery: the checkpoint is of another network")
        if beside["weights"].keys() != self._beyond.weights.keys():
            raise ModelError("lottery: the checkpoint is of other methods beside it")
        self.sparsifier.load_state_dict(state["sparsifier"])
        self.round, self._noted = int(state["round"]), bool(state["noted"])
        self._point = Point(dict(state["weights"]), dict(state["memory"]))
        self._beyond = Point(dict(beside["weights"]), dict(beside["memory"]))

    def _share(self) -> float:
        """Return the share of the final sparsity: each round leaves the same share of what was left."""
        final = self._config.sparsity
        left = (1 - final) ** (self.round / self._config.rounds)
        return 1.0 if self.round == self._config.rounds else (1 - left) / final

    def _rewind(self, optimizer: Optimizer | None) -> None:
        self._point.restore(self._network, optimizer)
        self._beyond.restore(self._beside, optimizer)
