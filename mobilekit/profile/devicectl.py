"""Apple's `xcrun devicectl`: which phone, and what can go wrong between here and there."""

import re
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from mobilekit.core.errors import MachineError, UsageError, suggestion
from mobilekit.profile import external
from mobilekit.profile.external import Done

SHORT_S, COPY_S = 60.0, 180.0
_LOCKED = re.compile(r"reason: Locked|could not be, unlocked|BSErrorCodeDescription = Locked")
_GONE = re.compile(
    r"device was not found|not connected|disconnected|tunnel|connection was (?:lost|interrupted)"
    r"|CoreDeviceError error (?:1000|4000)\b",
    re.IGNORECASE,
)


class DeviceProperties(msgspec.Struct, frozen=True, rename="camel"):
    """Of the system on it."""

    name: str = ""
    os_version_number: str = ""
    os_build_update: str = ""
    developer_mode_status: str = ""


class HardwareProperties(msgspec.Struct, frozen=True, rename="camel"):
    """Of the phone itself."""

    udid: str = ""
    platform: str = ""
    product_type: str = ""
    marketing_name: str = ""


class ConnectionProperties(msgspec.Struct, frozen=True, rename="camel"):
    """How it is reached."""

    tunnel_state: str = ""
    pairing_state: str = ""


class Phone(msgspec.Struct, frozen=True, rename="camel"):
    """One device of `devicectl list devices`."""

    identifier: str
    device_properties: DeviceProperties = DeviceProperties()
    hardware_properties: HardwareProperties = HardwareProperties()
    connection_properties: ConnectionProperties = ConnectionProperties()

    @property
    def names(self) -> tuple[str, ...]:
        """What it can be called by."""
        names = (self.hardware_properties.udid, self.identifier, self.device_properties.name)
        return tuple(name for name in names if name)


def run(command: str, *options: str, what: str, phone: str, timeout_s: float = SHORT_S) -> Any:
    """Run devicectl, which must succeed, and return the `result` of its JSON.

    Args:
        command: words behind `devicectl`; an option for the JSON follows them.
        options: of the command.
        what: it does, for errors.
        phone: for errors.
        timeout_s: seconds it may take.

    Raises:
        MachineError: it fails, or takes too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answer.json"
        words = ["xcrun", "devicectl", *command.split(), "--json-output", str(out), *options]
        done = external.call(words, timeout_s=timeout_s, what=what)
        if done.code != 0:
            raise _explained(done, what, phone)
        try:
            answer = msgspec.json.decode(out.read_bytes())
            return answer["result"]
        except (OSError, msgspec.DecodeError, KeyError, TypeError):
            return {}


def choose(serial: str | None) -> Phone:
    """Return the phone that is meant: the one of a UDID or name, or the only one.

    Raises:
        UsageError: several, or none of that name.
        MachineError: none at all, or one that cannot be used yet.
    """
    answer = run("list devices", what="listing devices", phone="xcrun")
    try:
        listed = msgspec.convert(answer.get("devices", []), tuple[Phone, ...])
    except msgspec.ValidationError as problem:
        raise MachineError(
            f"xcrun devicectl: listed devices in another form ({problem})"
        ) from problem
    found = [
        one
        for one in listed
        if one.hardware_properties.platform in {"iOS", "iPadOS"}
        and one.connection_properties.tunnel_state != "unavailable"
    ]
    if not found:
        raise MachineError(
            "xcrun devicectl: no iPhone or iPad; connect one, unlock it, and trust this Mac on it"
        )
    if serial is None and len(found) > 1:
        names = ", ".join(f"{one.names[0]} ({one.device_properties.name})" for one in found)
        raise UsageError(f"--serial: {len(found)} iOS devices are attached; name one of {names}")
    chosen = [one for one in found if serial is None or serial in one.names]
    if not chosen:
        known = [name for one in found for name in one.names]
        raise UsageError(
            f"--serial {serial}: no such iOS device; attached: {', '.join(known)}.{suggestion(str(serial), known)}"
        )
    _check_ready(chosen[0])
    return chosen[0]


def _check_ready(phone: Phone) -> None:
    name = phone.device_properties.name or phone.identifier
    if phone.connection_properties.pairing_state not in {"", "paired"}:
        raise MachineError(f"{name}: is not paired; unlock it, and trust this Mac on it")
    if phone.device_properties.developer_mode_status not in {"", "enabled"}:
        raise MachineError(
            f"{name}: developer mode is off; switch it on in Settings, Privacy & Security"
        )


def locked(phone: str) -> MachineError:
    """Return the error of a locked phone."""
    return MachineError(f"{phone}: the phone is locked; unlock it, and keep it awake")


def _explained(done: Done, what: str, phone: str) -> MachineError:
    if _LOCKED.search(done.stderr + done.text):
        return locked(phone)
    if _GONE.search(done.stderr):
        return MachineError(
            f"{phone}: the connection was lost while {what}; plug the phone in again, and start again"
        )
    return MachineError(f"{phone}: {what} failed ({done.words or f'exit code {done.code}'})")
