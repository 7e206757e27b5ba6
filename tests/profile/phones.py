"""Stand-ins of `adb` and `xcrun`: small programs that answer as the real ones do, and write down what
they were asked."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

ADB = r"""
import json, os, re, shlex, shutil, sys, time
from pathlib import Path
HOME = Path(os.environ["STAND_IN"])
STATE = json.loads((HOME / "state.json").read_text())
PHONE = HOME / "phone"
args = sys.argv[1:]
with (HOME / "calls.jsonl").open("a") as log:
    log.write(json.dumps(args) + "\n")

def die(text, code=1):
    sys.stderr.write(text + "\n")
    sys.exit(code)

def local(place):
    return PHONE / place.lstrip("/")

if args == ["devices", "-l"]:
    print("List of devices attached")
    for line in STATE["devices"]:
        print(line)
    print()
    sys.exit()
if args[0] == "-s":
    serial, args = args[1], args[2:]
    lines = [line for line in STATE["devices"] if line.split()[0] == serial]
    if not lines:
        die(f"adb: device '{serial}' not found")
word = args[0]
if STATE.get("hang") and STATE["hang"] in " ".join(args):
    (HOME / "hanging").write_text(str(os.getpid()))
    time.sleep(60)
if STATE.get("unplug") and STATE["unplug"] in " ".join(args):
    STATE["devices"] = []
    (HOME / "state.json").write_text(json.dumps(STATE))
    die("adb: error: failed to get feature set: device '%s' not found" % serial)
if STATE.get("cut") and STATE["cut"] in " ".join(args):
    (HOME / "state.json").write_text(json.dumps(STATE | {"devices": []}))
    sys.exit(255)
if STATE.get("vanish") and STATE["vanish"] in " ".join(args):
    (HOME / "state.json").write_text(json.dumps(STATE | {"devices": []}))
    sys.exit(0)
if word == "get-state":
    print("device")
    sys.exit()
if STATE.get("revoke") and STATE["revoke"] in " ".join(args):
    die("adb: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set")
