"""Where along a file the error rises: the first operator that does not do what the network does."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from mobilekit.core.targets import Target, format_of
from mobilekit.verify.tolerance import decibels, greatest_relative_l2

if TYPE_CHECKING:
    from mobilekit.core.tensors import Arrays
    from mobilekit.runtime.program import Program
    from mobilekit.verify.intermediates import FileValue, NetworkValue

State = Literal["within", "beyond", "unmatched"]


class LayerError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value on the way through a file, and how far it is from the network's.

    `unmatched` values have no counterpart, because the converter fused, split or moved something;
    what is computed from them is right. `node` and `module` name the network's value.
    """

    index: int
    """Of the operator, in the order of the file."""
    name: str
    operator: str
    state: State
    node: str = ""
    network_operator: str = ""
    module: str = ""
    relative_l2: float = 0.0
    max_abs: float = 0.0
    non_finite: int = 0
    bound: float = 0.0
    scaled: bool = False
    """Beyond the bound, but the network's value times a factor per channel plus an offset."""


class LayerFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The errors along a file, and the operator where they first exceed the bound, if any."""

    file: str
    layers: tuple[LayerError, ...]
    rise: LayerError | None = None
    otherwise: LayerError | None = None
    """Where the error rises if the value at `rise` is right: a converter may fold the scale and
    shift of a normalization into what follows."""
    plot: str = ""
    """File name of the drawing."""

    @property
    def summary(self) -> str:
        """The finding in one line."""
        compared = [layer for layer in self.layers if layer.state != "unmatched"]
        drawn = f"; drawn in {self.plot}" if self.plot else ""
        if self.rise is None:
            worst = max(compared, key=lambda layer: layer.relative_l2, default=None)
            most = (
                f"; the largest error is {worst.relative_l2:.1e}, at {worst.operator}"
                if worst is not None
                else ""
            )
            return (
                f"{self.file}: {len(compared)} of {len(self.layers)} values are those of the network"
                f"{most}{drawn}"
            )
        rise = self.rise
        where = f" in {rise.module}" if rise.module else ""
        damage = (
            f"{rise.non_finite} values are not finite"
            if rise.non_finite
            else f"relative error {rise.relative_l2:.1e}, more than {rise.bound:.0e}"
        )
        other = ""
        if self.otherwise is not None:
            inside = f" in {self.otherwise.module}" if self.otherwise.module else ""
            other = (
                "; or, if the converter folded its scale into what follows, at operator"
                f" {self.otherwise.index}, {self.otherwise.operator}{inside}"
            )
        return (
            f"{self.file}: the error rises at operator {rise.index}, {rise.operator} ({rise.name}):"
            f" the network's {rise.network_operator} ({rise.node}){where}: {damage}{other}{drawn}"
        )


def explain(
    path: Path,
    target: Target,
    program: "Program",
    inputs: "Arrays",
    feed: "Arrays",
    folder: Path,
) -> LayerFinding:
    """Compare a file with the network value by value, and draw the error along it.

    The `.tflite` runs by LiteRT's built-in kernels, because XNNPACK keeps no values on the way;
    the `.mlpackage` by the reference executor.

    Args:
        path: the `.tflite` or `.mlpackage`.
        target: what it was exported as; picks the bound.
        program: the network.
        inputs: in the network's layout.
        feed: the same in the file's layout.
        folder: where the drawing goes, as `layers-<format>.svg`.

    Raises:
        ArtifactError: the file cannot be run.
        OutputError: the drawing cannot be written.
    """
    from mobilekit.verify import drawing, intermediates

    bound = greatest_relative_l2(target)
    network = intermediates.of_network(program, inputs, target.precision)
    outputs = intermediates.output_nodes(program)
    take = {"tflite": intermediates.of_tflite, "coreml": intermediates.of_coreml}[format_of(target)]
    layers = compare_layers(take(path, feed, outputs), network, bound, target.precision)
    drawn = folder / f"layers-{format_of(target)}.svg"
    rise = first_rise(layers)
    finding = LayerFinding(path.name, layers, rise, _otherwise(layers, rise), drawn.name)
    drawing.draw(finding, drawn, f"{path.name}, bound {decibels(bound):.0f} dB")
    return finding


def compare_layers(
    file: "list[FileValue]", network: "list[NetworkValue]", bound: float, precision: str
) -> tuple[LayerError, ...]:
    """Find each of a file's values among the network's, and say how far it is from it."""
    from mobilekit.verify.matching import match, scaled

    rows = []
    for value, found, cleared in zip(file, *match(file, network, bound, precision), strict=True):
        if found is None or (cleared and not found.good):
            rows.append(LayerError(value.index, value.name, value.operator, "unmatched"))
            continue
        other, off = network[found.place], found.difference
        rows.append(
            LayerError(
                index=value.index,
                name=value.name,
                operator=value.operator,
                state="within" if found.good else "beyond",
                node=other.node,
                network_operator=other.operator,
                module=other.module,
                relative_l2=off.relative_l2,
                max_abs=off.max_abs,
                non_finite=off.non_finite,
                bound=found.bound,
                scaled=not found.good and scaled(other.array, value.array, found.bound),
            )
        )
    return tuple(rows)


def first_rise(layers: tuple[LayerError, ...]) -> LayerError | None:
    """Return the operator where the error first exceeds the bound and does not come back.

    An operator of the network may be several of the file (a layer norm): of the first values
    beyond the bound that belong to the same one, the value nearest to it is the operator's result.
    """
    beyond = [layer for layer in layers if layer.state == "beyond"]
    if not beyond:
        return None
    same = []
    for layer in beyond:
        if layer.node != beyond[0].node:
            break
        same.append(layer)
    return min(same, key=lambda layer: (layer.non_finite > 0, layer.relative_l2))


def _otherwise(layers: tuple[LayerError, ...], rise: LayerError | None) -> LayerError | None:
    """Return where the error rises if the value at `rise` is only scaled."""
    if rise is None or not rise.scaled:
        return None
    later = (
        layer
        for layer in layers
        if layer.state == "beyond" and layer.index > rise.index and layer.node != rise.node
    )
    return next((layer for layer in later if not layer.scaled), None)
