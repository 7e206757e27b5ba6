import os
import stat
import time
from pathlib import Path

import pytest

from mobilekit.core.errors import MachineError, RuntimeUnavailableError
from mobilekit.profile import external

SLOW = """#!/bin/sh
trap '' INT
sleep 60 &
echo $! > "$MARK"
wait
sleep 60
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a program called adb."""

    def make(text: str) -> Path:
        path = tmp_path / "adb"
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return tmp_path / "mark"

    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    return make


def test_what_it_says_comes_back(tool):
    tool("#!/bin/sh\nprintf 'a\\377b'; echo oh >&2; exit 3\n")
    done = external.call(["adb"], timeout_s=10, what="trying")
    assert (done.code, done.stdout, done.stderr) == (3, b"a\xffb", "oh\n")
    assert done.words == "oh a\ufffdb"


def test_a_tool_that_does_not_end_is_ended_with_all_that_it_started(tool, monkeypatch):
    monkeypatch.setattr(external, "GRACE_S", 0.3)
    mark = tool(SLOW)
    started = time.monotonic()
    with pytest.raises(MachineError, match=r"^adb: trying took longer than 0\.5 s and was ended"):
        external.call(["adb"], timeout_s=0.5, what="trying")
    assert time.monotonic() - started < 10
    assert gone(int(mark.read_text()))


def gone(process: int) -> bool:
    """Say whether a process has ended; a zombie that nobody waits for counts."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_missing_tool_is_the_machine_s(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeUnavailableError, match="xcrun: is not on PATH"):
        external.call(["xcrun"], timeout_s=1, what="trying")
