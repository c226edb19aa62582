"""Another site must not make a browser log in or out."""

from typing import Any

import pytest

HOST = "http://www.example.com"


def post(client: Any, headers: dict[str, str], base_url: str = HOST) -> int:
    return int(client.post("/logout", headers=headers, base_url=base_url).status_code)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Sec-Fetch-Site": "cross-site", "Origin": HOST},
        {"Origin": "http://evil.example"},
        {"Origin": "http://www.example.com.evil.example"},
        {"Origin": "http://www.example.com:8080"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://[broken"},
    ],
)
def test_a_post_from_another_site_is_refused(offline: Any, headers: dict[str, str]) -> None:
    """The browser sends the cookie as well, so the cookie proves nothing."""
    assert post(offline, headers) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Origin": HOST},
    ],
)
def test_a_post_from_our_own_page_or_a_program_is_served(offline: Any, headers: dict[str, str]) -> None:
    """Programs send neither header; old browsers send only `Origin`."""
    assert post(offline, headers) == 204


def test_a_delete_from_another_site_is_refused(offline: Any) -> None:
    """Browsers ask before they send one, but this check does not rely on it."""
    for path in ("/sessoes", "/sessoes/0123abcd"):
        assert offline.delete(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert offline.delete(path, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 401


def test_the_port_belongs_to_the_origin(offline: Any) -> None:
    """Two ports are two sites."""
    assert post(offline, {"Origin": "http://localhost:8080"}, "http://localhost:8080") == 204
    assert post(offline, {"Origin": "http://localhost:9090"}, "http://localhost:8080") == 403


def test_a_get_from_another_site_is_served(offline: Any) -> None:
    """A link on another site may lead to the profile."""
    assert offline.get("/perfil", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 401


def test_the_refusal_explains_itself(offline: Any) -> None:
    """A misconfigured proxy can cause it."""
    answer = offline.post("/logout", headers={"Sec-Fetch-Site": "cross-site"})
    assert "outro site" in answer.json["erro"]
