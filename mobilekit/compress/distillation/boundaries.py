"""Which layers of a network stand before an activation, and which return what one has made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mobilekit.compress.distillation.pairs import Shapes
from mobilekit.compress.graph.untouched import evaluating
from mobilekit.core.errors import NoEffectError, RecipeError

ACTIVATIONS = frozenset(
    {"relu", "relu6", "hardtanh", "leaky_relu", "prelu", "rrelu", "threshold", "elu", "selu", "celu"}
    | {"silu", "mish", "gelu", "hardswish"}
)  # fmt: skip
"""Names in torch of functions with a boundary between off and on, in place (`relu_`) or not."""


@dataclass(eq=False)
class Boundaries:
    """Names of layers by where their output stands, in the order in which the layers finish."""

    before: dict[str, None] = field(default_factory=dict)
    """An activation takes the output as it is."""
    after: dict[str, None] = field(default_factory=dict)
    """The output is an activation's."""


def boundaries(network: nn.Module, inputs: Sequence[Tensor]) -> Boundaries:
    """Run a network once and see where its activations are, modules or plain functions.

    Of layers that return the same tensor (a convolution at the end of a `Sequential`) the innermost
    counts; of a layer that runs several times the last run.

    Args:
        network: any module that runs on the inputs; it is left as found.
        inputs: examples of its positional inputs.
    """
    watch = _Watch()
    hooks = [
        module.register_forward_hook(partial(watch.finished, name))
        for name, module in network.named_modules()
        if name
    ]
    try:
        with evaluating(network), watch:
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return watch.found


def before_activations(who: str, shapes: Shapes, found: Boundaries) -> Shapes:
    """Return those shapes whose layers stand before an activation.

    Raises:
        NoEffectError: there is none.
    """
    kept = {name: shape for name, shape in shapes.items() if name in found.before}
    if not kept:
        raise NoEffectError(
            f"activation_boundary: no layer of the {who} hands its output to an activation as it is; pair"
            " layers that stand before one by name patterns"
        )
    return kept


def check_before(who: str, names: Sequence[str], found: Boundaries, shapes: Shapes) -> None:
    """Make sure that no layer returns what an activation made, where nothing is left below 0.

    Raises:
        RecipeError: one does; one that would do is named.
    """
    for name in names:
        if name in found.after:
            near = _near(name, found.before, shapes)
            raise RecipeError(
                f"activation_boundary: {name!r} of the {who} returns what an activation made; it compares"
                f" features before their activation{f', such as {near!r}' if near else ''}: name that layer"
            )


def _near(name: str, before: Mapping[str, None], shapes: Shapes) -> str:
    """Return the last layer that finishes before another, at the same shape, and stands before an activation."""
    order = list(shapes)
    earlier = order[: order.index(name)] if name in shapes else order
    fitting = [one for one in earlier if one in before and shapes[one] == shapes.get(name)]
    return fitting[-1] if fitting else ""


class _Watch(TorchFunctionMode):
    """Sees activations and finished layers; tensors are told apart by themselves and by their version."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Boundaries()
        self._made: dict[int, tuple[Tensor, int, str]] = {}
        """Layer that made a tensor, with the tensor itself, so that no other takes its number."""
        self._active: dict[int, tuple[Tensor, int]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Note an activation; call any function."""
        del types
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").removesuffix("_")
        if name not in ACTIVATIONS:
            return func(*args, **kwargs)
        taken = args[0] if args else kwargs["input"]
        maker = self._made.get(id(taken))
        if maker is not None and maker[1] == _version(taken):
            self.found.before[maker[2]] = None
        result = func(*args, **kwargs)
        self._active[id(result)] = (result, _version(result))
        return result

    def finished(self, name: str, *call: Any) -> None:
        """Note what a layer returns."""
        output = call[-1]
        self.found.before.pop(name, None)
        self.found.after.pop(name, None)
        if not isinstance(output, Tensor):
            return
        active = self._active.get(id(output))
        if active is not None and active[1] == _version(output):
            self.found.after[name] = None
            return
        version = _version(output)
        made = self._made.get(id(output))
        if made is None or made[1] != version:
            self._made[id(output)] = (output, version, name)


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place."""
    return tensor._version  # noqa: SLF001  no public name
