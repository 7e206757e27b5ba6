"""Replace linear layers and convolutions by products of smaller ones, cut at a rank.

What it does:
    Writes the weight of each layer as a product and keeps its largest terms: `truncated_svd` makes a
    linear layer two; `channel_svd` a convolution k×k with few filters and a 1×1; `spatial_svd` a
    column k×1 and a row 1×k; `tucker2` a 1×1, a small k×k and a 1×1. The rank is a share of the full
    one, the least that keeps an energy, or what a budget of parameters allows. Weights are computed in
    float64 and kept in their own type; stride, dilation and every padding stay. A layer that would not
    get smaller is left, and named.

When to use it:
    On trained networks with wide layers, where neither filters nor inputs can go. Train on afterwards,
    or at least `recalibrate`; a network takes two steps, one for its linear layers, one for its
    convolutions.

When not:
    For latency alone: two thin layers move more data than one, `spatial_svd` and `tucker2` of a strided
    convolution run their first part at the larger resolution, and grouped or depthwise convolutions with
    a rank above 1 are slow on phones. On small layers, whose rank must fall far before it saves anything.

Source:
    Denton et al. 2014 (truncated SVD); Zhang et al. 2016 and Jaderberg et al. 2014 (channel and spatial
    forms, here in closed form on the weights, not fitted to data); Kim et al. 2016 (Tucker-2). A
    budget is shared among layers by the greedy rule of Zhang et al., per parameter: always where the
    smallest part of the energy kept so far goes for it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from torch import Tensor, nn

from mobilekit.compress.base import Context, StepReport, count_parameters
from mobilekit.compress.checking import residual, resolutions
from mobilekit.compress.decomposition.candidates import Left, candidates, read_by_others
from mobilekit.compress.decomposition.factors import relative_error
from mobilekit.compress.decomposition.forms import Form, Method, form
from mobilekit.compress.decomposition.rank import (
    Amount,
    Budget,
    Energy,
    Fraction,
    Ranks,
    Scope,
    allowed,
    fraction_of,
    keeping,
    ladder,
    share_out,
    within,
)
from mobilekit.compress.steps.fold import duplicate
from mobilekit.core.errors import ModelError, NoEffectError, RecipeError
from mobilekit.core.seeding import child_seed

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


@dataclass(frozen=True)
class Replaced:
    """A layer that is a chain of smaller ones now."""

    path: str
    shape: tuple[int, ...]
    """Of its weight, `[M, N, K…]`."""
    ranks: Ranks
    """Of the inputs and of the outputs for Tucker-2, one else (per group)."""
    full: Ranks
    """The ranks that would have lost nothing."""
    params_before: int
    params_after: int
    weight_error: float
    """‖product of the new weights − weight‖ / ‖weight‖ (Frobenius), as stored."""


@dataclass(frozen=True)
class Decomposed:
    """A network of smaller layers, and an account of each."""

    network: nn.Module
    replaced: tuple[Replaced, ...]
    left: tuple[Left, ...]


def decompose(
    network: nn.Module,
    inputs: Sequence[Tensor],
    method: Method,
    amount: Amount,
    layers: Collection[str] = (),
) -> Decomposed:
    """Decompose every layer that gets smaller by it.

    Args:
        network: any module; it is left as found, the result is a copy in the same modes.
        inputs: examples of its positional inputs, for one run that shows which layers other code looks
            into.
        method: which layers, and what becomes of them.
        amount: how much stays.
        layers: patterns of paths, such as `features.*`; all layers where there are none.

    Raises:
        NoEffectError: no layer gets smaller.
        RecipeError: a pattern that matches no layer, or a budget that cannot be met.
        ModelError: a network that does not run, or weights that are not finite.
    """
    result = duplicate(network)
    fit, left = candidates(result, method, layers)
    for module in read_by_others(result, fit.values(), inputs):
        path = next(path for path, layer in fit.items() if layer is module)
        left.append(Left(path, "other code reads its weight or shape"))
        del fit[path]
    forms = {path: form(layer, method) for path, layer in fit.items()}
    ranks = _ranks(fit, forms, amount, count_parameters(network))
    replaced: list[Replaced] = []
    new: dict[nn.Module, nn.Module] = {}
    for path, layer in fit.items():
        reason = _refusal(layer, forms[path], ranks[path])
        if reason is not None:
            left.append(Left(path, reason))
            continue
        account, new[layer] = _replacement(path, layer, forms[path], ranks[path] or ())
        replaced.append(account)
    if not replaced:
        raise NoEffectError(_nothing(method, left))
    return Decomposed(_exchange(result, new), tuple(replaced), tuple(left))


class Decompose(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of the step; exactly one of `rank`, `energy` and `budget`."""

    method: Method
    rank: Share | None = None
    """Share of each layer's full rank that stays."""
    energy: Share | None = None
    """Share of each layer's squared weights that stays, at least."""
    budget: Share | None = None
    """Share of the parameters that stays, at most."""
    scope: Scope = "network"
    """Whose parameters a budget is of: each layer's, or the whole network's."""
    layers: tuple[str, ...] = ()
    """Patterns of paths, such as `features.*`; all layers that the method is for where none are given."""

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.rank, self.energy, self.budget)) != 1:
            raise ValueError("expected exactly one of `rank`, `energy` and `budget`")

    def apply(self, network: nn.Module, context: Context) -> tuple[nn.Module, StepReport]:
        """Return the decomposed network; its function changes, so there is no residual.

        Raises:
            NoEffectError: no layer gets smaller.
            RecipeError: a pattern that matches no layer, or a budget that cannot be met.
            ModelError: a network that does not run, before or after, or weights that are not finite.
        """
        context.progress(f"decomposing layers ({self.method})")
        result = decompose(network, context.inputs, self.method, self._amount(), self.layers)
        samples, _ = resolutions(network, context.inputs, child_seed(context.seed, "decompose"))
        change = _change(network, result.network, samples[:1])
        notes = (
            *(_line(one) for one in result.replaced),
            *(f"{one.path} stays: {one.reason}" for one in result.left),
            f"outputs changed by {change:.1e} of the largest, on noise",
        )
        counts = count_parameters(network), count_parameters(result.network)
        return result.network, StepReport("decompose", *counts, None, notes)

    def _amount(self) -> Amount:
        if self.rank is not None:
            return Fraction(self.rank)
        if self.energy is not None:
            return Energy(self.energy)
        return Budget(self.budget or 0.0, self.scope)


