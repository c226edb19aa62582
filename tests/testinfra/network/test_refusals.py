"""Invalid and hostile requests are rejected consistently, without side effects."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from lab.logs import logged_by_backend, logged_by_frontend
from lab.machines import Box, Lab
from lab.waiting import SLOW
from tests.testinfra.browser import HTML, Browser, Request, summary
from tests.testinfra.redis_wire import forget_failed_logins

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BODY_MEGABYTES = 10


@pytest.fixture(autouse=True, scope="module")
def _reset_failed_logins(lab: Lab) -> Iterator[None]:
    """Other tests log in from the same address."""
    yield
    forget_failed_logins(lab)


@pytest.fixture
def unknown_user() -> str:
    """A new name that belongs to no user and has no failed logins."""
    return f"ninguem-{secrets.token_hex(6)}"


def test_a_request_without_a_cookie_is_unauthorized(browser: Browser) -> None:
    """The profile requires a session."""
    answer = browser.get("/perfil")
    assert (answer.status, set(answer.json)) == (401, {"erro"})


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
    browser: Browser, unknown_user: str, app: Any, demo_users: list[dict[str, str]]
) -> None:
    """The text must not reveal which accounts exist (`make bench-logins` measures the time), nor may a few mistakes
    lock the user out."""
    user = demo_users[0]
    wrong, unknown = (
        [browser.login(name, "errada-errada") for _ in range(3)] for name in (user["usuario"], unknown_user)
    )
    assert browser.login(user["usuario"], user["senha"]).status == 200
    assert {(answer.status, answer.body) for answer in wrong} == {(401, unknown[0].body)}
    assert {(answer.status, answer.body) for answer in unknown} == {(401, unknown[0].body)}
    assert not any(answer.set_cookie(app["app_cookie_name"]) for answer in wrong + unknown)


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("' OR '1'='1", "' OR '1'='1"),
        ("ana' -- ", "x"),
        ("ana'#", "x"),
        ("ana\\", " OR 1=1 -- "),
        ("'; DROP TABLE users; -- ", "x"),
        ("' UNION SELECT 1,'ana','ana','a','a',1 -- ", "x"),
        ("ana", "' OR senha_hash LIKE '%"),
        ("%", "x"),
        ("{{7*7}}", "${7*7}"),
        ("\uff07 or 1=1 -- ", "x"),
    ],
)
def test_sql_injection_in_login_fields_fails(browser: Browser, ana: Browser, user: str, password: str) -> None:
    """The input is treated as a user name, and the database is unchanged."""
    answer = browser.login(user, password, cookie="")
    assert (answer.status, set(answer.json)) == (401, {"erro"})
    assert ana.get("/perfil").status == 200


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, '{"usuario": "ana", "senha": '),
        (JSON, ""),
        (JSON, "[]"),
        (JSON, "null"),
        (JSON, '"ana"'),
        (JSON, '{"usuario": "ana"}'),
        (JSON, '{"usuario": "ana", "senha": 1}'),
        (JSON, '{"usuario": {"$ne": null}, "senha": {"$ne": null}}'),
        (JSON, '{"usuario": "", "senha": "x"}'),
        (JSON, '{"usuario": "' + 65 * "a" + '", "senha": "x"}'),
        (JSON, '{"usuario": "ana", "senha": "' + 129 * "a" + '"}'),
        (JSON, '{"usuario": "ana\\u0000", "senha": "x"}'),
        (JSON, 5000 * "["),
        (FORM, "usuario=ana"),
        (FORM, ""),
        (FORM, "usuario=%ff%fe&senha=%00"),
        ({"Content-Type": "text/plain"}, '{"usuario": "ana", "senha": "senha-da-ana"}'),
        ({"Content-Type": "application/xml"}, "<usuario>ana</usuario>"),
    ],
)
def test_a_malformed_login_is_a_bad_request(browser: Browser, headers: dict[str, str], body: str) -> None:
    """It is neither a server error nor counted as a failed login."""
    answer = browser.post("/login", headers=headers, body=body)
    assert (answer.status, set(answer.json)) == (400, {"erro"})
    assert answer.backend


@pytest.mark.parametrize("framing", [[], ["--header", "Transfer-Encoding: chunked"]], ids=["length", "chunked"])
def test_a_ten_megabyte_body_is_too_large(browser: Browser, client: Box, lab: Lab, framing: list[str]) -> None:
    """nginx rejects the body itself, with or without a Content-Length."""
    client.output("head -c %s /dev/zero | tr '\\0' a > /tmp/large", f"{BODY_MEGABYTES}M")
    options = ["--data-binary", "@/tmp/large", *framing]
    answers = browser.send(
        [
            Request(path=path, method="POST", frontend=frontend, headers=JSON, options=options)
            for frontend in lab.tier("frontends")
            for path in ("/login", "/logout")
        ]
    )
    client.output("rm /tmp/large")
    assert {(answer.status, answer.backend) for answer in answers} == {(413, "")}, summary(answers)


def test_a_body_just_above_the_limit_is_too_large(browser: Browser, nginx: Any) -> None:
    """A body just below the limit reaches the app, which rejects it as invalid."""
    limit = nginx["nginx_max_body_kb"] * 1024
    head, tail = '{"usuario": "ana", "senha": "', '"}'
    above, below = (head + (limit + change - len(head + tail)) * "a" + tail for change in (1, -1))
    assert browser.post("/login", headers=JSON, body=above).status == 413
    assert browser.post("/login", headers=JSON, body=below).status == 400


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        43 * "A",
        42 * "A",
        44 * "A",
        43 * "é",
        "*",
        "sess:*",
        "../../etc/passwd",
        "'; DROP TABLE users; --",
        "%00%0d%0a",
        '{"usuario":"ana"}',
        "gASVLAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu",
        '"quoted"',
        7000 * "A",
    ],
)
def test_an_invalid_cookie_is_unauthorized(browser: Browser, app: Any, value: str) -> None:
    """It causes no server error, and creates no session with an ID chosen by the client."""
    answer = browser.get("/perfil", cookie=f"{app['app_cookie_name']}={value}")
    assert (answer.status, set(answer.json)) == (401, {"erro"})
    assert answer.set_cookie(app["app_cookie_name"]) == ""


def test_a_cookie_larger_than_any_header_is_a_bad_request(browser: Browser, frontend: Box, app: Any) -> None:
    """nginx rejects it, with an error in the client's format."""
    program, person = browser.send(
        [
            Request(
                path="/perfil", frontend=frontend, cookie=f"{app['app_cookie_name']}={20_000 * 'A'}", headers=headers
            )
            for headers in ({}, HTML)
        ]
    )
    assert (program.status, program.frontend, set(program.json)) == (400, frontend.name, {"erro"})
    assert (person.status, person.header("Content-Type").split(";")[0]) == (400, "text/html")


