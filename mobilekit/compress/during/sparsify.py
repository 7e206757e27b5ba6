"""Set weights to zero while the network trains: how, where, what and when.

What it does:
    After each step of the optimizer the schedule says how much is to be zero; the groups of weights
    (granularity) that a criterion finds least important among those they are compared with (context) are
    set to zero, and stay so: weights, and what the optimizer remembers of them. At the end exactly
    ⌊sparsity · groups⌋ are zero, of equal ones the later.

When to use it:
    To train and prune at once, from scratch or from trained weights; then `prune` removes filters that
    are zero, exactly, and formats that store zeros briefly take the others.

When not:
    For speed on a phone by single weights: zeros cost as much as other numbers there. Where the sparsity
    is not known beforehand, `kernel_sparsity` or `group_penalty`.

Source:
    Hubens' thesis, sections 3.3 and 4.2 (the axes), 5.5 (`one_cycle`); Zhu and Gupta 2017 (`gradual`).
    Departure: groups that are zero stay so while the sparsity grows, whatever the criterion says of them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from torch import Tensor, nn
from torch.optim import Optimizer

from mobilekit.compress.base import Context, Handle
from mobilekit.compress.sensitivity.allotment import sparsities_for
from mobilekit.compress.sparsity.axes import (
    Axes,
    check_cost,
    check_latency,
    check_names,
    sparsifier,
)
from mobilekit.compress.sparsity.comparisons import ContextName, Cost
from mobilekit.compress.sparsity.criteria import CriterionName
from mobilekit.compress.sparsity.granularity import GranularityName
from mobilekit.compress.sparsity.records import filter_records, zero_records
from mobilekit.compress.sparsity.schedule import Schedule, ScheduleName, schedule
from mobilekit.compress.sparsity.shortfall import shortfall
from mobilekit.compress.sparsity.sparsifier import Sparsifier
from mobilekit.core.errors import RecipeError
from mobilekit.core.reports import SensitivityReport


class Sparsify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the method."""

    sparsity: Annotated[float, Meta(ge=0, lt=1)] = 0.5
    """Share of the groups that are zero in the end, 0–1, 1 excluded."""
    granularity: GranularityName = "weight"
    """Which blocks of weights vanish together."""
    context: ContextName | Literal["sensitivity"] | dict[str, float] = "local"
    """Which scores are compared; a table gives sparsities by layer pattern."""
    report: str = ""
    """Of context `sensitivity`: the file that `mobilekit sensitivity --by layer --out` wrote."""
    bound: Annotated[float, Meta(ge=0)] = 0.02
    """Of context `sensitivity`: least SQNR of a layer in dB; of other measures, how far they may fall."""
    criterion: CriterionName = "large_final"
    """What says how much a group matters."""
    schedule: ScheduleName | dict[str, Any] = "one_cycle"
    """A name, or a table of a `kind` and its options."""
    layers: tuple[str, ...] = ()
    """Patterns of names; all layers of the kinds that have the granularity without them."""
    without: tuple[str, ...] = ()
    """Patterns of names of layers that are left alone."""
    cost: Cost = "none"
    """What scores are divided by: nothing, the weights of a group, its multiplications, or its latency."""
    latency_table: str | None = None
    """File with measured latencies, of cost `latency`; it must hold every layer that is meant."""
    latency_device: str | None = None
    """Which of the table's devices; needed where it has several."""
    least: Annotated[int, Meta(ge=0)] = 1
    """Groups of several weights that stay in each layer, at least."""
    clusters: Annotated[int, Meta(ge=0)] = 0
    """k: filters compete within k clusters of each layer; 0 for no clusters."""
    encoder: str = ""
    """A network by reference that encodes signatures for the clusters; the network itself without."""

    def __post_init__(self) -> None:
        self.when()
        check_names(self.granularity, self.criterion, self.context, ("sensitivity",))
        check_cost(self.cost, self.context)
        check_latency(self.cost, self.latency_table, self.latency_device)

    def when(self) -> Schedule:
        """Return the schedule.

        Raises:
            RecipeError: there is none of that name or with these options.
        """
        options = {"kind": self.schedule} if isinstance(self.schedule, str) else dict(self.schedule)
        return schedule(str(options.pop("kind", "")), **options)

    def axes(self) -> Axes:
        """Return the other axes."""
        context = self.context if self.context != "sensitivity" else self._by_sensitivity()
        return Axes(
            self.sparsity, self.granularity, context, self.criterion,  # type: ignore[arg-type]
            self.layers, self.without, self.cost, self.least, self.clusters,
            self.latency_table, self.latency_device,
        )  # fmt: skip

    def _by_sensitivity(self) -> dict[str, float]:
        """Return a sparsity per layer, as far as the report allows."""
        if not self.report:
            raise RecipeError(
                "sparsify: context sensitivity needs a report; make one by mobilekit sensitivity --out"
            )
        path = Path(self.report)
        try:
            report = msgspec.json.decode(path.read_bytes(), type=_Analysis).report
        except OSError as problem:
            raise RecipeError(f"{path}: cannot be read ({problem.strerror})") from problem
        except msgspec.DecodeError as problem:
            raise RecipeError(f"{path}: is not a sensitivity report: {problem}") from problem
        return sparsities_for(report, self.bound, self.sparsity)

    def start(self, network: nn.Module, context: Context) -> Handle:
        """Begin to sparsify a network.

        Raises:
            MobilekitError: an option that is wrong or that the network cannot meet.
        """
        if self.encoder and context.load is None:
            raise RecipeError(
                f"sparsify: there is no way to load the encoder {self.encoder!r} here"
            )
        encoder = context.load(self.encoder) if self.encoder and context.load else None
        made, notes = sparsifier(network, self.axes(), context.inputs, context.seed, encoder)
        return Sparsifying(made, self.when(), notes)


