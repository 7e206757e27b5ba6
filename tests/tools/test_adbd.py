"""The stand-in of adbd, asked by a client that shares no code with it; the lane asks it by the real adb."""

import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from devices_adbd import Adbd
from devices_phone import FolderPhone


class Client:
    """The computer's end, as `protocol.txt` describes it."""

    def __init__(self, serial: str) -> None:
        host, _, port = serial.partition(":")
        self.line = socket.create_connection((host, int(port)), timeout=20)
        self.send(b"CNXN", 0x01000001, 4096, b"host::\0")
        word, _, _, self.banner = self.receive()
        assert word == b"CNXN"
        self.opened = 0

    def send(self, word: bytes, one: int, two: int, data: bytes = b"") -> None:
        magic = struct.unpack("<I", word)[0] ^ 0xFFFFFFFF
        self.line.sendall(word + struct.pack("<5I", one, two, len(data), sum(data), magic) + data)

    def receive(self) -> tuple[bytes, int, int, bytes]:
        head = self.exactly(24)
        one, two, length, _, _ = struct.unpack("<5I", head[4:])
        return head[:4], one, two, self.exactly(length)

    def exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.line.recv(count - len(found))
            if not part:
                raise ConnectionError
            found += part
        return found

    def open(self, service: str) -> int:
        self.opened += 1
        self.send(b"OPEN", self.opened, 0, service.encode() + b"\0")
        word, theirs, ours, _ = self.receive()
        assert (word, ours) == (b"OKAY", self.opened)
        return theirs

    def ask(self, service: str, *sent: bytes) -> bytes:
        """Open a service, send, and return all that it answers."""
        theirs = self.open(service)
        waiting, found = list(sent), b""
        if waiting:
            self.send(b"WRTE", self.opened, theirs, waiting.pop(0))
        while True:
            word, _, _, data = self.receive()
            if word == b"WRTE":
                found += data
                self.send(b"OKAY", self.opened, theirs)
            elif word == b"OKAY" and waiting:
                self.send(b"WRTE", self.opened, theirs, waiting.pop(0))
            elif word == b"CLSE":
                return found

    def shell(self, command: str) -> dict[int, bytes]:
        """Run a command; return what came by each kind of packet."""
        answer, found = self.ask(f"shell,v2,raw:{command}"), {}
        while answer:
            kind, length = struct.unpack("<BI", answer[:5])
            found[kind] = found.get(kind, b"") + answer[5 : 5 + length]
            answer = answer[5 + length :]
        return found


@pytest.fixture
def phone(tmp_path: Path) -> FolderPhone:
    return FolderPhone(tmp_path / "phone", [sys.executable])


@pytest.fixture
def adbd(phone: FolderPhone) -> Iterator[Adbd]:
    made = Adbd(phone)
    phone.unplug = made.unplug
    yield made
    made.unplug()


@pytest.fixture
def client(adbd: Adbd) -> Iterator[Client]:
    made = Client(adbd.serial)
    yield made
    made.line.close()


def test_it_says_what_it_is(client: Client) -> None:
    assert client.banner.startswith(b"device::")
    assert b"ro.product.model=emulated ARM64" in client.banner
    assert b"features=shell_v2" in client.banner


def test_a_shell_keeps_its_outputs_apart_and_gives_its_exit_code(client: Client) -> None:
    assert client.shell("echo out; echo error >&2; exit 3") == {
        1: b"out\n",
        2: b"error\n",
        3: bytes([3]),
    }
    assert client.ask("exec:echo raw; echo error >&2") == b"raw\nerror\n"


def test_its_data_folder_is_its_own(client: Client, phone: FolderPhone) -> None:
    assert client.shell("echo x > /data/local/tmp/x && cat '/data/local/tmp/x'")[1] == b"x\n"
    assert phone.left() == [phone.folder / "data/local/tmp/x"]
    assert client.shell("echo a/data/b")[1] == b"a/data/b\n"


def test_files_come_and_go(client: Client, phone: FolderPhone) -> None:
    content = bytes(range(256)) * 1000
    path = b"/data/local/tmp/deep/x"
    name = path + b",33188"
    parts = [content[at : at + 65536] for at in range(0, len(content), 65536)]
    whole = b"SEND" + struct.pack("<I", len(name)) + name
    whole += b"".join(b"DATA" + struct.pack("<I", len(part)) + part for part in parts)
    whole += b"DONE" + struct.pack("<I", 1)
    whole += b"STAT" + struct.pack("<I", len(path)) + path
    whole += b"RECV" + struct.pack("<I", len(path)) + path + b"QUIT" + struct.pack("<I", 0)
    chunks = [whole[at : at + 4000] for at in range(0, len(whole), 4000)]
    answer = client.ask("sync:", *chunks)
    assert answer[:8] == b"OKAY" + bytes(4)
    assert struct.unpack("<4sII", answer[8:20])[::2] == (b"STAT", len(content))
    back, answer = b"", answer[24:]
    while answer[:4] == b"DATA":
        length = struct.unpack("<I", answer[4:8])[0]
        back, answer = back + answer[8 : 8 + length], answer[8 + length :]
    assert back == content
    assert answer[:4] == b"DONE"
    assert (phone.folder / "data/local/tmp/deep/x").read_bytes() == content


def test_a_file_that_is_not_there(client: Client) -> None:
    name = b"/data/none"
    request = b"RECV" + struct.pack("<I", len(name)) + name + b"QUIT" + struct.pack("<I", 0)
    answer = client.ask("sync:", request)
    assert answer[:4] == b"FAIL"
    assert b"No such file" in answer


def test_its_programs_answer_as_the_phone_is(client: Client, phone: FolderPhone) -> None:
    assert b"[ro.product.model]: [emulated ARM64]" in client.shell("getprop")[1]
    assert client.shell("pm path org.mobilekit.demo")[1].startswith(b"package:")
    assert b"deviceLocked=0" in client.shell("dumpsys trust")[1]
    phone.state(locked=1, installed=[])
    assert client.shell("pm path org.mobilekit.demo") == {3: bytes([1])}
    assert b"deviceLocked=1" in client.shell("dumpsys trust")[1]
    assert client.shell("no-such-program")[3] == bytes([127])


def test_it_can_be_unplugged_half_way(client: Client, adbd: Adbd, phone: FolderPhone) -> None:
    phone.state(unplug_at="sleep 30")
    with pytest.raises((ConnectionError, OSError)):
        client.shell("sleep 30")
    with pytest.raises(OSError, match=r"refused|reset"):
        Client(adbd.serial)


def test_it_can_be_unplugged_while_it_takes_a_file(client: Client, phone: FolderPhone) -> None:
    phone.state(unplug_at="SEND")
    name = b"/data/local/tmp/x,33188"
    start = b"SEND" + struct.pack("<I", len(name)) + name + b"DATA" + struct.pack("<I", 3) + b"abc"
    with pytest.raises((ConnectionError, OSError)):
        client.ask("sync:", start + b"DATA" + struct.pack("<I", 3) + b"def")
    assert not phone.left()


def test_a_command_ends_when_the_computer_hangs_up(client: Client, phone: FolderPhone) -> None:
    client.open("shell,v2,raw:echo $$ > /data/pid; sleep 30")
    pid = phone.folder / "data" / "pid"
    wait_for(lambda: pid.is_file() and pid.read_text().endswith("\n"))
    client.line.close()
    number = pid.read_text().strip()
    wait_for(
        lambda: (
            not Path(f"/proc/{number}/cmdline").is_file()
            or not Path(f"/proc/{number}/cmdline").read_bytes()
        )
    )


def wait_for(holds) -> None:
    import time

    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
