"""The picture of a network's channels."""

import xml.etree.ElementTree as ET

import pytest

from mobilekit.report.graph import (
    ChannelGroup,
    ChannelMap,
    ChannelNode,
    Part,
    document,
    prunable,
    svg,
)

SVG = "{http://www.w3.org/2000/svg}"
PINNED = ("an output of the network",)


def layer(name: str, group: int, sources: tuple[int, ...], **more: object) -> ChannelNode:
    return ChannelNode(
        "layer", name, "convolution", (1, 8, 4, 4), sources, 8, 8, parts=(Part(group, 8),), **more
    )


RESIDUAL = ChannelMap(
    nodes=(
        ChannelNode("input", "image", shape=(1, 3, 4, 4)),
        layer("stem", 0, (0,)),
        layer("body", 0, (1,)),
        ChannelNode("join", "add", "net.py:9", (1, 8, 4, 4), (1, 2)),
        ChannelNode(
            "layer", "head<b>", "addmm", (1, 5), (3,), 5, 0, "pinned", PINNED[0], (Part(1, 5),)
        ),
        ChannelNode("output", "output 0", shape=(1, 5), sources=(4,)),
    ),
    groups=(
        ChannelGroup("stem", 8, ("stem", "body"), (), ("normalized over channels",)),
        ChannelGroup("head<b>", 5, ("head<b>",), PINNED, ()),
    ),
)


def boxes(channels: ChannelMap) -> list[ET.Element]:
    return ET.fromstring(svg("net", channels)).findall(f"{SVG}g")  # noqa: S314  our own


def test_every_node_is_a_box_with_name_shape_and_channels() -> None:
    words = [[text.text for text in box.iter(f"{SVG}text")] for box in boxes(RESIDUAL)]
    assert [name for name, _ in words] == ["image", "stem", "body", "add", "head<b>", "output 0"]
    assert words[1][1] == "convolution · 1×8×4×4 · 8 channels"
    assert words[3][1] == "net.py:9 · 1×8×4×4"


def test_one_group_has_one_colour_and_another_has_another() -> None:
    fills = [box.find(f"{SVG}rect").get("fill") for box in boxes(RESIDUAL)]
    assert fills[1] == fills[2]
    assert len({fills[0], fills[1], fills[4]}) == 3


def test_what_stays_is_hatched_and_says_why() -> None:
    hatched = {
        box.find(f"{SVG}title").text: "url(#pinned)" in {part.get("fill") for part in box}
        for box in boxes(RESIDUAL)
    }
    (held,) = [text for text, is_hatched in hatched.items() if is_hatched]
    assert held == "head<b>\npinned (an output of the network)"
    (stem,) = [text for text in hatched if text.startswith("stem")]
    assert "8 channels together with body" in stem
    assert "dead ones stay: normalized over channels" in stem


def test_every_edge_is_an_arrow() -> None:
    root = ET.fromstring(svg("net", RESIDUAL))  # noqa: S314
    paths = [path.get("d") for path in root.findall(f"{SVG}path")]
    assert len(paths) == sum(len(node.sources) for node in RESIDUAL.nodes) == 6
    assert sum("H" in path for path in paths) == 1  # stem → add, past the body


def test_lines_that_run_side_by_side_have_lanes_of_their_own() -> None:
    nodes = (
        ChannelNode("input", "image"),
        *(layer(f"conv{n}", 0, (n,)) for n in range(4)),
        ChannelNode("join", "cat", sources=(1, 2, 3, 4)),
    )
    root = ET.fromstring(svg("dense", ChannelMap(nodes, RESIDUAL.groups)))  # noqa: S314
    bends = [path.get("d") for path in root.findall(f"{SVG}path") if "H" in path.get("d", "")]
    assert len(bends) == len({bend.partition("H")[2].partition("V")[0] for bend in bends}) == 3


def test_an_operator_without_a_rule_stands_out() -> None:
    unknown = ChannelNode("unknown", "fft", "net.py:3", sources=(0,), why="no rule for fft")
    (_, box) = boxes(ChannelMap((RESIDUAL.nodes[0], unknown), ()))
    assert box.find(f"{SVG}title").text == "fft\nno rule for fft"
    assert box.findall(f"{SVG}rect")[-1].get("stroke") == "#b3261e"


def test_the_page_loads_nothing_and_escapes_everything() -> None:
    page = document("<script>", RESIDUAL)
    assert "<script" not in page
    assert page.count("http") == page.count("http://www.w3.org/2000/svg")
    assert "head&lt;b&gt;" in page


def test_long_names_keep_both_ends() -> None:
    name = ".".join(["blocks"] * 30)
    box = boxes(ChannelMap((layer(f"first.{name}.last", 0, ()),), RESIDUAL.groups))[0]
    text = box.find(f"{SVG}text").text
    assert len(text) < 70
    assert text.startswith("first.")
    assert text.endswith(".last")
    assert name in box.find(f"{SVG}title").text


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (ChannelNode("layer", "a", channels=4, free=4), "free"),
        (ChannelNode("layer", "a", channels=4, holding="pinned", why="x"), "pinned (x)"),
        (
            ChannelNode("layer", "a", channels=4, free=3, holding="pinned", why="x"),
            "3 of 4 free; pinned (x)",
        ),
        (
            ChannelNode(
                "layer", "a", channels=4, holding="unsupported", why="no rule for fft at n.py:1"
            ),
            "unsupported (fft at n.py:1)",
        ),
    ],
)
def test_whether_channels_can_go(node: ChannelNode, words: str) -> None:
    assert prunable(node) == words
