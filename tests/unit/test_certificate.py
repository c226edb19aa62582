"""The program with which a frontend fetches its certificate takes over nothing that nginx or browsers would refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.inventory import ROLES
from tests.certificates import Pair, self_signed

PROGRAM = ROLES / "nginx" / "files" / "certificate.py"
SITE = "www.example.com"


def run(action: str, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROGRAM), action, str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def fetch(path: Path, sent: Pair | str) -> subprocess.CompletedProcess[str]:
    """As if the other machine had sent this."""
    source = path.with_name("sent")
    source.write_text("".join(sent), encoding="utf-8")
    return run("fetch", path, SITE, "cat", str(source))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where there is no certificate yet."""
    return tmp_path / "site.pem"


def test_a_frontend_begins_with_a_certificate_that_nobody_trusts(path: Path) -> None:
    """nginx needs one to start. The one that is there stays."""
    assert run("begin", path, SITE).stdout == "changed\n"
    made = path.read_text(encoding="utf-8")
    assert made.index("BEGIN CERTIFICATE") < made.index("PRIVATE KEY")
    assert path.stat().st_mode & 0o777 == 0o600
    assert run("begin", path, SITE).stdout == "unchanged\n"
    assert path.read_text(encoding="utf-8") == made


def test_a_frontend_begins_with_the_certificate_that_it_had(path: Path) -> None:
    """A site in service that changes to ACME keeps a valid certificate until the first one is issued."""
    pair = self_signed([SITE])
    for name, content in zip(("site.crt", "site.key"), pair, strict=True):
        path.with_name(name).write_text(content.rstrip("\n"), encoding="utf-8")  # nginx takes it like this
    assert run("begin", path, SITE).stdout == "changed\n"
    assert path.read_text(encoding="utf-8") == "\n".join(content.rstrip("\n") for content in pair)


def test_a_certificate_that_is_there_is_checked_as_well(path: Path) -> None:
    """The site may have another name now."""
    other = self_signed(["other.example.com"])
    path.write_text("".join(other), encoding="utf-8")
    refused = fetch(path, other)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"is not for {SITE}" in refused.stderr


def test_a_new_certificate_is_taken_over_once(path: Path) -> None:
    """Readable by root only."""
    pair = self_signed([SITE])
    run("begin", path, SITE)
    assert fetch(path, pair).stdout == "changed\n"
    assert path.read_text(encoding="utf-8") == "".join(pair)
    assert path.stat().st_mode & 0o777 == 0o600
    assert fetch(path, pair).stdout == "unchanged\n"


GOOD = self_signed([SITE])
CASES: dict[str, tuple[Pair | str, str]] = {
    "nothing": ("", "no certificate with its key was sent"),
    "no key": (GOOD.certificate, "no certificate with its key was sent"),
    "another key": (Pair(GOOD.certificate, self_signed([SITE]).key), "no certificate with its key was sent"),
    "a key with a passphrase": (self_signed([SITE], passphrase=b"x"), "no certificate with its key was sent"),
    "another name": (self_signed(["example.com"]), f"the certificate that was sent is not for {SITE}"),
    "an expired one": (self_signed([SITE], days=-1), "the certificate that was sent has expired"),
}


@pytest.mark.parametrize(("sent", "message"), CASES.values(), ids=CASES)
def test_a_bad_certificate_is_refused(path: Path, sent: Pair | str, message: str) -> None:
    """The one that is there stays in use, and the journal says why."""
    assert fetch(path, GOOD).returncode == 0
    refused = fetch(path, sent)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "PRIVATE KEY" not in refused.stderr
    assert path.read_text(encoding="utf-8") == "".join(GOOD)
    assert {one.name for one in path.parent.iterdir()} == {"site.pem", "sent"}


def test_a_machine_that_is_away_changes_nothing(path: Path) -> None:
    """Certificates are valid for weeks."""
    assert fetch(path, GOOD).returncode == 0
    away = run("fetch", path, SITE, "sh", "-c", "echo 'no route to host' >&2; exit 255")
    assert (away.returncode, away.stderr) == (1, f"{path} stays as it is: no route to host\n")
    assert path.read_text(encoding="utf-8") == "".join(GOOD)
