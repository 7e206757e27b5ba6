import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mobilekit.core import files
from mobilekit.core.errors import OutputError


def test_write_bytes_replaces_the_whole_content(tmp_path: Path):
    path = tmp_path / "a" / "x.bin"
    files.write_bytes(path, b"old content")
    files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["x.bin"]


def test_replacing_swaps_a_folder_and_leaves_nothing_behind(tmp_path: Path):
    target = tmp_path / "artifact"
    target.mkdir()
    (target / "old").write_text("old")
    with files.replacing(target) as fresh:
        (fresh / "new").write_text("new")
        assert (target / "old").exists()
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["artifact"]


def test_replacing_keeps_the_former_folder_when_the_block_raises(tmp_path: Path):
    target = tmp_path / "artifact"
    target.mkdir()
    (target / "old").write_text("old")

    def fail():
        with files.replacing(target) as fresh:
            (fresh / "half").write_text("half")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        fail()
    assert [p.name for p in target.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["artifact"]


def test_what_cannot_be_written_is_named_where_it_was_to_be(tmp_path: Path):
    target = tmp_path / "artifact"

    def fill() -> None:
        with files.replacing(target) as fresh:
            (fresh / "golden").write_text("a file")
            files.write_text(fresh / "golden" / "x", "inside")

    with pytest.raises(OutputError) as caught:
        fill()
    assert str(target / "golden" / "x") in str(caught.value)


def test_replacing_without_an_exchange_uses_renames(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(files, "_exchange", lambda _one, _other: False)
    target = tmp_path / "artifact"
    target.mkdir()
    with files.replacing(target) as fresh:
        (fresh / "new").write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["artifact"]
    assert (target / "new").exists()


def test_a_swap_cut_between_its_renames_is_undone(tmp_path: Path):
    former = tmp_path / ".artifact.former"
    former.mkdir()
    (former / "old").write_text("old")
    with pytest.raises(KeyError), files.replacing(tmp_path / "artifact"):
        raise KeyError
    assert (tmp_path / "artifact" / "old").read_text() == "old"


def test_leftovers_of_killed_processes_are_cleared(tmp_path: Path):
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from mobilekit.core.files import replacing
        with replacing(Path(sys.argv[1])) as fresh:
            (fresh / "half").write_text("half")
            print("ready", flush=True)
            time.sleep(60)
        """
    )
    target = tmp_path / "artifact"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not target.exists()
    assert list(tmp_path.iterdir())
    time.sleep(0.01)
    with files.replacing(target) as fresh:
        (fresh / "whole").write_text("whole")
    assert [p.name for p in tmp_path.iterdir()] == ["artifact"]


def test_a_path_below_a_file_is_one_clear_line(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        files.write_bytes(tmp_path / "file" / "x", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_one_clear_line():
    path = Path("/dev/full")

    def fill():
        with files.explained(path), path.open("wb") as stream:
            stream.write(b"x" * 10)

    with pytest.raises(OutputError, match="disk is full"):
        fill()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (
            errno.EFBIG,
            r"a file grows larger than the system allows \(see ulimit -f\); raise the limit",
        ),
        (errno.ENOSPC, "the disk is full"),
        (errno.EIO, r"cannot be written \(Input/output error\)"),
        (errno.ENAMETOOLONG, r"cannot be written \(File name too long\)"),
        (errno.EMFILE, r"cannot be written \(Too many open files\)"),
        (errno.EACCES, r"cannot be written \(Permission denied\)"),
    ],
)
def test_every_refusal_is_one_line_with_the_path(number: int, words: str, *, whole: bool):
    end = "; nothing there was changed" if whole else ""
    with (
        pytest.raises(OutputError, match=rf"\Aout/net: {words}{end}\Z") as caught,
        files.explained(Path("out/net"), whole=whole),
    ):
        raise OSError(number, os.strerror(number))
    assert caught.value.exit_code == 3


def test_a_file_elsewhere_is_named():
    with (
        pytest.raises(OutputError, match=r"out/net: cannot be written \(No such file .*: /tmp/x\)"),
        files.explained(Path("out/net")),
    ):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/tmp/x")  # noqa: S108


def test_what_says_nothing_of_files_passes():
    for problem in (
        BrokenPipeError(errno.EPIPE, "pipe"),
        TimeoutError("late"),
        OSError("no number"),
    ):
        with pytest.raises(type(problem)) as caught, files.explained(Path("out/net")):
            raise problem
        assert caught.value is problem


def test_a_file_that_may_not_grow_is_one_clear_line(tmp_path: Path):
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, former[1]))
    try:
        with pytest.raises(OutputError, match="see ulimit -f"):
            files.write_bytes(tmp_path / "x", b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert not list(tmp_path.iterdir())


def test_sha256_of_a_folder_depends_on_names_and_contents(tmp_path: Path):
    (tmp_path / "a").write_text("1")
    first = files.sha256(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = files.sha256(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, files.sha256(tmp_path)}) == 3
    assert files.size_bytes(tmp_path) == 1


def test_replacing_a_link_replaces_what_it_points_to(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "old").write_text("1")
    (tmp_path / "link").symlink_to("real")
    with files.replacing(tmp_path / "link") as fresh:
        (fresh / "new").write_text("2")
    assert (tmp_path / "link").is_symlink()
    assert [p.name for p in (tmp_path / "real").iterdir()] == ["new"]
    assert {p.name for p in tmp_path.iterdir()} == {"real", "link"}
