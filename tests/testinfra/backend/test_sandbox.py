"""The app's systemd sandbox is in effect at run time, as seen from inside the service."""

from __future__ import annotations

import pytest

from lab.machines import Box


@pytest.fixture(scope="module")
def status(backend: Box) -> dict[str, str]:
    """/proc/<pid>/status of the main process."""
    lines = backend.root_output(f"cat /proc/{backend.main_pid(backend.service)}/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.fixture(scope="module")
def inside(backend: Box, status: dict[str, str]) -> str:
    """Command prefix that runs a command in the service's mount namespace, as its user."""
    uid, gid = status["Uid"].split()[0], status["Gid"].split()[0]
    pid = backend.main_pid(backend.service)
    return f"nsenter --target={pid} --mount --setuid={uid} --setgid={gid} --wd=/ --"


def test_service_has_no_privileges(status: dict[str, str]) -> None:
    """A vulnerability in the app must not compromise the machine."""
    assert "0" not in status["Uid"].split()
    assert "0" not in status["Gid"].split()
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_system_calls_are_filtered(status: dict[str, str]) -> None:
    """2 means filter mode. Containers without permission to set a filter ignore the unit's settings silently."""
    assert status["Seccomp"] == "2"


@pytest.mark.parametrize("folder", ["/etc", "/usr/bin", "/var/lib", "/var/log", "/boot", "/srv"])
def test_service_cannot_write_to_system_folders(backend: Box, inside: str, folder: str) -> None:
    """An attacker who controls the app cannot leave files that survive a restart."""
    probe = backend.root(f"{inside} touch {folder}/probe")
    backend.root(f"rm -f {folder}/probe")
    assert probe.failed
    assert "denied" in probe.stderr or "Read-only" in probe.stderr, probe.stderr


@pytest.mark.parametrize("folder", ["/etc", "/usr/bin", "/var/lib"])
def test_system_folders_are_read_only_even_for_root_in_the_sandbox(backend: Box, folder: str) -> None:
    """This tests the read-only mounts themselves rather than file permissions."""
    probe = backend.root(f"nsenter --target={backend.main_pid(backend.service)} --mount touch {folder}/probe")
    backend.root(f"rm -f {folder}/probe")
    assert "Read-only" in probe.stderr, probe.stderr


@pytest.mark.parametrize("folder", ["/home", "/root", "/run/user"])
def test_service_cannot_see_home_folders(backend: Box, folder: str) -> None:
    """Users' keys and shell histories are hidden even from root in the sandbox."""
    backend.root_output(f"touch {folder}/probe")
    seen = backend.root(f"nsenter --target={backend.main_pid(backend.service)} --mount ls -A {folder}")
    backend.root_output(f"rm {folder}/probe")
    assert "probe" not in seen.stdout


def test_service_has_a_private_tmp(backend: Box, inside: str) -> None:
    """The service can neither read nor overwrite other programs' files in /tmp."""
    backend.root_output("touch /tmp/probe; chmod 0644 /tmp/probe")
    assert backend.root(f"{inside} cat /tmp/probe").failed
    assert backend.root(f"{inside} touch /tmp/inside && {inside} rm /tmp/inside").succeeded
    backend.root_output("rm /tmp/probe")


def test_service_cannot_see_other_processes(backend: Box, inside: str) -> None:
    """Command lines and environments may contain private data."""
    assert backend.root(f"{inside} cat /proc/1/cmdline").failed


def test_service_has_private_devices(backend: Box, inside: str) -> None:
    """Its /dev contains /dev/null and similar devices, but no disks and no kernel log."""
    file_system = "stat --format=%d /dev"
    assert backend.root_output(f"{inside} {file_system}") != backend.root_output(file_system)
    assert backend.root_output(f"{inside} find /dev -type b -o -name kmsg -o -name mem") == ""
    assert backend.root(f"{inside} sh -c 'echo > /dev/null'").succeeded


def test_service_can_write_to_its_metrics_folder(backend: Box, inside: str) -> None:
    """Workers share their metrics through files in this folder."""
    assert backend.root(f"{inside} touch /run/revezamento/probe && {inside} rm /run/revezamento/probe").succeeded


def test_service_reads_only_its_own_credentials(backend: Box, inside: str) -> None:
    """The administrator's password is on the machine for the CLI, and the service must not be able to read it."""
    own = backend.root_output(f"{inside} ls /run/credentials/{backend.service}").split()
    assert set(own) == {"redis_password", "mysql_password"}
    assert backend.root(f"{inside} cat /run/credentials/{backend.service}/redis_password").succeeded
    assert backend.root(f"{inside} ls {backend.role('app')['__app_settings']}/credentials").failed
    others = backend.root_output("ls /run/credentials").split()
    assert all(
        backend.root(f"{inside} ls /run/credentials/{unit}").failed for unit in others if unit != backend.service
    )
