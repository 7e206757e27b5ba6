"""What would go if some channels were wanted gone: nothing is cut, so one can ask many times.

Wanted channels stay where they are pinned, where they carry the constants of others, where rounding
needs the width, and where a layer would be left without any.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from mobilekit.compress.graph.atoms import Axis
from mobilekit.compress.graph.channels import ChannelGraph, Group
from mobilekit.compress.graph.constants import dead_channels
from mobilekit.compress.graph.exact import Constants, Removal, Selection
from mobilekit.compress.graph.prediction import Cost, predict
from mobilekit.compress.sparsity.channel_scores import scores
from mobilekit.compress.sparsity.latencies import Measured, Rounding

Importance = Callable[[ChannelGraph], Tensor]
"""Says how much each channel matters, shape `[channels]`, at least 0."""


@dataclass(frozen=True)
class Options:
    """Limits of a pruning."""

    epsilon: float = 0.0
    """Largest |w| of a dead filter."""
    round_to: int = 1
    """The channels that stay are a multiple of this, where there are as many."""
    allow_head: bool = False
    """Let outputs of the network lose channels."""
    check: bool = True
    """Run the smaller network on fake tensors, call by call, and give in to numbers that stand in its code;
    without it, such a network comes out broken."""
    heads: bool = False
    """Let whole heads of multi-head attention go, and not parts of each."""
    free_inputs: bool = False
    """Let the channels of the inputs go too: what is fed must be chosen alike."""
    measured: Measured | None = None
    """Latencies by which widths are chosen, beside the multiple."""
    importance: Importance | None = None
    """By which rounding chooses what stays; by default the l2 norm of the filters."""
    exact: bool = False
    """Dead channels that are no constants where they are read stay, also where a choice wants them gone."""


@dataclass(frozen=True)
class Outcome:
    """What would go; channels as masks of shape `[channels]`."""

    removed: Tensor
    """All that goes."""
    exact: Selection
    """Of that, the dead ones whose constants are moved, and their carriers."""
    rounded: Tensor
    """Wanted, and stays since rounding needs the width."""
    refused: Tensor
    """Dead and wanted, and stays since it is no constant where it is read."""


class Trial:
    """A network, and what would become of it.

    Args:
        graph: of the network.
        network: is left as found.
        samples: inputs on which constants are measured, two or more.
        options: limits.
    """

    def __init__(
        self,
        graph: ChannelGraph,
        network: nn.Module,
        samples: Sequence[Sequence[Tensor]],
        options: Options,
    ) -> None:
        self._rounding = Rounding(options.round_to, options.measured)
        self._rounding.require(graph)
        self.graph, self.network = graph, network
        self._samples, self._options = samples, options
        epsilon = options.epsilon
        self.dead = dead_channels(graph, network, epsilon)

    @property
    def nothing(self) -> Tensor:
        """No channel, shape `[channels]`."""
        return torch.zeros(self.graph.channels.count, dtype=torch.bool)

    @cached_property
    def importance(self) -> Tensor:
        """How much each channel matters, shape `[channels]`."""
        if self._options.importance is not None:
            return self._options.importance(self.graph)
        found = torch.zeros(self.graph.channels.count, dtype=torch.float64)
        for group in (*self.graph.groups, *self.graph.input_groups):
            found[group.channels] = scores(self.graph, self.network, group)
        return found

    def outcome(self, wanted: Tensor) -> Outcome:
        """Return what would go if these channels were wanted gone, shape `[channels]`."""
        wanted = wanted & self._grouped & ~self.graph.channels.pinned
        dead = wanted & self.dead
        exact = self._select(dead)
        refused = dead & ~exact.removed & ~exact.carriers
        if not self._options.exact:
            refused = self.nothing
        going = wanted & ~exact.carriers & ~refused
        kept = self._rounded(going)
        selection = Selection(exact.removed & ~kept, exact.carriers)
        return Outcome(going & ~kept, selection, kept, refused)

    def cost(self, outcome: Outcome) -> Cost:
        """Return what the network would cost, the biases that it gets included."""
        cost = predict(self.graph, self.network, outcome.removed)
        if not bool(outcome.exact.removed.any()):
            return cost
        biases = sum(
            int((~outcome.removed[self.graph.channels_of(axis)]).sum())
            for axis in self._constants.added(outcome.exact).values()
        )
        return Cost(cost.params + biases, cost.macs)

    @cached_property
    def whole(self) -> Cost:
        """What the network costs as it is."""
        return predict(self.graph, self.network, self.nothing)

    def moved(self, outcome: Outcome) -> Removal:
        """Return a copy of the network, uncut, that no longer needs the dead channels that go."""
        if not bool(outcome.exact.removed.any()):
            return Removal(self.network, dict[str, Axis]())
        return self._constants.move(outcome.exact)

    @cached_property
    def _constants(self) -> Constants:
        return Constants(self.graph, self.network, self.dead, self._samples)

    @cached_property
    def _grouped(self) -> Tensor:
        """Channels that belong to a group; rows and columns of kernels do not, shape `[channels]`."""
        found = self.nothing
        for group in (*self.graph.groups, *self.graph.input_groups):
            found[group.channels] = True
        return found

    def _select(self, dead: Tensor) -> Selection:
        if not bool(dead.any()):
            return Selection(self.nothing, self.nothing)
        return self._constants.select(dead)

    def _rounded(self, going: Tensor) -> Tensor:
        """Return what stays of the channels that go, the most important ones, shape `[channels]`."""
        stays = self.nothing
        for group in (*self.graph.groups, *self.graph.input_groups):
            leaving = group.channels[going[group.channels]]
            left = len(group.channels) - len(leaving)
            if not len(leaving) or (left and self._rounding.idle):
                continue
            more = self._width(group, max(left, 1)) - left
            if more > 0:
                order = self.importance[leaving].argsort(descending=True, stable=True)
                stays[leaving[order[:more]]] = True
        return stays

    def _width(self, group: Group, kept: int) -> int:
        """Return how many channels stay; an input's, and heads, are not rounded."""
        if not group.writers or (self._options.heads and self._several(group)):
            return kept
        return self._rounding.width(self.graph, group, kept)

    def _several(self, group: Group) -> bool:
        """Whether a channel stands for several filters of a layer, as a head does."""
        axis = group.writers[0]
        members = torch.isin(self.graph.channels_of(axis), group.channels)
        return int(members.sum()) > len(group.channels)
