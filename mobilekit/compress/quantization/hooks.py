"""What stands between the layers of a network that learns to be quantized."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class Hooks:
    """Hooks on modules, taken away together; copies of the modules have none of them."""

    def __init__(self) -> None:
        self._open: list[RemovableHandle] = []

    def before(self, module: nn.Module, act: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> None:
        """Let a module read other positional inputs."""
        self._open.append(module.register_forward_pre_hook(_Hook(lambda _, inputs: act(inputs))))

    def behind(self, module: nn.Module, act: Callable[[Any], Any]) -> None:
        """Let a module return something else; called with None when it fails."""
        hook = _Hook(lambda _, __, outputs=None: act(outputs))
        self._open.append(module.register_forward_hook(hook, always_call=True))

    def remove(self) -> None:
        """Take them away; as often as called."""
        for one in self._open:
            one.remove()
        self._open.clear()


class _Hook:
    def __init__(self, act: Callable[..., Any] | None) -> None:
        self._act = act

    def __call__(self, *arguments: Any) -> Any:
        return None if self._act is None else self._act(*arguments)

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Hook":
        return _Hook(None)


def mapped(outputs: Any, act: Callable[[Tensor], Tensor]) -> Any:
    """Return nested outputs with each floating-point tensor `[N, C, ...]` replaced; others as they are.

    >>> import torch
    >>> mapped({"out": torch.ones(1, 2), "loss": torch.ones(())}, lambda each: each + 1)
    {'out': tensor([[2., 2.]]), 'loss': tensor(1.)}
    """
    if isinstance(outputs, Tensor):
        return act(outputs) if outputs.is_floating_point() and outputs.ndim > 1 else outputs
    if isinstance(outputs, Mapping):
        return type(outputs)({name: mapped(each, act) for name, each in outputs.items()})  # type: ignore[call-arg]
    if isinstance(outputs, tuple) and hasattr(outputs, "_fields"):
        return type(outputs)(*(mapped(each, act) for each in outputs))
    if isinstance(outputs, (list, tuple)):
        return type(outputs)(mapped(each, act) for each in outputs)
    return outputs
