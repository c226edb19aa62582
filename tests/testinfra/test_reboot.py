"""The power fails everywhere at once. All comes back by itself, and a cookie from before is still good."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from lab.machines import Box, Lab
from lab.waiting import wait_until
from tests.testinfra.browser import Browser, logged_in, serves

pytestmark = [pytest.mark.disruptive, pytest.mark.reboot]

BOOT_SECONDS = 240
"""Emulated machines are slow; the embedded lab needs a few seconds."""


@dataclass(frozen=True)
class Before:
    """What was true before the reboot."""

    cookie: str
    profile: dict[str, Any]


def boot(box: Box) -> str:
    """Something that is another with each boot; in a container the kernel's boot id is not."""
    return box.output("systemctl show --property=UserspaceTimestampMonotonic --property=UserspaceTimestamp")


def has_booted_anew(box: Box, last: str) -> bool:
    return boot(box) != last


def order_reboot(box: Box) -> None:
    with suppress(RuntimeError, AssertionError):  # the connection may end before the command does
        box.root("systemctl --no-block reboot")
    box.disconnect()


@pytest.fixture(scope="module")
def before(lab: Lab, new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]) -> Before:
    """Somebody logs in, then every machine reboots."""
    browser = logged_in(new_browser(), demo_users[0])
    state = Before(browser.kept_cookie, browser.get("/perfil").json)
    boots = lab.everywhere(boot)
    lab.everywhere(order_reboot)
    for box in lab:
        wait_until(partial(has_booted_anew, box, boots[box.name]), f"{box.name} has booted anew", BOOT_SECONDS)
    return state


@pytest.mark.usefixtures("before")
def test_its_services_are_back(any_machine: Box) -> None:
    """Enabled units, in an order that works without anybody's help."""
    wait_until(lambda: any_machine.is_active(*any_machine.units), f"{any_machine.units} are active", BOOT_SECONDS)
    wait_until(
        lambda: any_machine.run("systemctl is-system-running").stdout.strip() in ("running", "degraded"),
        "the boot is over",
        BOOT_SECONDS,
    )
    assert any_machine.output("systemctl list-units --failed --plain --no-legend") == ""


@pytest.mark.usefixtures("before")
def test_the_guards_are_back(lab: Lab) -> None:
    """A firewall that is only loaded by hand is open after a power failure."""
    rules = [(box, rule) for box in lab for rule in box.vars["nftables_rules"] if "anyone" not in rule["from"]]
    assert rules
    for box, rule in rules:
        ports = ", ".join(str(port) for port in rule["ports"])
        closed = rf"{rule['proto']} dport ({ports}|{{ {ports} }}) counter .*drop"
        assert re.search(closed, box.root_output("nft list ruleset")), box.name


@pytest.mark.usefixtures("before")
def test_its_journal_reaches_back_beyond_the_reboot(any_machine: Box) -> None:
    """The lines from before a failure are those that tell its cause."""
    first = any_machine.root_output("journalctl --quiet --output=short-unix | head -n 1").split()[0]
    started = any_machine.output('date +%s --date="$(systemctl show --property=UserspaceTimestamp --value)"')
    assert float(first) < float(started)


@pytest.mark.usefixtures("before")
def test_the_whole_system_serves(browser: Browser, lab: Lab) -> None:
    """Every frontend, every backend, Redis and MySQL have found each other again."""
    wait_until(lambda: serves(browser, lab), "every frontend reaches every backend, and they reach Redis and MySQL", 60)


def test_a_cookie_from_before_is_still_good(browser: Browser, before: Before) -> None:
    """The sessions were on Redis's disk: the power failed, and nobody was logged out."""
    after = browser.get("/perfil", cookie=before.cookie)
    assert after.status == 200
    assert {key: after.json[key] for key in ("usuario", "sessao", "criada_em")} == {
        key: before.profile[key] for key in ("usuario", "sessao", "criada_em")
    }
    assert after.json["visitas"] >= before.profile["visitas"]


@pytest.mark.rotation
@pytest.mark.usefixtures("before")
def test_a_user_logs_in_and_is_known_everywhere(browser: Browser, lab: Lab, demo_users: list[dict[str, str]]) -> None:
    """As on the first day, by name, through DNS."""
    answers = logged_in(browser, demo_users[1]).get_often("/perfil", 10 * len(lab.tier("backends")))
    assert {(answer.status, answer.json.get("usuario")) for answer in answers} == {(200, demo_users[1]["usuario"])}
    assert {answer.backend for answer in answers} == set(lab.names("backends"))
    assert {answer.frontend for answer in answers} == set(lab.names("frontends"))
