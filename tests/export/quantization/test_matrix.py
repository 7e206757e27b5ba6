"""Every form of the support table on every network: made, loaded by its runtime, verified. Takes hours."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
NETS = (
    "torchvision:mobilenet_v2", "torchvision:resnet18", "torchvision:efficientnet_b0", "unet",
    "mobile-hourglass:f32t6", "dfbuster:full", "torchvision:vit_b_16",
)  # fmt: skip
LARGEST = 1.025
"""Weights over what their form needs: LiteRT's zero points of 4-bit weights are beyond 1.02."""


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("net", NETS)
def test_every_form_is_made_and_passes(net: str, tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    script = BENCHMARKS / "quantization_bytes.py"
    subprocess.run(  # its own bar, on whole files, is not this test's
        [sys.executable, str(script), "--nets", net, "--json", str(out)],
        capture_output=True,
        check=False,
    )
    rows = json.loads(out.read_text())["rows"]
    assert len(rows) >= 14
    for row in rows:
        assert row.get("verdict") == "pass", row
        assert row["buffers"] <= LARGEST, row
