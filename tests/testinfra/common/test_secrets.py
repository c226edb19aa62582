"""The lab's secrets are not exposed outside the files that hold them."""

from __future__ import annotations

import secrets

import pytest

from lab.machines import Box, Lab

Finding = tuple[str, str]
"""Name of a secret, and where it was found."""

CANARY = "/tmp/canary"

SEARCH = r"""
import json, os, stat, subprocess, sys

secrets = {name: value.encode() for name, value in json.load(sys.stdin).items()}
found = []

def look(place, content):
    found.extend([name, place] for name, value in secrets.items() if value in content)

for pid in filter(str.isdigit, os.listdir("/proc")):
    for file in ("cmdline", "environ"):
        try:
            with open(f"/proc/{pid}/{file}", "rb") as opened:
                look(f"/proc/{pid}/{file}", opened.read())
        except OSError:
            pass

look("the journal", subprocess.run(["journalctl", "--quiet", "--all", "--output=json"], capture_output=True).stdout)

for top in ("/etc", "/opt", "/srv", "/var", "/run", "/tmp", "/home", "/root", "/usr/local"):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) != "/run/credentials"]
        for file in files:
            path = os.path.join(folder, file)
            try:
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode) and (status.st_mode & 0o044 or path.startswith("/var/log")):
                    with open(path, "rb") as opened:
                        look(path, opened.read())
            except OSError:
                pass

json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def found(lab: Lab) -> dict[str, list[Finding]]:
    """Exposed secrets on each machine, including a canary planted to test the search."""

    def search(box: Box) -> list[Finding]:
        canary = secrets.token_hex(16)
        box.output(f"printf %s {canary} > {CANARY}; chmod 0644 {CANARY}; echo {canary} | systemd-cat")
        findings = box.python(SEARCH, {**lab.secrets, "canary": canary}, root=True)
        box.output(f"rm {CANARY}")
        return [(name, place) for name, place in findings]

    return lab.everywhere(search)


def test_no_secret_is_exposed(any_machine: Box, lab: Lab, found: dict[str, list[Finding]]) -> None:
    """Checks command lines, environments, the journal, and files that other users can read."""
    assert len(lab.secrets) >= 4
    assert [finding for finding in found[any_machine.name] if finding[0] != "canary"] == []


def test_the_search_finds_a_planted_secret(any_machine: Box, found: dict[str, list[Finding]]) -> None:
    """A broken search would find nothing and pass the test above."""
    places = {place for name, place in found[any_machine.name] if name == "canary"}
    assert {CANARY, "the journal"} <= places


def test_credentials_are_readable_by_root_only(backend: Box) -> None:
    """systemd passes them to the service, so no other user needs access."""
    settings = backend.role("app")
    folder, names = f"{settings['__app_settings']}/credentials", settings["__app_credentials"]
    assert backend.root_output(f"ls {folder}").split() == sorted(names)
    modes = backend.root_output(f"stat --format='%a %U' {folder} {folder}/*").splitlines()
    assert modes == ["700 root"] + ["600 root"] * len(names)


def test_redis_passwords_are_stored_as_hashes(redis: Box, lab: Lab) -> None:
    """The account file does not contain usable passwords."""
    accounts = redis.root_output("cat /etc/redis/users.acl")
    assert "#" in accounts
    assert not [name for name, value in lab.secrets.items() if value in accounts]
