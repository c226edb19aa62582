"""Users list and end their own sessions, through any frontend and backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.machines import Box, Lab
from tests.testinfra.browser import HTML, Browser, Request, logged_in, summary


@pytest.fixture
def phone(new_browser: Callable[[], Browser], demo_users: list[dict[str, str]]) -> Browser:
    """Another browser of the first demo user."""
    return logged_in(new_browser(), demo_users[0])


def everywhere(lab: Lab, path: str, method: str = "GET", cookie: str | None = None) -> list[Request]:
    """The same request through each frontend, often enough for each of them to ask each backend."""
    times = 2 * len(lab.tier("backends"))
    return [
        Request(path=path, method=method, frontend=each, cookie=cookie)
        for each in lab.tier("frontends")
        for _ in range(times)
    ]


def fingerprint(browser: Browser) -> str:
    return str(browser.get("/perfil").json["sessao"])


def delete(browser: Browser, path: str, **details: Any) -> int:
    return browser.send([Request(path=path, method="DELETE", **details)])[0].status


@pytest.mark.rotation
def test_every_server_lists_the_same_sessions(ana: Browser, phone: Browser, client: Box, lab: Lab) -> None:
    """With address and program, as nginx saw them; one of them is the current one."""
    own, other = fingerprint(ana), fingerprint(phone)
    answers = ana.send(everywhere(lab, "/sessoes"))
    assert {answer.status for answer in answers} == {200}, summary(answers)
    assert {answer.backend for answer in answers} == set(lab.names("backends"))
    for answer in answers:
        listed = {one["sessao"]: one for one in answer.json["sessoes"]}
        assert [name for name, one in listed.items() if one["atual"]] == [own]
        for name in (own, other):
            assert (listed[name]["endereco"], listed[name]["cliente"]) == (client.address, "curl")
        assert answer.json["total"] >= len(listed)
        assert answer.header("Cache-Control") == "no-store"


def test_one_session_is_ended_from_another(ana: Browser, phone: Browser, lab: Lab) -> None:
    """On every frontend and backend at once; the others go on."""
    kept, name = phone.kept_cookie, fingerprint(phone)
    assert delete(ana, f"/sessoes/{name}") == 204
    answers = phone.send(everywhere(lab, "/perfil", cookie=kept))
    assert {answer.status for answer in answers} == {401}, summary(answers)
    assert {answer.backend for answer in answers} == set(lab.names("backends"))
    listed = ana.get("/sessoes").json["sessoes"]
    assert name not in [one["sessao"] for one in listed]
    assert delete(ana, f"/sessoes/{name}") == 404


def test_a_logout_everywhere_ends_all_sessions_of_the_user(
    ana: Browser, phone: Browser, bruno: Browser, lab: Lab
) -> None:
    """On every frontend and backend at once, the current one too; other users notice nothing."""
    cookies = [browser.kept_cookie for browser in (ana, phone)]
    assert delete(ana, "/sessoes") == 204
    assert ana.cookie == ""
    answers = [answer for cookie in cookies for answer in ana.send(everywhere(lab, "/perfil", cookie=cookie))]
    assert {answer.status for answer in answers} == {401}, summary(answers)
    assert bruno.get("/perfil").status == 200


def test_the_sessions_of_others_cannot_be_seen_or_ended(ana: Browser, bruno: Browser) -> None:
    """Whether a fingerprint exists is nobody else's business."""
    name = fingerprint(bruno)
    assert name not in ana.get("/sessoes").body
    answers = ana.send([Request(path=f"/sessoes/{one}", method="DELETE") for one in (name, "00000000")])
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].body == answers[1].body
    assert bruno.get("/perfil").status == 200


def test_another_site_ends_no_session(ana: Browser) -> None:
    """The browser would send the cookie."""
    paths = ("/sessoes", f"/sessoes/{fingerprint(ana)}")
    requests = [
        Request(path=path, method=method, headers={"Sec-Fetch-Site": "cross-site"})
        for path in paths
        for method in ("DELETE", "POST")
    ]
    assert {answer.status for answer in ana.send(requests)} == {403}
    assert ana.get("/perfil").status == 200


def test_without_a_session_there_is_no_list(browser: Browser) -> None:
    """It tells where a user is."""
    answer = browser.get("/sessoes")
    assert (answer.status, set(answer.json)) == (401, {"erro"})
    assert delete(browser, "/sessoes") == 401


def test_the_page_of_sessions_works_without_javascript(ana: Browser, phone: Browser) -> None:
    """Its forms send a POST, since they cannot send DELETE."""
    name = fingerprint(phone)
    page = ana.get("/sessoes", headers=HTML)
    assert page.header("Content-Type").startswith("text/html")
    assert f'action="/sessoes/{name}"' in page.body
    answer = ana.post(f"/sessoes/{name}", headers=HTML)
    assert (answer.status, answer.header("Location")) == (303, "/sessoes")
    assert phone.get("/perfil").status == 401
