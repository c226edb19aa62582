"""Each machine has the right host name, clock and journal, and resolves the other machines' names."""

from __future__ import annotations

import secrets
import shlex

import pytest

from lab.machines import Box, Lab

NET_SSH = {
    "kexalgorithms": {
        *(f"ecdh-sha2-nistp{bits}" for bits in (256, 384, 521)),
        *("diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256", "diffie-hellman-group14-sha1"),
    },
    "hostkeyalgorithms": {"ssh-ed25519", *(f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521))},
    "ciphers": {f"aes{bits}-ctr" for bits in (128, 192, 256)},
    "macs": {f"hmac-sha2-{bits}{kind}" for bits in (256, 512) for kind in ("", "-etm@openssh.com")},
}
"""What Vagrant's SSH library can do: lib/net/ssh/transport/algorithms.rb of net-ssh 7.0, without optional gems."""


def test_hostname_matches_the_inventory(any_machine: Box) -> None:
    """The host name identifies a machine in the logs."""
    assert any_machine.output("hostname") == any_machine.name


def test_time_zone_is_utc(any_machine: Box) -> None:
    """With one time zone, timestamps can be compared across machines."""
    assert any_machine.output("date +%Z:%z") == "UTC:+0000"


def test_journal_is_persistent(any_machine: Box) -> None:
    """Entries must survive a reboot, so the journal must not be on a tmpfs, as it may be in a container."""
    entry = secrets.token_hex(8)
    any_machine.root_output(f"echo {entry} | systemd-cat --identifier=lab-test; journalctl --sync")
    read = "journalctl --quiet --directory=/var/log/journal --identifier=lab-test --output=cat --lines=1"
    assert any_machine.root_output(read) == entry
    assert any_machine.output("stat --file-system --format=%T /var/log/journal") != "tmpfs"


def test_every_machine_name_resolves(any_machine: Box, lab: Lab) -> None:
    """Names come from DNS, so a new machine needs no /etc/hosts entries."""
    names = [f"{box.name}.{lab.domain}" for box in lab]
    found = any_machine.output(f"for name in {shlex.join(names)}; do getent --service=dns hosts $name; done")
    addresses = {words[1]: words[0] for words in map(str.split, found.splitlines())}
    assert addresses == {f"{box.name}.{lab.domain}": box.address for box in lab}


def test_an_unknown_name_is_not_found(any_machine: Box, lab: Lab) -> None:
    """The zone has no wildcard."""
    missing = any_machine.run("getent --service=dns hosts %s", f"unknown.{lab.domain}")
    assert (missing.rc, missing.stdout) == (2, "")


def test_labs_dns_is_the_first_resolver(any_machine: Box, lab: Lab) -> None:
    """Otherwise queries for the lab's names go to an external resolver."""
    servers = any_machine.output("awk '$1 == \"nameserver\" {print $2}' /etc/resolv.conf").split()
    expected = lab.addresses("dns")
    assert servers[: len(expected)] == expected


def test_ssh_takes_no_password(any_machine: Box) -> None:
    """Passwords can be guessed."""
    options = "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no"
    refusal = any_machine.run(f"ssh {options} root@127.0.0.1 true; true").stderr
    assert "Permission denied (publickey)" in refusal


def test_vagrant_can_log_in(any_machine: Box, lab: Lab) -> None:
    """`vagrant provision` and `vagrant halt` do not use this computer's OpenSSH, whatever the lab's machines are."""
    if not lab.is_for_breaking:
        pytest.skip("Vagrant does not make real servers")
    settings = dict(line.split(" ", 1) for line in any_machine.root_output("sshd -T").splitlines())
    offered = {name: set(settings[name].split(",")) for name in NET_SSH}
    assert [name for name in NET_SSH if not offered[name] & NET_SSH[name]] == []
