"""Write `schemas/` from the types that the code reads and writes: one contract, typed once."""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from mobilekit.compress.structuring.format import Structure
from mobilekit.core.artifact import Manifest
from mobilekit.core.device_reports import DeviceReport
from mobilekit.profile.tables import LatencyTable

FOLDER = Path(__file__).parents[1] / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
KINDS: dict[str, tuple[type, str]] = {
    "device-report.schema.json": (DeviceReport, "What a device says of a model's run"),
    "manifest.schema.json": (Manifest, "Manifest of a mobilekit artifact"),
    "latency-table.schema.json": (LatencyTable, "Latencies of operators and models on devices"),
    "structure.schema.json": (Structure, "How a smaller network differs from its original"),
}


def schema(kind: type, title: str, name: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a type."""
    found = msgspec.json.schema(kind)
    return {"$schema": DIALECT, "$id": name, "title": title, **found}


def main() -> int:
    """Write the schemas, or with `--check` say whether they are current."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, (kind, title) in KINDS.items():
        text = json.dumps(schema(kind, title, name), indent=2, ensure_ascii=False) + "\n"
        path = FOLDER / name
        if check and (not path.is_file() or path.read_text() != text):
            stale.append(name)
        elif not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    if stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run `make schemas`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
