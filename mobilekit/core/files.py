"""How a file or a folder comes to be: whole, or not at all."""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mobilekit.core.errors import OutputError

_CHUNK_BYTES = 1 << 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # Linux, renameat2(2)
_RENAME_SWAP = 2  # macOS, renamex_np(2)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically: a reader sees the old file or the new one.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, atomically."""
    write_bytes(path, content.encode())


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` which takes its place when the block ends well.

    The former folder stays untouched until then. When the block raises, or the process is
    killed, the former folder is still there; leftovers of killed runs are cleared by the next one.

    Raises:
        OutputError: the parent cannot be written, or the disk is full.
    """
    if folder.is_symlink():
        folder = folder.resolve()  # what it points to is replaced, the link stays
    with explained(folder):
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder}: is a file; name a folder")
        made = [parent for parent in folder.parents if not parent.exists()]
        folder.parent.mkdir(parents=True, exist_ok=True)
        _recover(folder)
        fresh = folder.parent / f".{folder.name}.new-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            fresh.mkdir()
            fresh.chmod(0o755)
            yield fresh
            _swap(fresh, folder)
        except OutputError as problem:
            raise OutputError(str(problem).replace(str(fresh), str(folder))) from problem
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
            for parent in made:
                with contextlib.suppress(OSError):  # not empty: the folder came to be
                    parent.rmdir()


def sha256(path: Path) -> str:
    """Return the hex digest of a file, or of a folder's relative names and contents in order."""
    digest = hashlib.sha256()
    parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for part in parts:
        if path.is_dir():
            digest.update(part.relative_to(path).as_posix().encode() + b"\0")
        with part.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def size_bytes(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    if path.is_dir():
        return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
    return path.stat().st_size


@contextlib.contextmanager
def explained(path: Path, *, whole: bool = True) -> Iterator[None]:
    """Turn the operating system's refusal to write `path` into one clear line.

    What says nothing of files passes: a pipe that was closed, a connection, a time that ran out.

    Args:
        path: that is written.
        whole: it is replaced as a whole or not at all, so that nothing there has changed.

    Raises:
        OutputError: the disk is full, a file would be too large, a permission is missing, ...
    """
    try:
        yield
    except (ConnectionError, TimeoutError, InterruptedError):  # a closed pipe is the first of them
        raise
    except OSError as error:
        if error.errno is None:
            raise
        raise OutputError(
            f"{path}: {_refused(error, path)}{'; nothing there was changed' if whole else ''}"
        ) from error


def _refused(error: OSError, path: Path) -> str:
    """Say why a path cannot be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "the disk is full"
    if error.errno == errno.EFBIG:
        return "a file grows larger than the system allows (see ulimit -f); raise the limit"
    what = str(error.strerror or error)
    if error.filename is None or _below(str(error.filename), path):
        return f"cannot be written ({what})"
    return f"cannot be written ({what}: {error.filename})"


def _below(name: str, path: Path) -> bool:
    """Say whether a name is a path, lies in it, or in what stands for it while it is written."""
    return any(path.name in part for part in Path(name).parts)


def _swap(fresh: Path, folder: Path) -> None:
    """Put `fresh` where `folder` is: one atomic exchange where the system has one.

    Elsewhere it takes two renames, and `_recover` undoes a kill between them.
    """
    if not folder.exists():
        fresh.rename(folder)
        return
    if _exchange(fresh, folder):
        return  # the former one now lies at `fresh`, which the caller clears
    former = folder.parent / f".{folder.name}.former"
    folder.rename(former)
    fresh.rename(folder)
    shutil.rmtree(former, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two paths atomically; False where the system cannot."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "linux" and hasattr(libc, "renameat2"):
        return bool(libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        return bool(libc.renamex_np(names[0], names[1], _RENAME_SWAP) == 0)
    return False


def _recover(folder: Path) -> None:
    """Undo a swap that a kill cut in half, and clear the leftovers of dead processes."""
    former = folder.parent / f".{folder.name}.former"
    if former.exists():
        if folder.exists():
            shutil.rmtree(former, ignore_errors=True)
        else:
            former.rename(folder)
    for leftover in folder.parent.glob(f".{folder.name}.new-*"):
        owner = leftover.name.split(".new-", 1)[1].split("-", 1)[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
