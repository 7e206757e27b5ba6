"""The channels of a network as a picture: layers in run order, coloured by what lives and dies together."""

from collections.abc import Sequence
from html import escape
from typing import Literal

import msgspec

from mobilekit.core.reports import LayerCoverage

NodeKind = Literal["input", "layer", "join", "unknown", "output"]
Holding = Literal["free", "pinned", "unsupported"]

ROW, BOX, WIDTH, LANE, MARGIN, HEAD = 52, 38, 460, 10, 24, 56
LETTERS = 66
"""What fits into a box at its size of letters."""
_SMALL = 260
_TURN = 137.508
"""Degrees between the hues of neighbouring groups: the golden angle, so that none come close."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many channels of a layer belong to one group."""

    group: int
    """Its place in `ChannelMap.groups`."""
    channels: int


class ChannelNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A layer that makes channels, or a place where several meet, in the order of the run."""

    kind: NodeKind
    """`join`: an operator that reads several; `unknown`: one without a rule."""
    name: str
    operator: str = ""
    shape: tuple[int, ...] = ()
    """Of what it makes."""
    sources: tuple[int, ...] = ()
    """Places in `ChannelMap.nodes` of what it reads."""
    channels: int = 0
    free: int = 0
    """How many of the channels can go."""
    holding: Holding = "free"
    """What holds those that cannot."""
    why: str = ""
    parts: tuple[Part, ...] = ()


class ChannelGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Channels that live or die together, layer by layer."""

    name: str
    """Of the first layer that makes them."""
    channels: int
    layers: tuple[str, ...]
    pins: tuple[str, ...]
    """Why they stay; empty for channels that can go."""
    inexact: tuple[str, ...]
    """Why dead ones stay: the removal of one changes others."""


class ChannelMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which channels a network has, and what holds them together."""

    nodes: tuple[ChannelNode, ...]
    groups: tuple[ChannelGroup, ...]
    others: tuple[LayerCoverage, ...] = ()
    """Layers that do not run, or whose weights are not used as they are."""


def prunable(node: ChannelNode) -> str:
    """Say whether a layer's channels can go.

    >>> prunable(ChannelNode("layer", "head", channels=5, holding="pinned", why="an output"))
    'pinned (an output)'
    >>> prunable(ChannelNode("layer", "stem", channels=16, free=16))
    'free'
    """
    if node.holding == "free":
        return "free"
    held = f"{node.holding} ({node.why.removeprefix('no rule for ')})"
    return f"{node.free} of {node.channels} free; {held}" if node.free else held


def counts(channels: ChannelMap) -> tuple[int, int]:
    """Return how many channels can go, and how many there are; those of a shared layer count once."""
    layers = {node.name: node for node in channels.nodes if node.kind == "layer"}.values()
    return sum(node.free for node in layers), sum(node.channels for node in layers)


def document(title: str, channels: ChannelMap) -> str:
    """Return the picture in an HTML page."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"</head><body>{svg(title, channels)}</body></html>\n"
    )


def svg(title: str, channels: ChannelMap) -> str:
    """Draw the layers from top to bottom in the order of the run; nothing is loaded from elsewhere.

    Boxes are coloured by group, and hatched where channels must stay; the reason is the tooltip. An
    arrow to the next row is straight; what goes further down leaves to the right, one line per source.
    """
    nodes = channels.nodes
    lanes = _lanes(nodes)
    width = MARGIN * 2 + WIDTH + LANE * (max(lanes.values(), default=-1) + 3)
    height = MARGIN * 2 + HEAD + ROW * len(nodes)
    free, total = counts(channels)
    legend = (
        f"{len(channels.groups)} groups; {free:,} of {total:,} channels can go.",
        "One colour: they live or die together. Hatched: they stay; hover for why.",
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>{_PATTERNS}",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{MARGIN}" y="{MARGIN}" font-size="15" font-weight="600">{escape(title)}</text>',
        *(
            f'<text x="{MARGIN}" y="{MARGIN + 18 + 14 * line}" font-size="11" fill="#5b6470">{text}</text>'
            for line, text in enumerate(legend)
        ),
        *(_arrows(nodes, index, lanes.get(index)) for index in range(len(nodes))),
        *(_box(channels, index) for index in range(len(nodes))),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


_PATTERNS = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
    ' orient="auto"><path d="M0 0L8 4L0 8z" fill="#4a5361"/></marker>'
    + "".join(
        f'<pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse"'
        f' patternTransform="rotate(45)"><rect width="2" height="6" fill="{colour}"/></pattern>'
        for name, colour in (("pinned", "#1d21264d"), ("unsupported", "#b3261e80"))
    )
    + "</defs>"
)


