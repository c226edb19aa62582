"""All machines are without power at once, and get it back. What was acknowledged before is still there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from lab.machines import Box, Lab
from lab.power import Provider, provider_of
from lab.waiting import BOOTS_AT_ONCE, wait_until
from tests.testinfra.browser import Browser, logged_in, serves

pytestmark = [pytest.mark.disruptive, pytest.mark.reboot]

BOOT_SECONDS = 240
FLUSH_SECONDS = 2
"""Redis writes to the disk once a second; a power cut of all its machines may undo that second."""
USERS = "/usr/local/sbin/revezamento users"


def boot(provider: Provider, box: Box) -> None:
    provider.on(box.name)
    wait_until(lambda: not box.problem(), f"{box.name} runs commands", BOOT_SECONDS)


@pytest.fixture
def changed_user(lab: Lab) -> Iterator[tuple[str, str, str]]:
    """A user whose password was just changed: name, former password, present password."""
    backend, name = lab.tier("backends")[-1], f"corte-{secrets.token_hex(3)}"
    former, present = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    create = f"{USERS} add {name} --nome Corte --email {name}@example.com --password-stdin"
    backend.root_output(f"echo {former} | {create}")
    backend.root_output(f"echo {present} | {USERS} passwd {name} --password-stdin")
    yield name, former, present
    backend.root_output(f"{USERS} disable {name}")


def test_nothing_acknowledged_is_lost(
    lab: Lab,
    new_browser: Callable[[], Browser],
    demo_users: list[dict[str, str]],
    changed_user: tuple[str, str, str],
) -> None:
    """A new user, a changed password, a session and a logout survive; every server works again by itself."""
    name, former, present = changed_user
    staying, leaving = (logged_in(new_browser(), user) for user in demo_users[:2])
    kept, ended = staying.kept_cookie, leaving.kept_cookie  # the client forgets its cookie jars
    assert leaving.logout().status == 204
    time.sleep(FLUSH_SECONDS)
    provider = provider_of(lab.names("all"))
    lab.everywhere(Box.disconnect)
    lab.everywhere(lambda box: provider.off(box.name))
    assert not any(lab.everywhere(lambda box: provider.is_on(box.name)).values())
    lab.everywhere(partial(boot, provider), at_once=BOOTS_AT_ONCE)
    for box in lab:
        wait_until(partial(box.is_active, *box.units), f"the units of {box.name} are active", BOOT_SECONDS)
    wait_until(lambda: serves(staying, lab), "every frontend reaches every backend", BOOT_SECONDS)
    assert staying.get("/perfil", cookie=kept).json.get("usuario") == demo_users[0]["usuario"]
    assert leaving.get("/perfil", cookie=ended).status == 401
    assert new_browser().login(name, former).status == 401
    assert new_browser().login(name, present).status == 200
