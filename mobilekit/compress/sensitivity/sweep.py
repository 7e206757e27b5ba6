"""What is made sparse, one part after the other, and how sparse: the options of an analysis."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from mobilekit.compress.sparsity.granularity import granularity
from mobilekit.core.errors import RecipeError, suggestion

By = Literal["layer", "group"]
SPARSITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class Sweep:
    """Which parts there are, and what goes of each.

    Raises:
        RecipeError: an option out of range, or options that do not go together.

    >>> Sweep(granularity="2:4").sparsities  # it has no other
    (0.5,)
    """

    by: By = "layer"
    """Each layer by itself, or channels with all the filters that make them."""
    granularity: str = "filter"
    """How the weights of a layer are grouped; coupled channels are filters."""
    criterion: str = ""
    """The lowest go first: by layer one of `sparsify`'s (`large_final` by default), by group one of
    `prune`'s (`l2` by default)."""
    sparsities: Sequence[float] = SPARSITIES
    """Shares of the groups of a part that go, each between 0 and 1."""
    layers: Collection[str] = ()
    """Patterns of names; all layers but those that make the outputs without them."""
    without: Collection[str] = ()
    """Patterns of names of layers that are left alone."""
    seed: int = 0
    """Of random scores."""

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise RecipeError(
                f"sensitivity: by is layer or group, not {self.by!r}"
                f"{suggestion(str(self.by), get_args(By))}"
            )
        if self.by == "group" and self.granularity != "filter":
            raise RecipeError(
                "sensitivity: coupled channels are made by filters; by group the granularity is filter,"
                f" not {self.granularity!r}"
            )
        kind = granularity(self.granularity)
        if kind.block and tuple(self.sparsities) == SPARSITIES:
            object.__setattr__(self, "sparsities", (kind.most,))
        if kind.block and tuple(self.sparsities) != (kind.most,):
            raise RecipeError(
                f"sensitivity: {self.granularity} is a sparsity of {kind.most:g} and no other; leave"
                " sparsities out"
            )
        self._check_sparsities()
        if not self.criterion:
            usual = "large_final" if self.by == "layer" else "l2"
            object.__setattr__(self, "criterion", usual)

    def _check_sparsities(self) -> None:
        found = tuple(self.sparsities)
        wrong = [one for one in found if not 0 < one < 1]
        if wrong or not found:
            raise RecipeError(
                "sensitivity: sparsities are shares between 0 and 1, such as 0.1,0.5,0.9; found"
                f" {', '.join(f'{one:g}' for one in wrong) or 'none'}"
            )
        object.__setattr__(self, "sparsities", tuple(sorted(set(found))))