class _Analysis(msgspec.Struct, frozen=True):
    """What is needed of a sensitivity analysis's file."""

    report: SensitivityReport


class Sparsifying(Handle):
    """Zeroes what the schedule says, and keeps it at zero."""

    def __init__(self, made: Sparsifier, when: Schedule, notes: tuple[str, ...] = ()) -> None:
        self.sparsifier = made
        self._when, self._notes = when, notes
        self._progress = 0.0

    def settle(self) -> None:
        """Take the masks and references to the weights."""
        self.sparsifier.settle()

    def after_step(self, progress: float, optimizer: Optimizer | None = None) -> None:
        """Zero more, or the same once more."""
        self._progress = progress
        self.sparsifier.update(self._when(progress))
        self.sparsifier.apply(optimizer)

    def finish(self) -> tuple[str, ...]:
        """Say how many groups are zero, and why it is not as many as were asked for.

        Raises:
            NoEffectError: none is, though some were asked for.
        """
        self.sparsifier.apply()
        ended = f"the training ended at {self._progress:.4g} of its length (stopped early, or of no known length)"
        short = shortfall(self.sparsifier, "sparsify", ended, self._when(1.0))
        gone, total = self.sparsifier.count
        return (
            f"sparsify: {gone:,} of {total:,} groups are zero, {self.sparsifier.sparsity:.4f} of the weights",
            *short,
            *self._notes,
        )

    def figures(self) -> dict[str, float]:
        """Return the share of weights that are zero."""
        return {
            "sparsity": self.sparsifier.sparsity,
            "zero_groups": float(self.sparsifier.count[0]),
        }

    def records(self) -> dict[str, Tensor]:
        """Return sparsities, of filters also their mean |W|, and which are zero."""
        made = self.sparsifier
        return filter_records(made.groups) | zero_records(made.groups, made.dead)

    def state_dict(self) -> dict[str, Any]:
        """Return masks and references, and how far the training was."""
        return {"progress": self._progress, **self.sparsifier.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take masks and references."""
        self._progress = float(state.get("progress", 0.0))
        self.sparsifier.load_state_dict(state)
