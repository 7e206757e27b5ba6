"""What an Android phone says of itself: model, chip, system, battery, heat."""

import re

from mobilekit.core.device_figures import ThermalCourse
from mobilekit.core.device_reports import Device
from mobilekit.core.device_words import THERMAL, Kind, Thermal
from mobilekit.profile.adb import Adb

_PROPERTY = re.compile(r"^\[(.+?)\]: \[(.*)\]$", re.MULTILINE)


def properties(adb: Adb) -> dict[str, str]:
    """Return the system's properties (`getprop`)."""
    text = adb.shell("getprop", what="asking for its properties").replace("\r", "")
    return dict(_PROPERTY.findall(text))


def device(adb: Adb, known: dict[str, str]) -> Device:
    """Describe the phone.

    Args:
        adb: of the phone.
        known: its properties.
    """
    battery = adb.shell("dumpsys battery", what="asking for its battery")
    chip = (
        known.get("ro.soc.model") or known.get("ro.board.platform") or known.get("ro.hardware", "")
    )
    cores, memory, saving = _three(adb)
    level, scale = _number(battery, "level"), _number(battery, "scale")
    return Device(
        manufacturer=known.get("ro.product.manufacturer", ""),
        model=known.get("ro.product.model") or "unknown",
        soc=" ".join(part for part in (known.get("ro.soc.manufacturer"), chip) if part),
        os="Android",
        os_version=known.get("ro.build.version.release", ""),
        os_build=known.get("ro.build.id", ""),
        cpu_cores=cores,
        ram_mb=memory,
        low_power_mode=saving,
        charging=bool(
            re.search(r"^\s*(AC|USB|Wireless|Dock) powered: true", battery, re.MULTILINE)
        ),
        battery_level=None if level is None or not scale else min(level / scale, 1.0),
    )


def kind(known: dict[str, str]) -> Kind:
    """Say whether it is a phone or an emulator."""
    emulated = any(known.get(name) == "1" for name in ("ro.kernel.qemu", "ro.boot.qemu"))
    return "simulator" if emulated else "device"


def thermal(adb: Adb) -> Thermal | None:
    """Return the thermal state, or None where the system has none (before Android 10)."""
    done = adb.call("shell", "dumpsys thermalservice", what="asking for its thermal state")
    status = _number(done.text, "Thermal Status")
    return THERMAL[status] if status is not None and 0 <= status < len(THERMAL) else None


def course(start: Thermal | None, end: Thermal | None) -> ThermalCourse | None:
    """Bring two states together."""
    if start is None or end is None:
        return None
    return ThermalCourse(start, end, max(start, end, key=THERMAL.index))


def locked(adb: Adb) -> bool:
    """Say whether the phone is locked; unknown counts as no."""
    done = adb.call("shell", "dumpsys trust", what="asking whether it is locked")
    for line in done.text.splitlines():
        if "(current)" in line and "deviceLocked=" in line:
            return "deviceLocked=1" in line
    return False


def _three(adb: Adb) -> tuple[int | None, float | None, bool | None]:
    """Return cores, megabytes of memory, and whether it saves power."""
    text = adb.call(
        "shell", "nproc; grep MemTotal /proc/meminfo; settings get global low_power",
        what="asking for its cores and memory",
    ).text  # fmt: skip
    cores = re.match(r"\s*(\d+)\s*$", text.partition("\n")[0])
    memory = _number(text, "MemTotal")
    saving = text.split()[-1:] or [""]
    return (
        int(cores[1]) if cores and int(cores[1]) else None,
        None if memory is None else memory * 1024 / 1e6,
        {"0": False, "1": True}.get(saving[0]),
    )


def _number(text: str, name: str) -> int | None:
    found = re.search(rf"^\s*{re.escape(name)}:\s*(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else None
