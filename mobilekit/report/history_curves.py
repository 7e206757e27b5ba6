"""What changes over the epochs of a training, drawn: metric, loss, zeros of each layer."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mobilekit.core.histories import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

    Records = Mapping[str, NDArray[Any]]
else:
    Records = Mapping[str, Any]
"""Arrays of one epoch by name, such as `zero.conv.weight`."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
"""Okabe and Ito's, which colour-blind people tell apart."""
MARKERS = ("o", "s", "^", "D", "v", "P")
MARKED = 40
"""Epochs up to which each is marked."""
GRID: dict[str, Any] = {"color": "#d8dce2", "linewidth": 0.5}


def draw(
    part: "SubFigure", history: History, records: Mapping[int, Records], chosen: Collection[int]
) -> None:
    """Draw metric and loss, and the zeros of each layer where they were recorded."""
    shares = {epoch: shares_of(records[epoch]) for epoch in sorted(records)}
    layers = sorted({layer for each in shares.values() for layer in each}, key=natural)
    axes = part.subplots(1, 3 if layers else 2)
    epochs = [one.epoch for one in history.epochs]
    marker = "." if len(epochs) <= MARKED else None
    losses = [_number(one.loss) for one in history.epochs]
    metrics = [_number(one.metric) for one in history.epochs]
    axes[0].plot(epochs, metrics, color=COLOURS[0], marker=marker)
    best = [(one.epoch, one.metric) for one in history.epochs if one.epoch in chosen]
    if best:
        axes[0].plot(
            *zip(*best, strict=True), "o", markersize=9, markerfacecolor="none", color="black",
            label="no other epoch beats it",
        )  # fmt: skip
        axes[0].legend(frameon=False)
    axes[1].plot(epochs, losses, color=COLOURS[4], marker=marker)
    axes[0].set_title(f"{literal(history.metric.replace('_', ' '))} on the test set")
    axes[1].set_title("loss of the task in training")
    for one in axes[:2]:
        one.grid(**GRID)
        one.set_xlabel("epoch")
        _whole(one)
    if len(layers) > len(COLOURS):
        _heat_map(part, axes[2], shares, layers)
    elif layers:
        _lines(axes[2], shares, layers)


def shares_of(record: Records) -> dict[str, float]:
    """Return the share of zeros by layer: of filters where they are known, else of weights."""
    found: dict[str, float] = {}
    for name, array in record.items():
        kind, _, weight = name.partition(".")
        if kind == "zero" and array.size:
            found[layer(weight)] = float(array.astype(bool).mean())
        elif kind == "sparsity":
            found.setdefault(layer(weight), float(array))
    return found


def layer(weight: str) -> str:
    """Return a layer's name by that of its weight.

    >>> layer("features.0.weight"), layer("weight")
    ('features.0', 'weight')
    """
    return weight.removesuffix(".weight")


def natural(name: str) -> list[tuple[int, str]]:
    """Sort `conv.2` before `conv.10`.

    >>> sorted(["conv.10", "conv.2"], key=natural)
    ['conv.2', 'conv.10']
    """
    pieces = re.split(r"([0-9]+)", name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


def literal(text: str) -> str:
    """Return a text as matplotlib shows it: no formula, no leading underscore that hides it in a legend."""
    return text.replace("$", r"\$").replace("_", "\u200b_", text.startswith("_"))


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _whole(axes: "Axes") -> None:
    """Number epochs by whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _lines(axes: "Axes", shares: Mapping[int, Mapping[str, float]], layers: Sequence[str]) -> None:
    few = len(shares) <= MARKED
    for number, name in enumerate(layers):
        axes.plot(
            list(shares),
            [_number(each.get(name)) for each in shares.values()],
            color=COLOURS[number],
            marker=MARKERS[number] if few else None,
            markersize=3.5,
            label=literal(name),
        )
    axes.set_title("share of each layer that is zero")
    axes.set_ylim(-0.03, 1.03)
    axes.grid(**GRID)
    axes.set_xlabel("epoch")
    _whole(axes)
    axes.legend(frameon=False)


def _heat_map(
    part: "SubFigure",
    axes: "Axes",
    shares: Mapping[int, Mapping[str, float]],
    layers: Sequence[str],
) -> None:
    import numpy as np

    values = np.array([[_number(each.get(name)) for each in shares.values()] for name in layers])
    epochs = list(shares)
    image = axes.imshow(
        values, aspect="auto", cmap="cividis", vmin=0, vmax=1, interpolation="nearest",
        extent=(epochs[0] - 0.5, epochs[-1] + 0.5, len(layers) - 0.5, -0.5),
    )  # fmt: skip
    axes.set_yticks(range(len(layers)), [literal(name) for name in layers])
    axes.tick_params(axis="y", labelsize=min(7, 150 / len(layers)))
    axes.set_title("share of each layer that is zero")
    axes.set_xlabel("epoch")
    _whole(axes)
    part.colorbar(image, ax=axes)
