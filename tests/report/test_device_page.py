import copy
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.core.device_checks import parse_report, read_report
from mobilekit.core.device_figures import ThermalCourse, ThermalSample
from mobilekit.core.device_reports import DeviceReport
from mobilekit.core.errors import ArtifactError
from mobilekit.core.reports import MetricReport
from mobilekit.report import device_page, device_plots, device_table
from mobilekit.report.device_measurements import Measurement, by_kind, from_report
from mobilekit.report.device_regressions import compare

REPORTS = Path(__file__).parents[2] / "apps" / "testdata" / "reports"
VOID = {"meta", "rect", "circle", "path"}


class Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in VOID:
            self.stack.append(tag)
        self.check(attrs)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)
        self.check(attrs)

    def check(self, attrs):
        assert not {"href", "src", "onload"} & {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


def golden(name: str) -> Measurement:
    return from_report(read_report(REPORTS / f"{name}.json"), name, {})


def rated(value: float, slowness: int = 1, size: int = 100) -> Measurement:
    one = golden("ios")
    samples = tuple(slowness * sample for sample in one.inference.samples_ns)
    return msgspec.structs.replace(
        one,
        size_bytes=size,
        inference=msgspec.structs.replace(one.inference, samples_ns=samples, summary=None),
        metric=MetricReport("mean_iou", value, value, 10, "faces"),
    )


def test_the_page_is_balanced_escaped_and_alone():
    odd = msgspec.structs.replace(
        golden("ios"), model="<script>alert(1)</script>", device='a"b<c>', errors=("bad <thing>",)
    )
    found = [odd, golden("android"), golden("emulated"), golden("no-samples"), rated(0.5)]
    text = device_page.render(found, compare(found, found, least=0.05), 0.05)
    parser = Balanced()
    parser.feed(text)
    assert parser.stack == []
    assert "script" not in parser.seen
    assert {"svg", "circle", "path", "table"} <= parser.seen
    assert "http" not in text
    assert "bad &lt;thing&gt;" in text
    assert "Mann–Whitney" in text


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the way to each value of a report."""
    if path:
        yield path
    pairs = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, value in pairs:
        yield from places(value, (*path, key))


PLAIN = {
    name: json.loads((REPORTS / f"{name}.json").read_text())
    for name in ("ios", "android", "no-samples")
}
ODD = st.sampled_from(
    [None, 0, 1, -1, 2**70, 0.5, "", "x", "<b>", [], {}, [0], True, "cpu", "none", "GONE"]
)


def taken(content: bytes) -> DeviceReport | None:
    """Read a report; None for one that is refused as it should be."""
    try:
        return parse_report(content, "r.json")
    except ArtifactError as problem:
        words = str(problem)
    assert words.startswith("r.json: ")
    assert "\n" not in words
    return None


@settings(max_examples=200)
@given(st.sampled_from(sorted(PLAIN)), st.data())
def test_a_changed_report_is_refused_in_one_line_or_drawn(name: str, data: st.DataObject):
    report = copy.deepcopy(PLAIN[name])
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from(list(places(report))))
        node = report
        for key in way:
            node = node[key]
        value = data.draw(ODD)
        if value == "GONE":
            del node[last]
        else:
            node[last] = value
    parsed = taken(json.dumps(report).encode())
    if parsed is None:
        return
    one = from_report(parsed, "r.json", {})
    parser = Balanced()
    parser.feed(device_page.render([one], compare([one], [one], least=0.05), 0.05))
    assert parser.stack == []


def test_kinds_have_sections_of_their_own_and_emulated_times_are_absent():
    text = device_page.render([golden("ios"), golden("emulated")])
    device, emulated = text.split(device_table.TITLES["emulated"])
    assert "iPhone0,0" in device
    assert "cortex-a53" not in device
    assert "cortex-a53" in emulated
    assert " ms" not in emulated
    assert "<svg" not in emulated


def test_a_table_never_holds_two_kinds():
    groups = by_kind([golden("ios"), golden("emulated"), golden("android")])
    assert list(groups) == ["device", "emulated"]
    assert len(groups["device"]) == 2
    assert not any("p50 ms" in row for row in device_table.rows(groups["emulated"]))


def test_rows_have_the_columns():
    [row] = device_table.rows([golden("ios")])
    assert set(row) == set(device_table.COLUMNS)
    assert row["accelerated"] == "90.00 %"
    assert row["heat"] == "none → light"
    assert row["outputs"] == "pass"
    [row] = device_table.rows([golden("no-samples")])
    assert (row["p50 ms"], row["p99 ms"]) == ("3.45", "—")


def test_a_terminal_has_room_for_what_says_anything():
    rows = device_table.rows([golden("no-samples")])
    shown = device_table.narrow("device", rows)
    assert {"model", "p50 ms", "outputs"} <= set(shown)
    assert not {"device", "p99 ms", "metric"} & set(shown)


def test_histograms_hold_every_run_up_to_p99():
    one = golden("ios")
    svg = device_plots.distributions([one])
    heights = [float(h) for h in re.findall(r'<rect [^>]*height="([\d.]+)"', svg)]
    samples = one.inference.samples_ns
    bins = {
        min(s * device_plots.BINS // one.summary.p99_ns, device_plots.BINS - 1) for s in samples
    }  # type: ignore[operator]
    assert len(heights) == len(bins)
    assert max(heights) == 32
    assert device_plots.distributions([golden("no-samples")]) == ""


@pytest.mark.parametrize(
    ("points", "best"),
    [
        ([(0.9, 1, 10), (0.8, 2, 20)], [0]),
        ([(0.9, 2, 10), (0.8, 1, 10)], [0, 1]),
        ([(0.9, 1, 20), (0.9, 1, 10)], [1]),
        ([(0.9, 1, 10), (0.9, 1, 10)], [0, 1]),  # equal ones do not beat each other
        ([(0.5, 3, 30), (0.6, 2, 20), (0.7, 1, 10), (0.4, 4, 5)], [2, 3]),
    ],
)
def test_the_front_is_what_no_other_beats(points, best):
    found = [rated(*point) for point in points]
    assert device_plots.front(found) == tuple(found[index] for index in best)
    assert device_plots.pareto(found).count(f'fill="{device_plots.BLUE}"') == len(best)


def test_heat_needs_moments():
    course = ThermalCourse("none", "severe", "severe")
    assert device_plots.heat(course, 2000.0) == ""
    course = ThermalCourse(
        "none", "severe", "severe", (ThermalSample(0, "none"), ThermalSample(500, "severe"))
    )
    svg = device_plots.heat(course, 2000.0)
    assert "2.0 s" in svg
    assert "severe" in svg
    assert "0.5 s" in device_plots.heat(course, 0.0)


def test_heat_that_stays_is_a_line_to_the_end():
    course = ThermalCourse("none", "none", "none", (ThermalSample(0, "none"),))
    svg = device_plots.heat(course, 60_000.0)
    end = device_plots.WIDTH - device_plots.LEFT
    assert f"H{end:.1f}" in svg
    assert "60.0 s" in svg


def test_operators_are_drawn_by_cost_in_their_unit_s_colour():
    svg = device_plots.operators(golden("ios").per_op)
    widths = [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', svg)]
    assert widths[0] == pytest.approx(3 * widths[1], rel=0.01)  # 0.75 to 0.25
    assert svg.index("ios17.conv") < svg.index("reduce_argmax")
    assert device_plots.UNIT_COLOURS["ane"] in svg
    assert device_plots.operators(()) == ""
