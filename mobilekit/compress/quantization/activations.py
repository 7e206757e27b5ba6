"""Rounds what layers read and what the network returns."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mobilekit.compress.quantization.hooks import Hooks, mapped
from mobilekit.compress.quantization.observers import Dynamic, Learned, Observed
from mobilekit.compress.quantization.targets import Target
from mobilekit.core.errors import ModelError
from mobilekit.core.quantization import Form
from mobilekit.core.quantization_plan import Range

BITS = {"int8": 8, "int16": 16}


class Activations:
    """Ranges of a network's activations.

    Args:
        network: whose mode says whether batches are taken in.
        wanted: layers; what those with integer activations read is rounded, attention's is not.
        form: of the network's outputs.
        hooks: where to hang them.
        learned: steps are learned, but for those of the network's outputs.
    """

    def __init__(
        self,
        network: nn.Module,
        wanted: Sequence[Target],
        form: Form,
        hooks: Hooks,
        *,
        learned: bool,
    ) -> None:
        self.active = True
        self.ranges = nn.ModuleList()
        self._places: dict[str, int] = {}
        self._network, self._form, self._like = network, form, wanted[0].weight
        self._outputs: list[Observed] = []
        for each in wanted:
            if each.form.activations != "float" and not isinstance(
                each.module, nn.MultiheadAttention
            ):
                self._places[each.name] = len(self.ranges)
                self.ranges.append(_made(each, learned=learned))
                self._hang(each.module, self.ranges[-1], hooks)

    def of_layer(self, name: str) -> Range | None:
        """Return the range of what a layer reads; None where it has none.

        Raises:
            TrainingError: it is not finite.
        """
        if name not in self._places:
            return None
        found: Range | None = self.ranges[self._places[name]].range(name)  # type: ignore[operator]
        return found

    def of_network(self) -> tuple[Range | None, ...]:
        """Return the ranges of the network's outputs.

        Raises:
            TrainingError: one is not finite.
        """
        return tuple(each.range(f"output {place}") for place, each in enumerate(self._outputs))

    def of_outputs(self, outputs: Any) -> Any:
        """Take in what the network returns, and round it."""
        if self._form.activations not in BITS:
            return outputs
        place = -1

        def act(each: Tensor) -> Tensor:
            nonlocal place
            place += 1
            found: Tensor = self._output(place)(
                each, seeing=self._network.training, active=self.active
            )
            return found

        return mapped(outputs, act)

    def state_dict(self) -> dict[str, Tensor]:
        """Return ranges by name."""
        found = {f"ranges.{name}": each.clone() for name, each in self.ranges.state_dict().items()}
        for place, each in enumerate(self._outputs):
            found |= {
                f"outputs.{place}.{name}": one.clone() for name, one in each.state_dict().items()
            }
        return found

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take ranges by name.

        Raises:
            ModelError: they are of others.
        """
        own: dict[str, Tensor] = {}
        for name, each in state.items():
            part, _, rest = name.partition(".")
            if part == "ranges":
                own[rest] = each
            else:
                place, _, key = rest.partition(".")
                self._output(int(place)).state_dict()[key].copy_(each)
        try:
            self.ranges.load_state_dict(own)
        except RuntimeError as problem:
            raise ModelError("quantize_aware: the checkpoint is of other activations") from problem

    def _output(self, place: int) -> Observed:
        while len(self._outputs) <= place:
            bits = BITS[self._form.activations]
            self._outputs.append(Observed(self._like.detach().new_zeros(()), bits))
        return self._outputs[place]

    def _hang(self, module: nn.Module, range_: nn.Module, hooks: Hooks) -> None:
        def act(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            if not inputs or not isinstance(inputs[0], Tensor) or not inputs[0].is_floating_point():
                return inputs
            seeing = self._network.training
            return (range_(inputs[0], seeing=seeing, active=self.active), *inputs[1:])

        hooks.before(module, act)


def _made(target: Target, *, learned: bool) -> nn.Module:
    if target.form.activations == "dynamic":
        return Dynamic()
    kind = Learned if learned else Observed
    return kind(target.weight.detach().new_zeros(()), BITS[target.form.activations])