def _ranks(
    layers: Mapping[str, nn.Module], forms: Mapping[str, Form], amount: Amount, total: int
) -> dict[str, Ranks | None]:
    """Choose the ranks of each layer; None where the amount asks nothing of it, or nothing it can do."""
    if isinstance(amount, Fraction):
        return {path: fraction_of(one.full, amount.share) for path, one in forms.items()}
    ladders = {path: ladder(one.spectra(), one.parameters) for path, one in forms.items()}
    if isinstance(amount, Energy):
        return {path: keeping(rungs, amount.share).ranks for path, rungs in ladders.items()}
    before = {path: count_parameters(layer) for path, layer in layers.items()}
    if amount.scope == "layer":
        found = {
            path: within(ladders[path], allowed(before[path], amount.share)) for path in layers
        }
        return {path: rung.ranks if rung else (0,) for path, rung in found.items()}
    least = total - sum(
        max(0, before[path] - min(rung.parameters for rung in ladders[path])) for path in layers
    )
    most = allowed(total, amount.share)
    if least > most:
        raise RecipeError(
            f"decompose.budget: {amount.share} of the {total} parameters cannot be reached; the least"
            f" that these layers allow is {least / total:.4f}"
        )
    rungs = share_out(
        [ladders[path] for path in layers],
        [before[path] for path in layers],
        total - most,
    )
    return {path: rung.ranks if rung else None for path, rung in zip(layers, rungs, strict=True)}


def _refusal(layer: nn.Module, seen: Form, ranks: Ranks | None) -> str | None:
    """Say why a layer stays what it is."""
    if ranks is None:
        return "the budget is met without it"
    before = count_parameters(layer)
    if 0 in ranks:
        least = seen.parameters(tuple(1 for _ in seen.full))
        return f"rank 1 makes {least} parameters of {before}, more than the budget"
    after = seen.parameters(ranks)
    if after >= before:
        return f"{_at(seen.useful(ranks), seen.full)} makes {after} parameters of {before}"
    return None


def _replacement(
    path: str, layer: nn.Module, seen: Form, ranks: Ranks
) -> tuple[Replaced, nn.Sequential]:
    parts = seen.parts(ranks)
    account = Replaced(
        path,
        tuple(layer.weight.shape),  # type: ignore[arg-type]
        seen.useful(ranks),
        seen.full,
        count_parameters(layer),
        count_parameters(parts),
        relative_error(layer, parts),  # type: ignore[arg-type]
    )
    return account, parts


def _exchange(network: nn.Module, new: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Put other modules in the place of some, wherever they are registered."""
    for path, module in list(network.named_modules(remove_duplicate=False)):
        if module in new and path:
            parent, _, name = path.rpartition(".")
            setattr(network.get_submodule(parent), name, new[module])
    return new.get(network, network)


def _change(before: nn.Module, after: nn.Module, samples: Sequence[Sequence[Tensor]]) -> float:
    try:
        return residual(before, after, samples)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as problem:
        words = " ".join(str(problem).split())[:200]
        raise ModelError(
            f"decompose: the network does not run with its new layers; name others in `layers`: {words}"
        ) from problem


def _nothing(method: Method, left: Sequence[Left]) -> str:
    if not left:
        return f"decompose: the network has no layer that {method} is for; leave this step out"
    reasons = "; ".join(f"{one.path}: {one.reason}" for one in left[:3])
    more = f" (and {len(left) - 3} more)" if len(left) > 3 else ""
    return f"decompose: no layer gets smaller: {reasons}{more}"


def _line(one: Replaced) -> str:
    return (
        f"{one.path} {list(one.shape)}: {_at(one.ranks, one.full)}, {one.params_before} →"
        f" {one.params_after} parameters, weight error {one.weight_error:.1e}"
    )


def _at(ranks: Ranks, full: Ranks) -> str:
    shown, whole = (", ".join(map(str, one)) for one in (ranks, full))
    return f"rank {shown} of {whole}"
