"""Does a folded network make the same calls on the same values, less the folded norms?"""

from collections.abc import Collection
from typing import Any

from torch.utils import _pytree as pytree

from mobilekit.compress.graph.record import Call, Record, Value


def difference(before: Record, after: Record, gone: Collection[str]) -> str | None:
    """Compare two recorded runs, value by value.

    Args:
        before: with the norms; the layers have their biases already.
        after: without them.
        gone: paths of the modules whose own calls are to be missing; each returns its input.

    Returns:
        Where the two first differ; None where the second is the first without those modules.
    """
    pairs = _Pairs(before, after)
    remaining = iter(after.calls)
    for call in before.calls:
        if call.module in gone:
            if call.name == "native_batch_norm":
                pairs.skip(call)
            continue
        other = next(remaining, None)
        if other is None or not pairs.same_call(call, other):
            return f"{call.name} in {call.module or 'the network'} {call.source}".rstrip()
    if next(remaining, None) is not None:
        return "calls at the end that were not there"
    return None if pairs.same(before.outputs, after.outputs) else "the network's outputs"


class _Pairs:
    """Which value of the second run is which of the first."""

    def __init__(self, before: Record, after: Record) -> None:
        self._before = before
        self._after = after
        self._partner: dict[int, int] = {
            one.index: two.index for one, two in zip(before.inputs, after.inputs, strict=True)
        }
        self._alias: dict[int, int] = {}

    def skip(self, norm: Call) -> None:
        """Let the output of a norm that is gone stand for its input."""
        source = norm.argument("input").index
        self._alias[norm.outputs[0].index] = self._alias.get(source, source)

    def same_call(self, one: Call, two: Call) -> bool:
        """Whether two calls do the same to the same values; their outputs become partners."""
        alike = one.operator is two.operator and one.module == two.module
        if not alike or not self.same((one.args, one.kwargs), (two.args, two.kwargs)):
            return False
        for mine, other in zip(one.outputs, two.outputs, strict=True):
            self._partner[mine.index] = other.index
        return True

    def same(self, one: Any, two: Any) -> bool:
        """Whether two structures of arguments hold the same numbers and partner values."""
        mine, shape = pytree.tree_flatten(one)
        others, other_shape = pytree.tree_flatten(two)
        return shape == other_shape and all(map(self._same_leaf, mine, others))

    def _same_leaf(self, one: Any, two: Any) -> bool:
        if not isinstance(one, Value) or not isinstance(two, Value):
            return bool(one == two)
        index = self._alias.get(one.index, one.index)
        if index not in self._partner:  # a weight or a constant, read for the first time
            if self._before.names.get(index) != self._after.names.get(two.index):
                return False
            self._partner[index] = two.index
        return self._partner[index] == two.index and self._before.shapes[
            index
        ] == self._after.shape(two)
