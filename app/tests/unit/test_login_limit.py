"""What failed logins are counted for."""

import pytest

from revezamento.login_limit import Attempt, _keys


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("unknown", "unknown", True),
        ("unknown", "192.0.2.1", False),
    ],
)
def test_addresses_of_one_subscriber_count_together(one: str, other: str, *, is_same: bool) -> None:
    """With IPv6, everybody has 2^64 addresses or more."""
    assert (_keys(Attempt("ana", one)) == _keys(Attempt("ana", other))) == is_same


def test_a_known_browser_counts_for_itself_only() -> None:
    """Neither its address nor its user is charged for it."""
    (own,) = _keys(Attempt("ana", "192.0.2.1", "x"))
    assert own not in _keys(Attempt("ana", "192.0.2.1"))
    assert [own] != _keys(Attempt("ana", "192.0.2.1", "y"))
    assert [own] != _keys(Attempt("bruno", "192.0.2.1", "x"))


def test_keys_hold_no_names() -> None:
    """A name may be long, and whoever can read Redis need not learn who fails to log in."""
    assert "ana-maria" not in str(_keys(Attempt("ana-maria", "192.0.2.1")))
