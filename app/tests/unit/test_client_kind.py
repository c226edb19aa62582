"""The list of sessions names clients by what they say of themselves."""

import pytest

from revezamento.client_kind import client_kind

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "kind"),
    [
        (f"{MOZILLA} (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox, Linux"),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/156.0.0.0 Safari/537.36", "Chrome, Windows"),
        (f"{MOZILLA} (Windows NT 10.0) {WEBKIT} Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0", "Edge, Windows"),
        (f"{MOZILLA} (Linux; Android 10; K) {WEBKIT} Chrome/156.0.0.0 Mobile Safari/537.36", "Chrome, Android"),
        (f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/26.0 Safari/605.1.15", "Safari, macOS"),
        (f"{MOZILLA} (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/26.0 Safari/604.1", "Safari, iPhone"),
        (f"{MOZILLA} (Unknown) Firefox/150.0", "Firefox"),
        ("curl/8.14.1", "curl"),
        ("python-requests/2.33", "python-requests"),
        ("revezamento-drill", "revezamento-drill"),
        ("", None),
        ("<script>alert(1)</script>", None),
        ("é", None),
        ("a" * 1000, "a" * 31),
    ],
)
def test_a_client_is_named_by_program_and_system(user_agent: str, kind: str | None) -> None:
    """The text is the client's own: what is shown of it is short and plain."""
    assert client_kind(user_agent) == kind