def test_a_session_id_chosen_by_the_client_is_not_adopted(
    browser: Browser, app: Any, demo_users: list[dict[str, str]]
) -> None:
    """Session fixation: an attacker who plants a cookie must not share the victim's session after login."""
    planted = 43 * "P"
    user = demo_users[0]
    answer = browser.login(user["usuario"], user["senha"], cookie=f"{app['app_cookie_name']}={planted}")
    assert answer.status == 200
    assert planted not in answer.header("Set-Cookie")
    assert browser.get("/perfil", cookie=f"{app['app_cookie_name']}={planted}").status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("BREW", "/perfil"),
        ("DELETE", "/perfil"),
        ("POST", "/perfil"),
        ("GET", "/login"),
        ("PUT", "/login"),
        ("GET", "/logout"),
    ],
)
def test_an_unknown_method_is_refused(browser: Browser, method: str, path: str) -> None:
    """In particular, GET must not log users out, or an image on another site could do so."""
    answer = browser.get(path, method=method)
    assert (answer.status, set(answer.json)) == (405, {"erro"})


def test_malformed_http_is_refused(client: Box, frontend: Box) -> None:
    """Invalid data closes the connection without affecting the server."""
    response = client.run(
        f"timeout {5 * SLOW} bash -c %s",
        f"exec 3<>/dev/tcp/{frontend.address}/80; printf '\\0\\1garbage\\r\\n\\r\\n' >&3; cat <&3",
    )
    assert response.stdout.startswith("HTTP/1.1 400 ")
    assert frontend.is_active(*frontend.units)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://www.evil.example", "Referer": "http://www.evil.example/"},
    ],
    ids=str,
)
def test_another_site_cannot_act_for_a_user(
    ana: Browser, demo_users: list[dict[str, str]], headers: dict[str, str]
) -> None:
    """The browser attaches the cookie to cross-site requests, which the user may not have intended."""
    user = demo_users[1]
    logout, login = ana.send(
        [
            Request(path="/logout", method="POST", headers=headers),
            ana.login_request(user["usuario"], user["senha"], headers=headers),
        ]
    )
    assert (logout.status, login.status) == (403, 403)
    assert ana.get("/perfil").json["usuario"] == demo_users[0]["usuario"]


def test_same_origin_requests_are_allowed(ana: Browser) -> None:
    """The CSRF protection must not block the site's own forms."""
    headers = {"Origin": ana.site_url, "Sec-Fetch-Site": "same-origin"}
    assert ana.logout(headers=headers).status == 204


def test_passwords_are_not_logged(browser: Browser, unknown_user: str, lab: Lab) -> None:
    """A mistyped password is close to the real one, and many people can read the logs."""
    password = secrets.token_hex(8)
    answer = browser.login(unknown_user, password)
    lines = [
        logged_by_frontend(lab[answer.frontend], answer.request_id),
        *logged_by_backend(lab[answer.backend], answer.request_id),
    ]
    assert answer.status == 401
    assert {line.get("event") for line in lines} >= {"login", "request"}
    assert password not in str(lines)


def test_password_guessing_does_not_affect_logged_in_users(ana: Browser, browser: Browser, unknown_user: str) -> None:
    """Password hashing is deliberately expensive, but must not starve other requests."""
    guesses = [browser.login_request(f"{unknown_user}-{number}", "errada-errada", cookie="") for number in range(8)]
    with ana.background_load("/perfil", at_least=3) as answers:
        assert {guess.status for guess in browser.send(guesses)} == {401}
    assert {answer.status for answer in answers} == {200}, summary(answers)
