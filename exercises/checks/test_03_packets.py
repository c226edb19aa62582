"""Exercise 3: the student's captures, read by tcpdump on the user's computer."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from exercises.judge import Found
from exercises.sheet import Answers
from lab.capture import FOLDER, install
from lab.machines import Box, Lab

LARGEST_BYTES = 20_000_000
COUNT = """
import base64, json, subprocess, sys
argument = json.load(sys.stdin)
packets = base64.b64decode(argument["packets"])
counts = {}
for name, expression in argument["filters"].items():
    command = ["tcpdump", "-n", "-q", "-t", "-r", "-", expression]
    done = subprocess.run(command, input=packets, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr.decode().strip())
    counts[name] = len(done.stdout.splitlines())
json.dump(counts, sys.stdout)
"""


@dataclass(frozen=True)
class Capture:
    """A file with packets; `reader` is a machine with tcpdump."""

    path: Path
    reader: Box

    @property
    def content(self) -> bytes:
        content = self.path.read_bytes()
        assert len(content) <= LARGEST_BYTES, f"{self.path.name} > {LARGEST_BYTES // 10**6} MB"
        return content

    def count(self, filters: Mapping[str, str]) -> dict[str, int]:
        """The number of packets of each filter."""
        argument = {"packets": base64.b64encode(self.content).decode(), "filters": dict(filters)}
        return dict(self.reader.python(COUNT, argument))

    def __contains__(self, text: str) -> bool:
        return text.encode() in self.content


@pytest.fixture(scope="module")
def reader(client: Box) -> Box:
    install(client)
    return client


@pytest.fixture(scope="module")
def login(reader: Box) -> Capture:
    return Capture(FOLDER / "login.pcap", reader)


@pytest.fixture(scope="module")
def backend_login(reader: Box) -> Capture:
    return Capture(FOLDER / "backend-login.pcap", reader)


@pytest.fixture(scope="module")
def backend_profile(reader: Box) -> Capture:
    return Capture(FOLDER / "backend-profile.pcap", reader)


@pytest.fixture(scope="module")
def tiers(lab: Lab) -> dict[str, str]:
    """The filters for what a backend does."""
    frontends = " or ".join(f"host {address}" for address in lab.addresses("frontends"))
    return {
        "HTTP": f"tcp port {lab.vars['app_port']} and ({frontends})",
        "Redis": f"tcp port {lab.vars['redis_port']} and host {lab.addresses('redis')[0]}",
        "MySQL": f"tcp port {lab.vars['mysql_port']} and host {lab.addresses('mysql')[0]}",
    }


def test_login_capture(login: Capture, lab: Lab, found: Found) -> None:
    user = lab.addresses("clients")[0]
    filters = {
        "DNS": f"udp port 53 and host {lab.addresses('dns')[0]} and host {user}",
        "HTTP": f"tcp port {lab.site_port} and host {user}",
    }
    assert all(found(login.count(filters)).values())


def test_password(answers: Answers, login: Capture, lab: Lab, found: Found) -> None:
    line = found(answers.text("password_line"))
    users = lab.tier("backends")[0].role("app")["app_demo_users"]
    assert any(user["senha"] in line for user in users)
    assert line in login


def test_frontend(answers: Answers, login: Capture, lab: Lab, found: Found) -> None:
    address = found(answers.text("frontend_address"))
    assert address in lab.addresses("frontends")
    assert login.count({"login": f"dst host {address} and tcp dst port {lab.site_port}"})["login"]


def test_backend_capture(backend_login: Capture, tiers: dict[str, str], found: Found) -> None:
    assert all(found(backend_login.count(tiers)).values())


def test_no_mysql_after_the_login(
    answers: Answers, backend_profile: Capture, tiers: dict[str, str], found: Found
) -> None:
    counts = found(backend_profile.count(tiers))
    assert counts["HTTP"]
    assert counts["Redis"]
    assert counts["MySQL"] == 0 == answers.number("mysql_packets")


def test_session_command(answers: Answers, backend_profile: Capture, found: Found) -> None:
    command = found(answers.text("session_command")).upper()
    assert command == "EVALSHA"
    assert command in backend_profile
