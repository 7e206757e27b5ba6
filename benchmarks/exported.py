"""The LiteRT file that a benchmark measures, exported where it is not an artifact yet."""

import subprocess
import sys
from pathlib import Path


def floats(reference: str, scratch: Path, *more: str) -> Path:
    """Return the float32 LiteRT file of a network.

    Args:
        reference: a network as for `export`, or an artifact's folder.
        scratch: folder for the export; it need not be there.
        more: further words of `export`.
    """
    folder = Path(reference)
    if not (folder / "manifest.json").is_file():
        line = [sys.executable, "-m", "mobilekit", "export", reference, "--to", "tflite", "--quiet"]
        line += ["--runs", "0", *more, "--out", str(scratch)]
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
        folder = scratch
    return folder / "model.tflite"
