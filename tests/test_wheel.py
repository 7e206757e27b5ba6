"""The package works outside the checkout: what it reads at run time lies in the wheel."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_data_and_command(tmp_path: Path):
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation",
            "--quiet", "--wheel-dir", str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith("entry_points.txt"))
        assert b"mobilekit = mobilekit.cli:main" in archive.read(metadata)
    assert "mobilekit/nets/catalog.json" in names
    assert "mobilekit/py.typed" in names
    trained = {p.relative_to(ROOT) for p in (ROOT / "models").glob("*/weights.safetensors")}
    assert {f"mobilekit/{path.as_posix()}" for path in trained} <= set(names)
    sources = {p.relative_to(ROOT).as_posix() for p in (ROOT / "mobilekit").rglob("*.py")}
    assert sources <= set(names)
    assert not any(name.startswith(("tests/", "benchmarks/", "build/")) for name in names)
