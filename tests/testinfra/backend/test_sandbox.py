"""What systemd promises about the service holds at run time: seen from inside of it, as its user."""

from __future__ import annotations

import pytest

from lab.machines import Box


@pytest.fixture(scope="module")
def status(backend: Box) -> dict[str, str]:
    """The kernel's view of the main process."""
    lines = backend.root_output(f"cat /proc/{backend.main_pid(backend.service)}/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture(scope="module")
def inside(backend: Box, status: dict[str, str]) -> str:
    """The beginning of a command that runs in the service's own mounts, as its user."""
    uid, gid = status["Uid"].split()[0], status["Gid"].split()[0]
    pid = backend.main_pid(backend.service)
    return f"nsenter --target={pid} --mount --setuid={uid} --setgid={gid} --wd=/ --"


def test_it_is_nobody_special(status: dict[str, str]) -> None:
    """A hole in the app is not a hole in the machine."""
    assert "0" not in status["Uid"].split()
    assert "0" not in status["Gid"].split()
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_its_system_calls_are_filtered(status: dict[str, str]) -> None:
    """Seccomp 2 is a filter; a container that is not allowed to set one ignores the unit's lines silently."""
    assert status["Seccomp"] == "2"


@pytest.mark.parametrize("folder", ["/etc", "/usr/bin", "/var/lib", "/var/log", "/boot", "/srv"])
def test_it_cannot_write_to_the_system(backend: Box, inside: str, folder: str) -> None:
    """Who takes over the app cannot stay: no file of his survives a restart."""
    probe = backend.root(f"{inside} touch {folder}/probe")
    backend.root(f"rm -f {folder}/probe")
    assert probe.failed
    assert "denied" in probe.stderr or "Read-only" in probe.stderr, probe.stderr


@pytest.mark.parametrize("folder", ["/etc", "/usr/bin", "/var/lib"])
def test_the_system_is_read_only_even_for_root_inside(backend: Box, folder: str) -> None:
    """This is the sandbox itself, not the rights of the user: an ordinary container would let it pass."""
    probe = backend.root(f"nsenter --target={backend.main_pid(backend.service)} --mount touch {folder}/probe")
    backend.root(f"rm -f {folder}/probe")
    assert "Read-only" in probe.stderr, probe.stderr


@pytest.mark.parametrize("folder", ["/home", "/root", "/run/user"])
def test_it_sees_nobodys_home(backend: Box, folder: str) -> None:
    """Keys and histories of people are no business of the app, nor of root within its sandbox."""
    backend.root_output(f"touch {folder}/probe")
    seen = backend.root(f"nsenter --target={backend.main_pid(backend.service)} --mount ls -A {folder}")
    backend.root_output(f"rm {folder}/probe")
    assert "probe" not in seen.stdout


def test_its_tmp_is_its_own(backend: Box, inside: str) -> None:
    """Files of others in /tmp are neither seen nor overwritten."""
    backend.root_output("touch /tmp/probe; chmod 0644 /tmp/probe")
    assert backend.root(f"{inside} cat /tmp/probe").failed
    assert backend.root(f"{inside} touch /tmp/inside && {inside} rm /tmp/inside").succeeded
    backend.root_output("rm /tmp/probe")


def test_it_sees_no_process_of_others(backend: Box, inside: str) -> None:
    """Their command lines and environments are theirs."""
    assert backend.root(f"{inside} cat /proc/1/cmdline").failed


def test_its_devices_are_its_own(backend: Box, inside: str) -> None:
    """Of /dev it needs /dev/null and its like, in a /dev made for it; no disk, no kernel log."""
    file_system = "stat --format=%d /dev"
    assert backend.root_output(f"{inside} {file_system}") != backend.root_output(file_system)
    assert backend.root_output(f"{inside} find /dev -type b -o -name kmsg -o -name mem") == ""
    assert backend.root(f"{inside} sh -c 'echo > /dev/null'").succeeded


def test_its_folder_of_measurements_is_the_only_place_it_writes_to(backend: Box, inside: str) -> None:
    """The positive case: the sandbox is not simply read-only everywhere, or /metrics would be broken."""
    assert backend.root(f"{inside} touch /run/revezamento/probe && {inside} rm /run/revezamento/probe").succeeded


def test_it_reads_its_own_passwords_and_those_of_no_other(backend: Box, inside: str) -> None:
    """The administrator's password is on the machine, for the command line; the service must not see it."""
    own = backend.root_output(f"{inside} ls /run/credentials/{backend.service}").split()
    assert set(own) == {"redis_password", "mysql_password"}
    assert backend.root(f"{inside} cat /run/credentials/{backend.service}/redis_password").succeeded
    assert backend.root(f"{inside} ls {backend.role('app')['__app_settings']}/credentials").failed
    others = backend.root_output("ls /run/credentials").split()
    assert all(
        backend.root(f"{inside} ls /run/credentials/{unit}").failed for unit in others if unit != backend.service
    )
