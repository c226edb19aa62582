"""The cookie of a browser that a user has logged in with."""

from dataclasses import replace

import pytest

from revezamento.known_devices import COOKIE_SECONDS, device_of, new_cookie
from revezamento.users import User

ANA = User(1, "ana", "Ana", "ana@example.com", "$argon2id$v=19$m=19456,t=2,p=1$salt$hash", ativo=True)


def test_a_browser_is_known_to_the_user_who_has_logged_in() -> None:
    """To nobody else, and not after a new password."""
    cookie = new_cookie(ANA)
    assert device_of(cookie, ANA)
    for other in (None, replace(ANA, id=2), replace(ANA, senha_hash="another")):
        assert device_of(cookie, other) is None


def test_each_login_makes_another_cookie() -> None:
    """Two browsers have a limit each."""
    assert device_of(new_cookie(ANA), ANA) != device_of(new_cookie(ANA), ANA)


def test_a_cookie_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that was sold is forgotten some day."""
    cookie = new_cookie(ANA)
    now = int(cookie.partition(".")[0]) - COOKIE_SECONDS
    for seconds, is_known in ((COOKIE_SECONDS - 1, True), (COOKIE_SECONDS, False)):
        monkeypatch.setattr("revezamento.known_devices.time", lambda later=seconds: now + later)
        assert bool(device_of(cookie, ANA)) == is_known


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_changed_cookie_is_worthless(part: int) -> None:
    """Nobody can make one, or make it last longer."""
    parts = new_cookie(ANA).split(".")
    parts[part] = parts[part][:-1] + ("0" if parts[part][-1] != "0" else "1")
    assert device_of(".".join(parts), ANA) is None


@pytest.mark.parametrize("cookie", ["", ".", "x", "..", "1" * 10 + ".." + "0" * 64, "\u0660" * 10 + "." + "a" * 16])
def test_anything_else_is_no_cookie(cookie: str) -> None:
    """It comes from the client."""
    assert device_of(cookie, ANA) is None
