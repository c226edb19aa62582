"""The limit on failed logins, on the running lab: it holds on all servers together, and locks nobody out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.machines import Lab
from tests.testinfra.browser import Browser, summary
from tests.testinfra.redis_wire import forget_failed_logins


@pytest.fixture(autouse=True)
def _reset_failed_logins(lab: Lab) -> Iterator[None]:
    """Each test starts afresh, and leaves nothing to others, which log in from the same address."""
    forget_failed_logins(lab)
    yield
    forget_failed_logins(lab)


@pytest.fixture
def unknown_user() -> str:
    return f"ninguem-{secrets.token_hex(6)}"


def test_failed_login_limit_is_shared_by_all_servers(
    browser: Browser, unknown_user: str, lab: Lab, app: Any, demo_users: list[dict[str, str]]
) -> None:
    """Neither switching servers nor forging headers avoids the limit, and other users can still log in."""
    limit, frontends = app["app_login_failures_per_user"], lab.tier("frontends")
    assert len(frontends) * limit > limit, "one frontend alone proves nothing"
    guesses = browser.send(
        [
            browser.login_request(
                unknown_user,
                f"palpite-{number}",
                frontend=frontends[number % len(frontends)],
                cookie="",
                headers={"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=203.0.113.{number}"},
            )
            for number in range(limit + len(frontends))
        ]
    )
    assert [guess.status for guess in guesses] == [401] * limit + [429] * len(frontends), summary(guesses)
    assert {guess.frontend for guess in guesses[limit:]} == set(lab.names("frontends"))
    assert all(0 < int(guess.header("Retry-After")) <= app["app_login_window_seconds"] for guess in guesses[limit:])
    assert len({guess.backend for guess in guesses}) > 1
    assert [browser.login(user["usuario"], user["senha"]).status for user in demo_users[:2]] == [200, 200]


def test_a_known_browser_is_not_locked_out(
    ana: Browser, new_browser: Callable[[], Browser], demo_users: list[dict[str, str]], app: Any, lab: Lab
) -> None:
    """Somebody behind the same address uses up the tries of all other browsers, on whichever servers."""
    user, limit, frontends = demo_users[0], app["app_login_failures_per_user"], lab.tier("frontends")
    ana.logout()
    guesses = ana.send(
        [
            ana.login_request(
                user["usuario"], f"palpite-{number}", cookie="", frontend=frontends[number % len(frontends)]
            )
            for number in range(limit + 1)
        ]
    )
    assert [guess.status for guess in guesses] == [401] * limit + [429], summary(guesses)
    assert new_browser().login(user["usuario"], user["senha"]).status == 429
    logins = ana.send([ana.login_request(user["usuario"], user["senha"], frontend=each) for each in frontends])
    assert [login.status for login in logins] == [200] * len(frontends), summary(logins)


def test_users_behind_one_address_do_not_lock_each_other_out(
    browser: Browser, new_browser: Callable[[], Browser], demo_users: list[dict[str, str]], app: Any
) -> None:
    """All of a classroom fail, and more: each user still has a try, and the right password needs only one."""
    failures = app["app_login_failures_per_address"]
    guesses = browser.send(
        [browser.login_request(f"ninguem-{secrets.token_hex(6)}", "palpite-1", cookie="") for _ in range(failures)]
    )
    assert {guess.status for guess in guesses} == {401}, summary(guesses)
    users = demo_users[:2]
    assert [new_browser().login(user["usuario"], user["senha"]).status for user in users] == [200, 200]
    name = f"ninguem-{secrets.token_hex(6)}"
    assert [browser.login(name, "palpite-1", cookie="").status for _ in range(2)] == [401, 429]