def _middle(row: int) -> float:
    return MARGIN + HEAD + ROW * row + BOX / 2


def _width(node: ChannelNode) -> int:
    return WIDTH if node.kind == "layer" else _SMALL


def _right(node: ChannelNode) -> float:
    return MARGIN + (WIDTH + _width(node)) / 2


def _targets(nodes: Sequence[ChannelNode], source: int) -> list[int]:
    return [row for row, node in enumerate(nodes) if source in node.sources]


def _lanes(nodes: Sequence[ChannelNode]) -> dict[int, int]:
    """Give each source that is read further down a line of its own, as near to the boxes as is free."""
    ends: list[int] = []
    found = {}
    for source in range(len(nodes)):
        far = [row for row in _targets(nodes, source) if row > source + 1]
        if not far:
            continue
        lane = next((n for n, end in enumerate(ends) if end < source), len(ends))
        ends[lane : lane + 1] = [max(far)]
        found[source] = lane
    return found


def _arrows(nodes: Sequence[ChannelNode], source: int, lane: int | None) -> str:
    """Draw what leaves one box."""
    pen = 'fill="none" stroke="#4a5361" stroke-width="1.2"'
    drawn = []
    for row in _targets(nodes, source):
        if row == source + 1:
            x, start, end = MARGIN + WIDTH / 2, _middle(source) + BOX / 2, _middle(row) - BOX / 2
            path = f"M{x:g} {start:g}V{end:g}"
        else:
            x = MARGIN + WIDTH + LANE * ((lane or 0) + 2)
            path = (
                f"M{_right(nodes[source]):g} {_middle(source) + 8:g}H{x:g}"
                f"V{_middle(row) - 8:g}H{_right(nodes[row]):g}"
            )
        drawn.append(f'<path d="{path}" {pen} marker-end="url(#tip)"/>')
    return "".join(drawn)


def _box(channels: ChannelMap, index: int) -> str:
    node = channels.nodes[index]
    width, top = _width(node), _middle(index) - BOX / 2
    left = MARGIN + (WIDTH - width) / 2
    second = " · ".join(
        part
        for part in (
            node.operator,
            "×".join(map(str, node.shape)),
            f"{node.channels} channels" if node.channels else "",
        )
        if part
    )
    centre = MARGIN + WIDTH / 2
    return (
        f"<g><title>{escape(_tooltip(channels, node))}</title>"
        f"{_fill(channels, node, left, top)}"
        f'<rect x="{left:g}" y="{top:g}" width="{width}" height="{BOX}" rx="4" fill="none"'
        f' stroke="{"#b3261e" if node.kind == "unknown" else "#4a5361"}"/>'
        f'<text x="{centre:g}" y="{top + 16:g}" text-anchor="middle" font-weight="600">'
        f"{escape(_short(node.name, LETTERS * width // WIDTH))}</text>"
        f'<text x="{centre:g}" y="{top + 31:g}" text-anchor="middle" font-size="11">'
        f"{escape(_short(second, LETTERS * width // WIDTH))}</text></g>"
    )


def _fill(channels: ChannelMap, node: ChannelNode, left: float, top: float) -> str:
    """Paint a box: a stripe per group, as wide as its share, hatched where it stays."""
    if not node.parts:
        plain = "#fdecea" if node.kind == "unknown" else "#eef0f3"
        return _rectangle(left, top, _width(node), plain)
    painted = []
    total = sum(part.channels for part in node.parts)
    for part in node.parts:
        width = _width(node) * part.channels / total
        hue = part.group * _TURN % 360
        painted.append(_rectangle(left, top, width, f"hsl({hue:.0f},70%,82%)"))
        if channels.groups[part.group].pins:
            kind = "unsupported" if node.holding == "unsupported" else "pinned"
            painted.append(_rectangle(left, top, width, f"url(#{kind})"))
        left += width
    return "".join(painted)


def _rectangle(left: float, top: float, width: float, fill: str) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top:g}" width="{width:.1f}" height="{BOX}" rx="4"'
        f' fill="{fill}"/>'
    )


def _tooltip(channels: ChannelMap, node: ChannelNode) -> str:
    lines = [node.name]
    if node.kind == "layer":
        lines.append(prunable(node))
    elif node.why:
        lines.append(node.why)
    for part in node.parts:
        group = channels.groups[part.group]
        others = [layer for layer in group.layers if layer != node.name]
        if others:
            lines.append(f"{part.channels} channels together with {', '.join(others)}")
        lines += [f"dead ones stay: {why}" for why in group.inexact]
    return "\n".join(lines)


def _short(text: str, letters: int) -> str:
    """Shorten in the middle: both ends of a path tell layers apart."""
    if len(text) <= letters:
        return text
    half = (letters - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
