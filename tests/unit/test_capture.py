"""lab/capture.py: what a machine is told to run, and how a capture ends."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.capture import CaptureError, command, interface_of, record
from lab.inventory import ROOT
from lab.waiting import wait_until

TCPDUMP = """\
#!/bin/sh
printf '%s\n' "$*" > {folder}/arguments
trap 'printf end; echo ended > {folder}/ended; exit 0' TERM
printf start
[ ! -e {folder}/broken ] || exit 1
case "$*" in *"-c 2"*) exit 0 ;; esac
while :; do sleep 0.05; done
"""
ADDRESSES = (
    '[{"ifname": "eth0", "addr_info": [{"local": "192.168.121.7"}]},'
    ' {"ifname": "eth1", "addr_info": [{"local": "172.20.0.20"}]}]'
)


class Box:
    """A machine whose commands run here, with a stub of tcpdump and without sudo."""

    name, address = "frontend1", "172.20.0.20"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, script in {"tcpdump": TCPDUMP.format(folder=folder), "sudo": '#!/bin/sh\nshift\nexec "$@"\n'}.items():
            path = folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(script, encoding="utf-8")
            path.chmod(0o755)

    def output(self, _: str) -> str:
        return ADDRESSES

    def root(self, _: str) -> Any:
        return subprocess.CompletedProcess([], 0)

    def start_command(self, script: str, **options: Any) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        return subprocess.Popen(["sh", "-c", script], env=environment, **options)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("lab.capture.install", lambda _: None)
    return Box(tmp_path)


def test_the_interface_is_that_of_the_lab(box: Any) -> None:
    """Vagrant's machines have another one before it."""
    assert interface_of(box) == "eth1"
    box.address = "172.20.0.99"
    with pytest.raises(CaptureError, match=r"no interface with 172.20.0.99"):
        interface_of(box)


def test_ssh_is_left_out_of_every_capture() -> None:
    """A capture would record its own packets. A filter stays one argument, whatever is in it."""
    script = shlex.split(command("eth0", "port 80 or icmp; reboot"))[-1]
    assert "'(port 80 or icmp; reboot) and not tcp port 22'" in script
    assert "'not tcp port 22'" in shlex.split(command("eth0"))[-1]


def test_a_capture_ends_after_its_seconds(box: Any, tmp_path: Path) -> None:
    """tcpdump is told to end, and writes what it still has."""
    out = tmp_path / "new" / "x.pcap"
    record(box, out, "port 80", seconds=0.5)
    assert out.read_text(encoding="utf-8") == "startend"
    arguments = (tmp_path / "arguments").read_text(encoding="utf-8")
    assert arguments == "-n -U --immediate-mode -w - -i eth1 (port 80) and not tcp port 22\n"


def test_a_capture_ends_after_its_packets(box: Any, tmp_path: Path) -> None:
    """tcpdump counts them, and nothing has to end it."""
    record(box, tmp_path / "x.pcap", packets=2)
    assert (tmp_path / "x.pcap").read_text(encoding="utf-8") == "start"


def test_a_refused_filter_leaves_no_file(box: Any, tmp_path: Path) -> None:
    """An empty file would look like a capture without packets."""
    (tmp_path / "broken").touch()
    with pytest.raises(CaptureError, match="ended with 1"):
        record(box, tmp_path / "x.pcap", "prot 80")
    assert not (tmp_path / "x.pcap").exists()


PROGRAM = """
import signal
import sys
from pathlib import Path
import lab.capture
from tests.unit.test_capture import Box
signal.signal(signal.SIGINT, signal.default_int_handler) # a shell's background jobs ignore it
lab.capture.install = lambda _: None
folder = Path(sys.argv[1])
lab.capture.record(Box(folder), folder / "x.pcap")
print("in order")
"""


@contextlib.contextmanager
def capturing(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: (folder / "x.pcap").exists() and (folder / "x.pcap").read_bytes() == b"start", "it records")
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_ctrl_c_ends_a_capture_in_order(tmp_path: Path) -> None:
    """The signal reaches this program's process group, as from a terminal, and not the connection to the machine."""
    with capturing(tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "in order\n"
    assert (tmp_path / "x.pcap").read_text(encoding="utf-8") == "startend"


def test_tcpdump_ends_when_the_program_dies(tmp_path: Path) -> None:
    """It would fill the network, and the file, for ever."""
    with capturing(tmp_path) as process:
        process.kill()
        wait_until(lambda: (tmp_path / "ended").exists(), "tcpdump has ended")