if word == "push":
    target = local(args[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(args[1], target)
    print(f"{args[1]}: 1 file pushed, 0 skipped.")
    sys.exit()
if word == "install":
    name = Path(args[-1]).name
    if "bad" in name:
        die(f"adb: failed to install {args[-1]}: Failure [INSTALL_FAILED_NO_MATCHING_ABIS: Failed to extract]")
    print("Performing Streamed Install\nSuccess")
    sys.exit()
command = args[1]
if command == "getprop":
    for name, value in STATE["properties"].items():
        print(f"[{name}]: [{value}]")
elif command == "dumpsys battery":
    print("Current Battery Service state:\n  AC powered: false\n  USB powered: true\n  level: 80\n  scale: 100")
elif command == "dumpsys thermalservice":
    heats = STATE["thermal"]
    print(f"IsStatusOverride: false\nThermal Status: {heats.pop(0) if len(heats) > 1 else heats[0]}")
    (HOME / "state.json").write_text(json.dumps(STATE))
elif command == "dumpsys trust":
    state = f"trustManaged=0, deviceLocked={STATE['locked']}, isActiveUnlockRunning=0"
    print(f' User "Owner" (id=0, flags=0x4c13) (current): trustState=UNTRUSTED, {state}')
elif command.startswith("nproc"):
    print("8\nMemTotal:        7812500 kB\n0")
elif command.startswith("mkdir -p "):
    local(command[9:]).mkdir(parents=True, exist_ok=True)
elif command.startswith("rm -rf "):
    shutil.rmtree(local(command[7:]), ignore_errors=True)
elif command.startswith("chmod") or command.startswith("am force-stop"):
    pass
elif command.startswith("pm path "):
    package = command[8:]
    if package not in STATE["installed"]:
        sys.exit(1)
    print(f"package:/data/app/{package}/base.apk")
elif command.startswith("cat "):
    path = local(shlex.split(command)[1])
    if not path.is_file():
        sys.exit(1)
    sys.stdout.buffer.write(path.read_bytes())
elif "./benchmark_model" in command:
    if STATE.get("wrong_abi"):
        print("/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file")
        sys.exit(126)
    given = dict(re.findall(r"--(\w+)=(\S+)", command))
    print("INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.")
    for option, source in (("result_file_path", "result.pb"), ("op_profiling_output_file", "operators.pb")):
        if option in given and (HOME / source).is_file():
            shutil.copy(HOME / source, local(given[option]))
elif command.startswith("am instrument"):
    words = shlex.split(command)
    given = {words[i + 1]: words[i + 2] for i, word in enumerate(words) if word == "-e"}
    if "instrument" in STATE:
        print(STATE["instrument"])
        sys.exit()
    report = json.loads((HOME / "answer.json").read_text())
    report["model"] |= {name: given[name] for name in ("name", "variant", "file", "sha256") if name in given}
    report["runtime"]["requested"] = STATE.get("units", given["units"].split(","))
    report["model"] |= STATE.get("model", {})
    place = HOME / "app" / given["report"]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(report))
    print("INSTRUMENTATION_STATUS: class=x\nINSTRUMENTATION_STATUS_CODE: 0")
    print("INSTRUMENTATION_RESULT: stream=\n\nTime: 1\n\nOK (1 test)\n\nINSTRUMENTATION_CODE: -1")
elif command.startswith("run-as "):
    words = shlex.split(command)
    if STATE.get("run_as"):
        print(STATE["run_as"])
        sys.exit(1)
    path = HOME / "app" / words[-1]
    if words[2] == "rm":
        path.unlink(missing_ok=True)
    else:
        sys.stdout.buffer.write(path.read_bytes())
else:
    die(f"/system/bin/sh: {command}: not found", 127)
"""

XCRUN = r"""
import json, os, shutil, sys, time
from pathlib import Path
HOME = Path(os.environ["STAND_IN"])
STATE = json.loads((HOME / "state.json").read_text())
APP = HOME / "app"
args = sys.argv[1:]
with (HOME / "calls.jsonl").open("a") as log:
    log.write(json.dumps(args) + "\n")
if args[:3] == ["xcresulttool", "export", "attachments"]:
    place = Path(args[args.index("--output-path") + 1])
    place.mkdir()
    listed = []
    for number, text in enumerate(STATE["attached"]):
        (place / f"UUID{number}.json").write_text(text)
        listed.append({
            "exportedFileName": f"UUID{number}.json", "isAssociatedWithFailure": False,
            "suggestedHumanReadableName": f"device-report_{number}_UUID{number}.json",
        })
    listed.append({"exportedFileName": "p.png", "suggestedHumanReadableName": "Screenshot.png"})
    tests = [{"testIdentifier": "BenchmarkTests/testBenchmark()", "attachments": listed}]
    (place / "manifest.json").write_text("[" if STATE.get("torn") else json.dumps(tests))
    sys.exit()
assert args[0] == "devicectl"
plain, behind = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
option = lambda name: plain[plain.index(name) + 1]
words = " ".join(args[1:])

def die(text):
    sys.stderr.write(text + "\n")
    sys.exit(1)

def answer(result):
    outcome = {"info": {"outcome": "success", "jsonVersion": 2}, "result": result}
    Path(option("--json-output")).write_text(json.dumps(outcome))
    sys.exit()

if STATE.get("hang") and STATE["hang"] in words:
    (HOME / "hanging").write_text(str(os.getpid()))
    time.sleep(60)
if words.startswith("list devices"):
    answer({"devices": STATE["devices"]})
if STATE.get("fail", ["", ""])[0] and STATE["fail"][0] in words:
    die(STATE["fail"][1])
if words.startswith("device info apps"):
    answer({"apps": [{"bundleIdentifier": option("--bundle-id")}] if STATE["installed"] else []})
if words.startswith("device copy to"):
    shutil.copytree(option("--source"), APP / option("--destination"))
    answer({})
if words.startswith("device process launch"):
    given = dict(zip(behind[::2], behind[1::2], strict=True))
    assert (APP / given["--benchmark"]).is_dir()
    report = json.loads((HOME / "answer.json").read_text())
    report["model"] |= {name: given["--" + name] for name in ("name", "file", "sha256")}
    units = {"all": ["cpu", "gpu", "ane"], "cpuAndNeuralEngine": ["cpu", "ane"]}
    report["runtime"]["requested"] = STATE.get("units", units[given["--compute-units"]])
    report["model"] |= STATE.get("model", {})
    place = APP / given["--report"]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(report))
    answer({})
