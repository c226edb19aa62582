"""The program that derives the keys of TLS session tickets on every frontend."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.inventory import ROLES

PROGRAM = ROLES / "nginx" / "files" / "ticket_keys.py"
SECRET = "a secret of all frontends"


class Frontend:
    """A folder with the keys of one machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def run(self, action: str, secret: str = "", hours: int = 12) -> str:
        command = [sys.executable, str(PROGRAM), action, str(self.folder), str(hours)]
        return subprocess.run(command, input=secret, capture_output=True, text=True, check=True).stdout.strip()

    def read(self, name: str) -> bytes:
        return (self.folder / f"tickets.{name}").read_bytes()

    def go_back(self, periods: int) -> None:
        """As if the present value were that of an earlier period."""
        period, value = self.read("chain").split()
        (self.folder / "tickets.chain").write_bytes(b"%d %s\n" % (int(period) - periods, value))


@pytest.fixture
def frontends(tmp_path: Path) -> list[Frontend]:
    """Two with keys from the same secret."""
    found = [Frontend(tmp_path / name) for name in ("frontend1", "frontend2")]
    assert [one.run("start", SECRET) for one in found] == ["changed"] * 2
    return found


def test_all_frontends_have_the_same_keys(frontends: list[Frontend]) -> None:
    """Two different ones of 80 bytes, as nginx expects them."""
    keys = [[one.read(name) for name in ("current", "previous")] for one in frontends]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2
    assert {len(key) for key in keys[0]} == {80}


def test_keys_and_chain_are_readable_by_root_only(frontends: list[Frontend]) -> None:
    """Whatever the umask is."""
    assert {path.stat().st_mode & 0o777 for path in frontends[0].folder.iterdir()} == {0o600}


def test_a_period_makes_the_present_key_the_previous_one(frontends: list[Frontend]) -> None:
    """Tickets sealed with it stay valid for one period more."""
    one = frontends[0]
    before = one.read("current")
    one.go_back(1)
    assert one.run("next") == "changed"
    assert one.read("previous") == before
    assert one.read("current") != before


def test_a_machine_that_was_off_catches_up(frontends: list[Frontend]) -> None:
    """Several periods at once lead to the same keys as one after the other."""
    at_once, stepwise = frontends
    at_once.go_back(3)
    at_once.run("next")
    for _ in range(3):
        stepwise.go_back(1)
        stepwise.run("next")
    for name in ("current", "previous", "chain"):
        assert at_once.read(name) == stepwise.read(name)


def test_within_a_period_nothing_changes(frontends: list[Frontend]) -> None:
    """Neither in a second run of Ansible nor with the clock set back."""
    one = frontends[0]
    one.go_back(-1)
    before = one.read("current"), one.read("previous"), one.read("chain")
    assert [one.run("next"), one.run("start", SECRET)] == ["unchanged"] * 2
    assert before == (one.read("current"), one.read("previous"), one.read("chain"))


@pytest.mark.parametrize(("secret", "hours"), [("another secret", 12), (SECRET, 6)])
def test_another_secret_or_period_replaces_all_keys(frontends: list[Frontend], secret: str, hours: int) -> None:
    """Whoever knew the old secret opens no new ticket."""
    one = frontends[0]
    before = {one.read(name) for name in ("current", "previous", "chain", "id")}
    assert one.run("start", secret, hours) == "changed"
    assert not before & {one.read(name) for name in ("current", "previous", "chain", "id")}


def test_the_chain_leads_forward_only(frontends: list[Frontend]) -> None:
    """What is on the disk has no earlier key and not the secret, so that a stolen disk opens no earlier ticket."""
    one = frontends[0]
    keys = [one.read("previous"), one.read("current")]
    for _ in range(2):
        one.go_back(1)
        one.run("next")
    stored = b"".join(path.read_bytes() for path in one.folder.iterdir())
    assert not [key for key in keys if key in stored]
    assert SECRET.encode() not in stored
