"""All machines reboot, at once if they are not emulated, recover without intervention, and keep the users' sessions."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.waiting import BOOTS_AT_ONCE, wait_until
from tests.testinfra.browser import Browser, logged_in, serves

pytestmark = [pytest.mark.disruptive, pytest.mark.reboot]

BOOT_SECONDS = 240
"""A generous limit: emulated machines are slow, although containers boot in seconds."""


@dataclass(frozen=True)
class Before:
    """A user's session before the reboot."""

    cookie: str
    profile: dict[str, Any]


def boot_time(box: Box) -> str:
    """When user space started. Unlike the kernel's boot id, it changes when a container restarts."""
    return box.output("systemctl show --property=UserspaceTimestampMonotonic --property=UserspaceTimestamp")


def reboot(box: Box) -> None:
    """Reboot a machine and wait until it runs commands again."""
    previous = boot_time(box)
    with suppress(RuntimeError, AssertionError):  # the connection may end before the command does
        box.root("systemctl --no-block reboot")
    box.disconnect()
    wait_until(lambda: boot_time(box) != previous, f"{box.name} has rebooted", BOOT_SECONDS)


@pytest.fixture(scope="module")
def before(lab: Lab, new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]) -> Before:
    """Log in, then reboot every machine."""
    browser = logged_in(new_browser(), demo_users[0])
    state = Before(browser.kept_cookie, browser.get("/perfil").json)
    lab.everywhere(reboot, at_once=BOOTS_AT_ONCE)
    return state


@pytest.mark.usefixtures("before")
def test_units_are_active_after_reboot(any_machine: Box) -> None:
    """Units must be enabled, and ordered so that none fails during boot."""
    wait_until(lambda: any_machine.is_active(*any_machine.units), f"{any_machine.units} are active", BOOT_SECONDS)
    wait_until(
        lambda: any_machine.run("systemctl is-system-running").stdout.strip() in ("running", "degraded"),
        "the boot has finished",
        BOOT_SECONDS,
    )
    assert any_machine.output("systemctl list-units --failed --plain --no-legend") == ""


@pytest.mark.usefixtures("before")
def test_firewall_rules_are_loaded_after_reboot(lab: Lab) -> None:
    """Rules that were only loaded at run time are lost in a power failure."""
    rules = [(box, rule) for box in lab for rule in box.vars["nftables_rules"] if "anyone" not in rule["from"]]
    assert rules
    for box, rule in rules:
        ports = ", ".join(str(port) for port in rule["ports"])
        service = rf"{rule['proto']} dport ({ports}|{{ {ports} }})" if ports else rf"meta l4proto {rule['proto']}"
        closed = rf"{service} counter .*drop"
        assert re.search(closed, box.root_output("nft list ruleset")), box.name


@pytest.mark.usefixtures("before")
def test_journal_keeps_entries_from_before_the_reboot(any_machine: Box) -> None:
    """Entries from before a crash show its cause."""
    first = any_machine.root_output("journalctl --quiet --output=short-unix | head -n 1").split()[0]
    started = any_machine.output('date +%s --date="$(systemctl show --property=UserspaceTimestamp --value)"')
    assert float(first) < float(started)


@pytest.mark.usefixtures("before")
def test_every_frontend_and_backend_works_after_reboot(browser: Browser, lab: Lab) -> None:
    """Each frontend reaches each backend, and each backend reaches Redis and MySQL."""
    wait_until(lambda: serves(browser, lab), "every frontend reaches every backend, and they reach Redis and MySQL", 60)


def test_sessions_survive_a_reboot(browser: Browser, before: Before) -> None:
    """Redis persists sessions to disk, so a power failure logs no user out."""
    after = browser.get("/perfil", cookie=before.cookie)
    assert after.status == 200
    assert {key: after.json[key] for key in ("usuario", "sessao", "criada_em")} == {
        key: before.profile[key] for key in ("usuario", "sessao", "criada_em")
    }
    assert after.json["visitas"] >= before.profile["visitas"]


@pytest.mark.rotation
@pytest.mark.usefixtures("before")
def test_a_new_login_works_on_every_server(browser: Browser, lab: Lab, demo_users: list[dict[str, str]]) -> None:
    """Name resolution, login and sessions all work again."""
    answers = logged_in(browser, demo_users[1]).get_repeatedly("/perfil", 10 * len(lab.tier("backends")))
    assert {(answer.status, answer.json.get("usuario")) for answer in answers} == {(200, demo_users[1]["usuario"])}
    assert {answer.backend for answer in answers} == set(lab.names("backends"))
    assert {answer.frontend for answer in answers} == set(lab.names("frontends"))