if words.startswith("device copy from"):
    shutil.copy(APP / option("--source"), option("--destination"))
    answer({})
die(f"error: Unknown option {words}")
"""

XCODEBUILD = r"""
import json, os, sys, time
from pathlib import Path
HOME = Path(os.environ["STAND_IN"])
STATE = json.loads((HOME / "state.json").read_text())
given = {name: value for name, value in os.environ.items() if name.startswith("TEST_RUNNER_")}
with (HOME / "calls.jsonl").open("a") as log:
    log.write(json.dumps(["xcodebuild", *sys.argv[1:], json.dumps(given, sort_keys=True)]) + "\n")
if STATE.get("hang") == "xcodebuild":
    time.sleep(60)
if STATE.get("broken"):
    print(STATE["broken"])
    sys.exit(65)
Path(sys.argv[sys.argv.index("-resultBundlePath") + 1]).mkdir()
print("** TEST SUCCEEDED **")
"""

PIXEL = "PIX001         device usb:1-1 product:oriole model:Pixel_6 device:oriole transport_id:1"
LOCKED = (
    "ERROR: The application failed to launch. (com.apple.dt.CoreDeviceError error 10002.)\n"
    "  NSLocalizedFailureReason = The request was denied by service delegate (SBMainWorkspace) for reason: Locked"
    ' ("Unable to launch org.mobilekit.demo because the device was not, or could not be, unlocked").'
)


class StandIn:
    """A tool's folder: its state, and what it was asked."""

    def __init__(self, folder: Path, name: str, program: str) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.add(name, program)

    def add(self, name: str, program: str) -> None:
        path = self.bin / name
        path.write_text(f"#!{sys.executable} -ISs\n{program}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def state(self, **changes: Any) -> None:
        path = self.folder / "state.json"
        known = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(known | changes))

    @property
    def calls(self) -> list[list[str]]:
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.is_file() else []
        return [json.loads(line) for line in lines]

    def asked(self, words: str) -> bool:
        return any(words in " ".join(call) for call in self.calls)


def android(folder: Path) -> StandIn:
    made = StandIn(folder, "adb", ADB)
    made.state(
        devices=[PIXEL],
        thermal=[0, 1, 2],
        locked=0,
        installed=["org.mobilekit.demo", "org.mobilekit.demo.test"],
        properties={
            "ro.product.manufacturer": "Google", "ro.product.model": "Pixel 6", "ro.soc.manufacturer": "Google",
            "ro.soc.model": "Tensor", "ro.build.version.release": "15", "ro.build.id": "AP1A",
        },
    )  # fmt: skip
    return made


def ios(folder: Path) -> StandIn:
    made = StandIn(folder, "xcrun", XCRUN)
    made.add("xcodebuild", XCODEBUILD)
    made.state(devices=[iphone()], installed=True)
    return made


def iphone(**changes: dict[str, str]) -> dict[str, Any]:
    return {
        "identifier": "AAAA-1",
        "capabilities": [{"name": "x"}],
        "deviceProperties": {
            "name": "Ann's phone", "osVersionNumber": "18.1", "osBuildUpdate": "22B", "developerModeStatus": "enabled",
        } | changes.get("device", {}),
        "hardwareProperties": {
            "udid": "0000-1", "platform": "iOS", "productType": "iPhone17,1", "deviceType": "iPhone",
            "reality": "physical",
        } | changes.get("hardware", {}),
        "connectionProperties": {
            "tunnelState": "connected", "pairingState": "paired", "transportType": "wired",
        } | changes.get("connection", {}),
    }  # fmt: skip
