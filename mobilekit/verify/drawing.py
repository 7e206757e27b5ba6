"""The error along a file as a picture."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.core import files

if TYPE_CHECKING:
    from mobilekit.verify.layerwise import LayerError, LayerFinding

SMALLEST = 1e-9
"""Relative errors below this are drawn as this: a logarithm knows no zero."""


def draw(finding: "LayerFinding", path: Path, title: str) -> None:
    """Draw relative L2 errors over the operators of a file, on a logarithmic scale.

    Args:
        finding: what to draw; the operator where the error rises is marked.
        path: `.svg` or `.png`.
        title: above the picture.

    Raises:
        OutputError: the path cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    compared = [layer for layer in finding.layers if layer.state != "unmatched"]
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.add_subplot()
    places = [layer.index for layer in compared]
    axes.plot(places, [_height(layer) for layer in compared], marker=".", label="error")
    axes.plot(places, [layer.bound for layer in compared], linestyle="--", label="bound")
    axes.set_yscale("log")
    if finding.rise is not None:
        rise = finding.rise
        axes.axvline(rise.index, color="tab:red", linewidth=1)
        where = f"\n{rise.module}" if rise.module else ""
        axes.annotate(
            f"{rise.operator}{where}",
            (rise.index, _height(rise)),
            textcoords="offset points",
            xytext=(6, 6),
            color="tab:red",
        )
    axes.set_xlabel("operator")
    axes.set_ylabel("relative L2 error")
    axes.set_title(title)
    axes.legend(loc="lower right")
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "mobilekit"}):
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(buffer, format=path.suffix.removeprefix("."), metadata=metadata)
    files.write_bytes(path, buffer.getvalue())


def _height(layer: "LayerError") -> float:
    return max(layer.relative_l2, SMALLEST)
