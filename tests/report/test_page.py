import re
from html.parser import HTMLParser

import msgspec

from mobilekit.core.artifact import Failure, Manifest, ModelFile, WeightsOrigin
from mobilekit.core.reports import (
    CostReport,
    DelegationReport,
    InputSetParity,
    LatencyReport,
    LayerCost,
    OperatorTime,
    OutputParity,
    ParityReport,
)
from mobilekit.core.targets import CoremlTarget, TfliteTarget
from mobilekit.core.tensors import TensorSpec
from mobilekit.report import page, tables

VOID = {"meta", "rect", "br"}


class Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        self.seen.add(tag)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):  # noqa: ARG002
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


def manifest(*, weights: WeightsOrigin = "seeded", name: str = "net") -> Manifest:
    exact = OutputParity("logits", 10, 4.0, 0.0, 4.0, 4.0, 0.0, 1.0, 0, 40.0, decided=8, agreed=8)
    rough = OutputParity("logits", 10, 4.0, 4e-6, 4.0, 4.0, 1e-3, 1.0, 0, 30.0, decided=8, agreed=7)
    sets = tuple(
        InputSetParity(word, 2, (row,)) for word, row in (("images", exact), ("noise", rough))
    )
    parity = ParityReport("model.tflite", "tflite", "float32", "tflite", "pass", "", sets)
    latency = LatencyReport(
        "model.tflite", "tflite", "LiteRT", "cpu", 1, 1, (1_000_000, 3_000_000, 2_000_000), 0.5
    )
    spec = (TensorSpec("image", (1, 3, 4, 4), layout="NCHW"),)
    file = ModelFile(
        "model.tflite", TfliteTarget(), "0" * 64, 1234, spec, spec, parity, latency, ("a <note>",)
    )
    cost = CostReport(
        1000,
        1000,
        1010,
        999,
        5_000_000,
        2048,
        (LayerCost("a", "conv2d", (1, 2), 3, 4),),
        {"sort": 2},
    )
    return Manifest(
        1, name, "x.py:f", weights, "2026-01-01T00:00:00+00:00", spec, spec, cost, (file,), "", {}, "photographs",
        failures=(Failure(CoremlTarget(), "coreml: operator <sort> lacks"),),
    )  # fmt: skip


def test_the_page_is_balanced_and_everything_is_escaped():
    profile = DelegationReport(
        "XNNPACK",
        (OperatorTime("n", "Add <x>", delegated=False, samples_ns=(3,)),),
        0,
        ("Add <x>",),
        1.0,
    )
    text = page.render(manifest(name="<script>alert(1)</script>"), {"model.tflite": profile})
    parser = Balanced()
    parser.feed(text)
    assert parser.stack == []
    assert "script" not in parser.seen
    for word in ("&lt;note&gt;", "&lt;sort&gt;", "Add &lt;x&gt;", "fell out of XNNPACK"):
        assert word in text
    assert "http" not in text


def test_untrained_weights_are_labelled_and_trained_ones_are_not():
    assert "UNTRAINED" in page.render(manifest())
    assert "UNTRAINED" not in page.render(manifest(weights="given"))
    made = page.render(manifest(weights="factory"))
    assert "UNTRAINED" not in made
    assert "weights as the factory made them" in made


def test_the_histogram_shows_every_run():
    report = manifest().files[0].latency
    assert report is not None
    heights = [
        float(h) for h in re.findall(r'<rect [^>]*height="([\d.]+)"', page.histogram(report))
    ]
    assert len(heights) == page.BINS
    assert sum(height > 0 for height in heights) == 3


def test_the_export_table_shows_the_worst_set_and_the_failure():
    first, second = tables.export_rows(manifest())
    assert set(first) == set(tables.EXPORT_COLUMNS)
    assert first["SQNR"] == "60.0 dB"  # 10 log10(4 / 4e-6)
    assert first["agreement"] == "93.75 %"  # 15 of 16
    assert first["host ms"] == "2.00"
    assert first["size"] == "1.23 kB"
    assert second["verdict"] == "fail: not converted"


def test_parity_rows_say_exact_where_nothing_differs():
    rows = tables.parity_rows([file.parity for file in manifest().files])
    assert [row["SQNR"] for row in rows] == ["exact", "60.0 dB"]
    assert [row["agreement"] for row in rows] == ["100 %", "87.50 %"]
    assert [row["at least"] for row in rows] == ["40.0 dB", "30.0 dB"]


def test_operators_that_are_not_counted_are_named():
    assert "sort × 2" in tables.cost_note(manifest().cost)


def test_raw_numbers_survive_json():
    before = manifest()
    assert msgspec.json.decode(msgspec.json.encode(before), type=Manifest) == before
