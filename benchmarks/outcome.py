"""What every benchmark shares: its command line, its result printed and written, its exit code."""

import argparse
import json
import os
from pathlib import Path


def parser(doc: str) -> argparse.ArgumentParser:
    """Make the command line of a benchmark from its docstring."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the result here")
    return made


def load() -> float:
    """Return the machine's load average over the last minute."""
    return round(os.getloadavg()[0], 2)


def finish(result: dict[str, object], file: Path | None) -> int:
    """Print the result, write it where asked; 0 when its bar is met, else 1."""
    text = json.dumps(result, indent=2)
    print(text)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    return 0 if result["met"] else 1
