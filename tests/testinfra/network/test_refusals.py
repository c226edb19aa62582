"""What is not in order is refused, in the same words whoever answers, and breaks nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest

from lab.logs import logged_by_backend, logged_by_frontend
from lab.machines import Box, Lab
from lab.waiting import SLOW
from tests.testinfra.browser import HTML, Browser, Request, summary
from tests.testinfra.redis_wire import as_admin, run_commands

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BODY_MEGABYTES = 10


@pytest.fixture(autouse=True, scope="module")
def _forgiven(lab: Lab, client: Box) -> Iterator[None]:
    """Failed logins of these tests do not count against the client's address: others log in from there."""
    yield
    for redis in lab.tier("redis"):
        run_commands(lab.tier("backends")[0], redis, as_admin(redis), ["DEL", f"login:address:{client.address}"])


@pytest.fixture
def stranger() -> str:
    """A user who does not exist and whom nobody tried before."""
    return f"ninguem-{secrets.token_hex(6)}"


def test_nobody_is_logged_in_without_a_cookie(browser: Browser) -> None:
    """The opposite of everything else."""
    answer = browser.get("/perfil")
    assert (answer.status, set(answer.json)) == (401, {"erro"})


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
    browser: Browser, stranger: str, app: Any, demo_users: list[dict[str, str]]
) -> None:
    """Otherwise anybody may ask who has an account: neither text nor time tells. And a mistake locks nobody out."""
    user = demo_users[0]
    wrong, unknown = ([browser.login(name, "errada-errada") for _ in range(3)] for name in (user["usuario"], stranger))
    assert browser.login(user["usuario"], user["senha"]).status == 200
    assert {(answer.status, answer.body) for answer in wrong} == {(401, unknown[0].body)}
    assert {(answer.status, answer.body) for answer in unknown} == {(401, unknown[0].body)}
    assert not any(answer.set_cookie(app["app_cookie_name"]) for answer in wrong + unknown)
    times = [median(answer.seconds for answer in answers) for answers in (wrong, unknown)]
    assert max(times) < 3 * min(times), times


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
def test_sql_in_the_fields_is_a_name_like_any_other(browser: Browser, ana: Browser, user: str, password: str) -> None:
    """It is looked up, it is not found, and the table is still there."""
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
def test_a_login_that_cannot_be_read_is_a_bad_request(browser: Browser, headers: dict[str, str], body: str) -> None:
    """Never an error of the server, and never a failed login of somebody."""
    answer = browser.post("/login", headers=headers, body=body)
    assert (answer.status, set(answer.json)) == (400, {"erro"})
    assert answer.backend


@pytest.mark.parametrize("framing", [[], ["--header", "Transfer-Encoding: chunked"]], ids=["length", "chunked"])
def test_ten_megabytes_are_too_much(browser: Browser, client: Box, lab: Lab, framing: list[str]) -> None:
    """A login is less than a kilobyte: nginx stops reading, with or without a length told before."""
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


def test_a_body_just_above_the_limit_is_too_much(browser: Browser, nginx: Any) -> None:
    """And one just below it is only a login that cannot be right."""
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
def test_a_garbage_cookie_is_nobody(browser: Browser, app: Any, value: str) -> None:
    """Never an error of the server, and no session that the client chose."""
    answer = browser.get("/perfil", cookie=f"{app['app_cookie_name']}={value}")
    assert (answer.status, set(answer.json)) == (401, {"erro"})
    assert answer.set_cookie(app["app_cookie_name"]) == ""


def test_a_cookie_larger_than_any_header_is_a_bad_request(browser: Browser, frontend: Box, app: Any) -> None:
    """nginx stops reading; the answer is in the client's format like any other."""
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


def test_a_session_id_of_the_clients_choice_is_not_adopted(
    browser: Browser, app: Any, demo_users: list[dict[str, str]]
) -> None:
    """Session fixation: who plants a cookie in somebody's browser is not logged in when that person is."""
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
    """Above all a GET never logs anybody out: an image on another site could do it."""
    answer = browser.get(path, method=method)
    assert (answer.status, set(answer.json)) == (405, {"erro"})


def test_what_is_no_http_is_refused(client: Box, frontend: Box) -> None:
    """Garbage on the port ends with the connection, not with the server."""
    told = client.run(
        f"timeout {5 * SLOW} bash -c %s",
        f"exec 3<>/dev/tcp/{frontend.address}/80; printf '\\0\\1garbage\\r\\n\\r\\n' >&3; cat <&3",
    )
    assert told.stdout.startswith("HTTP/1.1 400 ")
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
    """The browser sends the cookie along; that the user meant it is another question."""
    user = demo_users[1]
    out, in_ = ana.send(
        [
            Request(path="/logout", method="POST", headers=headers),
            ana.login_request(user["usuario"], user["senha"], headers=headers),
        ]
    )
    assert (out.status, in_.status) == (403, 403)
    assert ana.get("/perfil").json["usuario"] == demo_users[0]["usuario"]


def test_the_site_itself_may(ana: Browser) -> None:
    """The positive case, as a browser sends it."""
    headers = {"Origin": ana.site_url, "Sec-Fetch-Site": "same-origin"}
    assert ana.logout(headers=headers).status == 204


def test_a_password_leaves_no_trace_in_the_logs(browser: Browser, stranger: str, lab: Lab) -> None:
    """A mistyped password is nearly the right one, and logs are read by many."""
    password = secrets.token_hex(8)
    answer = browser.login(stranger, password)
    lines = [
        logged_by_frontend(lab[answer.frontend], answer.request_id),
        *logged_by_backend(lab[answer.backend], answer.request_id),
    ]
    assert answer.status == 401
    assert {line.get("event") for line in lines} >= {"login", "request"}
    assert password not in str(lines)


def test_guessing_is_stopped_whichever_servers_are_asked(
    browser: Browser, stranger: str, lab: Lab, app: Any, demo_users: list[dict[str, str]]
) -> None:
    """The limit is one for all servers, and no forged header resets it. Other users go on logging in."""
    limit, frontends = app["app_login_failures_per_user"], lab.tier("frontends")
    assert len(frontends) * limit > limit, "one frontend alone proves nothing"
    guesses = browser.send(
        [
            browser.login_request(
                stranger,
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


def test_a_logged_in_user_does_not_notice_that_somebody_guesses(ana: Browser, browser: Browser, stranger: str) -> None:
    """Hashing passwords costs processor time on purpose; the profile still comes."""
    guesses = [browser.login_request(f"{stranger}-{number}", "errada-errada", cookie="") for number in range(8)]
    with ana.background_load("/perfil", at_least=3) as answers:
        assert {guess.status for guess in browser.send(guesses)} == {401}
    assert {answer.status for answer in answers} == {200}, summary(answers)
