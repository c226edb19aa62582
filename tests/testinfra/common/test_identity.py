"""Each machine is who the inventory says, at the right time, and knows the others by name."""

from __future__ import annotations

import secrets
import shlex

from lab.machines import Box, Lab


def test_a_machine_bears_its_name(any_machine: Box) -> None:
    """Logs of ten machines can only be told apart by the name in them."""
    assert any_machine.output("hostname") == any_machine.name


def test_the_clock_is_utc(any_machine: Box) -> None:
    """One clock for all logs: a request is followed from machine to machine by its time."""
    assert any_machine.output("date +%Z:%z") == "UTC:+0000"


def test_the_journal_is_kept_on_disk(any_machine: Box) -> None:
    """What happened before a reboot is what one wants to read after it; a container may hide a tmpfs there."""
    said = secrets.token_hex(8)
    any_machine.root_output(f"echo {said} | systemd-cat --identifier=lab-test; journalctl --sync")
    kept = "journalctl --quiet --directory=/var/log/journal --identifier=lab-test --output=cat --lines=1"
    assert any_machine.root_output(kept) == said
    assert any_machine.output("stat --file-system --format=%T /var/log/journal") != "tmpfs"


def test_every_machine_is_known_by_name(any_machine: Box, lab: Lab) -> None:
    """Names come from the lab's DNS, as they would for a new machine that is in nobody's /etc/hosts."""
    names = [f"{box.name}.{lab.domain}" for box in lab]
    found = any_machine.output(f"for name in {shlex.join(names)}; do getent --service=dns hosts $name; done")
    addresses = {words[1]: words[0] for words in map(str.split, found.splitlines())}
    assert addresses == {f"{box.name}.{lab.domain}": box.address for box in lab}


def test_an_unknown_name_is_not_found(any_machine: Box, lab: Lab) -> None:
    """The opposite: a resolver that invents answers would pass the test above."""
    missing = any_machine.run("getent --service=dns hosts %s", f"nobody.{lab.domain}")
    assert (missing.rc, missing.stdout) == (2, "")


def test_the_labs_dns_is_asked_first(any_machine: Box, lab: Lab) -> None:
    """Otherwise a name of the lab is sent to the resolver of the world outside."""
    servers = any_machine.output("awk '$1 == \"nameserver\" {print $2}' /etc/resolv.conf").split()
    expected = lab.addresses("dns")
    assert servers[: len(expected)] == expected
