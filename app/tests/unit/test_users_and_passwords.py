"""User names are normalized, and hashes have fixed parameters."""

import unicodedata

import pytest

from revezamento.passwords import Overloaded, Passwords, is_password
from revezamento.users import canonical


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ana", "ana"),
        (" Ana\t", "ana"),
        ("\uff21\uff2e\uff21", "ana"),
        ("Joa\u0303o", "jo\u00e3o"),
        ("STRASSE", "strasse"),
        ("straße", "strasse"),
        ("jose", "jose"),
        ("josé", "josé"),
    ],
)
def test_names_are_normalized(typed: str, name: str) -> None:
    """Case, width and spaces do not matter, but accents do."""
    assert canonical(typed) == name
    assert canonical(name) == name


@pytest.mark.parametrize("typed", ["", "  ", "a\0b", "a\nb", "a\u200bb", "\ud800", "x" * 65, "ﷺ" * 4])
def test_invalid_names(typed: str) -> None:
    """This includes names that become too long when they are normalized."""
    assert canonical(typed) is None


@pytest.mark.parametrize(
    ("senha", "is_valid"),
    [
        ("x", True),
        ("x" * 128, True),
        ("ção €\u00a0", True),
        ("", False),
        ("x" * 129, False),
        ("\0", False),
        ("\ud800", False),
    ],
)
def test_valid_passwords(senha: str, is_valid: bool) -> None:
    """Everything that people can type, up to a length that is cheap to hash."""
    assert is_password(senha) is is_valid


def test_hashes_are_argon2id_with_the_chosen_parameters() -> None:
    """OWASP's smallest parameters: 19 MiB, two passes, one lane. Small machines have little memory."""
    assert Passwords(workers=1).hash("senha-da-ana").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_password_matches_its_hash_and_no_other() -> None:
    """The dummy hash never matches."""
    passwords = Passwords(workers=1)
    senha_hash = passwords.hash("senha-da-ana")
    assert passwords.verify(senha_hash, "senha-da-ana", 1)
    assert not passwords.verify(senha_hash, "senha-da-Ana", 1)
    assert not passwords.verify(None, "senha-da-ana", 1)
    assert not passwords.verify("no hash", "senha-da-ana", 1)


def test_a_password_matches_from_every_keyboard() -> None:
    """Some systems type "ã" as one character, others as two."""
    passwords = Passwords(workers=1)
    one, two = (unicodedata.normalize(form, "coração") for form in ("NFC", "NFD"))
    assert one != two
    assert passwords.verify(passwords.hash(one), two, 1)


@pytest.mark.parametrize(("processors", "workers", "slots"), [(4, 2, 2), (2, 2, 1), (1, 2, 1), (None, 1, 1)])
def test_workers_share_the_processors(
    monkeypatch: pytest.MonkeyPatch, processors: int | None, workers: int, slots: int
) -> None:
    """Together they never hash more at once than there are processors, and each of them can hash."""
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    passwords = Passwords(workers)
    for _ in range(slots):
        assert passwords._slots.acquire(blocking=False)
    with pytest.raises(Overloaded):
        passwords.verify(None, "x", 0.01)
