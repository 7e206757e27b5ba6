"""Android's `adb`: which phone, and what can go wrong between here and there."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from mobilekit.core.errors import MachineError, MobilekitError, UsageError, suggestion
from mobilekit.profile import external
from mobilekit.profile.external import Done

SHORT_S, PUSH_S, INSTALL_S = 20.0, 180.0, 300.0
_LOST = re.compile(
    r"device '.*' not found|no devices/emulators found|device offline|error: closed|device still connecting"
    r"|connection reset|protocol fault|couldn't read from device|failed to read response",
    re.IGNORECASE,
)


class Attached(NamedTuple):
    """One line of `adb devices -l`."""

    serial: str
    state: str
    """device, unauthorized, offline, no permissions, …"""
    model: str


class Adb:
    """One phone; every call has an end."""

    def __init__(self, serial: str) -> None:
        self.serial = serial

    def call(self, *arguments: str, what: str, timeout_s: float = SHORT_S) -> Done:
        """Run adb for this phone, whatever it answers.

        Raises:
            MachineError: the phone is gone, refuses this computer, or takes too long.
        """
        done = external.call(["adb", "-s", self.serial, *arguments], timeout_s=timeout_s, what=what)
        if done.code != 0:
            if "unauthorized" in done.stderr:
                raise _refused(self.serial, "unauthorized")
            if _LOST.search(done.stderr) or self._gone():
                raise _lost(self.serial, what)
        return done

    def check_there(self, what: str) -> None:
        """Make sure that the phone is still there: a shell that loses it may end with 0, and without a word.

        Raises:
            MachineError: it is gone.
        """
        if self._gone():
            raise _lost(self.serial, what)

    def _gone(self) -> bool:
        """Say whether the phone is gone: a shell that loses it ends without a word."""
        words = ["adb", "-s", self.serial, "get-state"]
        done = external.call(words, timeout_s=SHORT_S, what="looking for the phone")
        return done.text.strip() != "device"

    def shell(self, command: str, *, what: str, timeout_s: float = SHORT_S) -> str:
        """Run a shell command on the phone and return what it printed.

        Raises:
            MachineError: it failed.
        """
        return self.checked("shell", command, what=what, timeout_s=timeout_s).text

    def checked(self, *arguments: str, what: str, timeout_s: float = SHORT_S) -> Done:
        """Run adb, which must succeed.

        Raises:
            MachineError: it did not.
        """
        done = self.call(*arguments, what=what, timeout_s=timeout_s)
        if done.code != 0:
            raise MachineError(f"{self.serial}: {what} failed ({done.words})")
        return done

    def push(self, path: Path, place: str) -> None:
        """Copy a file to the phone."""
        what = f"pushing {path.name}"
        self.checked("push", str(path), place, what=what, timeout_s=PUSH_S)

    def read(self, place: str) -> bytes | None:
        """Return a file's content, or None where there is no such file."""
        done = self.call(
            "exec-out", f"cat {shlex.quote(place)} 2>/dev/null", what=f"reading {place}"
        )
        return done.stdout if done.code == 0 and done.stdout else None

    def remove(self, place: str) -> None:
        """Remove what we put on the phone, if it can still be reached."""
        self.tidy("shell", f"rm -rf {shlex.quote(place)}")

    def tidy(self, *arguments: str) -> None:
        """Run adb to tidy up: what cannot be tidied because the phone is gone is left."""
        try:
            self.call(*arguments, what="tidying up")
        except MobilekitError:
            return


def attached() -> tuple[Attached, ...]:
    """Return the phones and emulators that adb sees.

    Raises:
        RuntimeUnavailableError: adb is not installed.
        MachineError: it fails.
    """
    done = external.call(["adb", "devices", "-l"], timeout_s=SHORT_S, what="listing devices")
    if done.code != 0:
        raise MachineError(f"adb: listing devices failed ({done.words})")
    return tuple(_read(line) for line in done.text.splitlines() if _is_device(line))


def choose(serial: str | None) -> Adb:
    """Return the phone that is meant: the one of a serial number, or the only one.

    Raises:
        UsageError: several, or none of that number.
        MachineError: none at all, or one that cannot be used yet.
    """
    found = attached()
    if not found:
        raise MachineError(
            "adb: no Android device; connect one by USB, with USB debugging on in its developer options"
        )
    serials = [one.serial for one in found]
    if serial is None and len(found) > 1:
        listed = ", ".join(f"{one.serial} ({one.model or one.state})" for one in found)
        raise UsageError(
            f"--serial: {len(found)} Android devices are attached; name one of {listed}"
        )
    if serial is not None and serial not in serials:
        raise UsageError(
            f"--serial {serial}: no such Android device; attached: {', '.join(serials)}."
            f"{suggestion(serial, serials)}"
        )
    [one] = [one for one in found if serial in {None, one.serial}]
    if one.state != "device":
        raise _refused(one.serial, one.state)
    return Adb(one.serial)


def _is_device(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("List of devices", "*", "adb server"))


def _read(line: str) -> Attached:
    serial, _, rest = line.strip().partition(" ") if " " in line else line.strip().partition("\t")
    rest = rest.strip()
    state = "no permissions" if rest.startswith("no permissions") else rest.partition(" ")[0]
    model = re.search(r"\bmodel:(\S+)", rest)
    return Attached(serial, state, model[1] if model else "")


def _lost(serial: str, what: str) -> MachineError:
    return MachineError(
        f"{serial}: the connection was lost while {what}; plug the phone in again, and start again"
    )


def _refused(serial: str, state: str) -> MachineError:
    advice = {
        "unauthorized": "unlock the phone, and allow USB debugging for this computer",
        "offline": "it does not answer; plug it in again",
        "no permissions": "the system keeps it from you; see adb's udev rules",
        "authorizing": "it is still connecting; try again",
    }
    return MachineError(f"{serial}: {state}; {advice.get(state, 'it must be in state `device`')}")
