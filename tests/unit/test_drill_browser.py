"""The virtual users' browser behaves like a browser, and its reply shows every attempt."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from dns.exception import DNSException

from drills import browser as module
from drills.browser import Browser, Reply, Site
from drills.resolver import Resolver
from tests.certificates import self_signed
from tests.unit.drill_site import FRONTENDS, NAME, NameServer, StubSite, fixed

FIRST, SECOND = FRONTENDS


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.3)


def visit(
    site: StubSite,
    story: Callable[[Browser], Coroutine[Any, Any, None]],
    *addresses: str,
    ca_file: Path | None = None,
) -> None:
    """Run a scenario with a browser on a running site."""

    async def run() -> None:
        async with site.running():
            browser = Browser(Site(site.url, ca_file), fixed(*(addresses or FRONTENDS)))
            await story(browser)
            await browser.leave()

    asyncio.run(run())


def status(reply: Reply) -> int:
    assert reply.answer, reply.error
    return reply.answer.status


def test_connections_are_reused() -> None:
    """Browsers keep connections open; the reply shows which requests reused one."""
    site = StubSite()

    async def story(browser: Browser) -> None:
        replies = [await browser.ask("GET", "/") for _ in range(3)]
        assert [reply.tries[0].reused for reply in replies] == [False, True, True]
        await browser.leave()
        assert not (await browser.ask("GET", "/")).tries[0].reused

    visit(site, story)
    assert len(site.connections) == 2


def test_a_connection_that_the_server_closed_is_replaced() -> None:
    """This is not a failure: the browser notices the closed connection before it sends a request."""

    async def story(browser: Browser) -> None:
        for _ in range(3):
            reply = await browser.ask("GET", "/")
            assert status(reply) == 200
            assert [one.error for one in reply.tries] == [""]
            await asyncio.sleep(0.02)  # the end of the connection arrives

    site = StubSite(close_each=True)
    visit(site, story)
    assert len(site.connections) == 3


def test_a_refusing_address_is_skipped() -> None:
    """The browser tries the next address, and the reply includes the first failure."""

    async def story(browser: Browser) -> None:
        reply = await browser.ask("GET", "/perfil")
        assert status(reply) == 401
        assert [one.address for one in reply.tries] == ["127.0.0.9", FIRST]
        assert reply.tries[0].error.startswith("no connection: Connect call failed")
        assert reply.tries[1].error == ""

    visit(StubSite(), story, "127.0.0.9", FIRST)


def test_an_address_without_a_machine_costs_the_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full backlog drops connection attempts, like a machine that is off."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 5)

    async def run() -> None:
        async with StubSite().running() as site:
            server = socket.create_server(("127.0.0.8", site.port), backlog=0)
            fillers = [socket.socket() for _ in range(3)]
            try:
                for filler in fillers:
                    filler.setblocking(False)
                    filler.connect_ex(("127.0.0.8", site.port))
                browser = Browser(Site(site.url), fixed("127.0.0.8", FIRST))
                reply = await browser.ask("GET", "/")
                await browser.leave()
            finally:
                for one in (server, *fillers):
                    one.close()
        assert status(reply) == 200
        assert [one.error for one in reply.tries] == ["no connection in 0.3 s", ""]
        assert 0.3 <= reply.seconds < 0.9

    asyncio.run(run())


def test_a_silent_address_costs_the_answer_timeout() -> None:
    """After the timeout, the browser tries the next frontend."""
    site = StubSite(silent={FIRST})

    async def story(browser: Browser) -> None:
        reply = await browser.ask("GET", "/perfil")
        assert status(reply) == 401
        assert [(one.address, one.error) for one in reply.tries] == [(FIRST, "no answer in 0.3 s"), (SECOND, "")]
        assert 0.3 <= reply.seconds < 0.9

    visit(site, story)


def test_a_truncated_answer_is_a_failure() -> None:
    """The reply distinguishes it from a timeout."""
    site = StubSite(cut={FIRST})

    async def story(browser: Browser) -> None:
        reply = await browser.ask("GET", "/perfil")
        assert status(reply) == 401
        assert [one.address for one in reply.tries] == [FIRST, SECOND]
        assert reply.tries[0].error.startswith("cut off: ")

    visit(site, story)


def test_a_silent_connection_is_abandoned() -> None:
    """A machine that loses its power does not close its connections."""
    site = StubSite()

    async def story(browser: Browser) -> None:
        await browser.ask("GET", "/")
        site.silent.add(FIRST)
        reply = await browser.ask("GET", "/")
        assert status(reply) == 200
        assert [(one.address, one.reused) for one in reply.tries] == [(FIRST, True), (SECOND, False)]

    visit(site, story)


def test_a_request_without_an_answer_returns_a_reply() -> None:
    """A failure is a result of the drill, not an exception."""

    async def story(browser: Browser) -> None:
        reply = await browser.ask("GET", "/")
        assert reply.answer is None
        assert reply.error == "none of 2 addresses answered; the last: no answer in 0.3 s"
        assert len(reply.tries) == 2

    visit(StubSite(silent={FIRST, SECOND}), story)


def test_a_user_gives_up_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The remaining addresses are not tried, and the open connection is closed."""
    monkeypatch.setattr(module, "DEADLINE_SECONDS", 0.2)
    site = StubSite(silent={FIRST, SECOND})

    async def story(browser: Browser) -> None:
        reply = await browser.ask("GET", "/")
        assert reply.answer is None
        assert reply.error == "no answer in 0.2 s"
        assert [(one.address, one.error) for one in reply.tries] == [(FIRST, "given up")]

    visit(site, story)


def test_requests_have_each_header_once() -> None:
    """A POST has Content-Length even for an empty body; a GET has none."""
    site = StubSite()

    async def story(browser: Browser) -> None:
        browser.cookies["sessao"] = "abc"
        await browser.ask("POST", "/login", headers={"Content-Type": "text/x"}, body=b'{"usuario": "ana"}')
        await browser.ask("POST", "/logout", cookies={"sessao": "def"})
        await browser.ask("GET", "/perfil", headers={"Accept": "*/*"}, cookies={})

    visit(site, story)
    always = [f"Host: {NAME}:{site.port}", "User-Agent: revezamento-drill"]
    json_wanted = "Accept: application/json"
    assert [request.decode().split("\r\n") for request in site.requests] == [
        [
            *("POST /login HTTP/1.1", *always, json_wanted),
            *("Content-Type: text/x", "Cookie: sessao=abc", "Content-Length: 18", "", '{"usuario": "ana"}'),
        ],
        ["POST /logout HTTP/1.1", *always, json_wanted, "Cookie: sessao=def", "Content-Length: 0", "", ""],
        ["GET /perfil HTTP/1.1", *always, "Accept: */*", "", ""],
    ]


def test_the_host_header_omits_the_default_port() -> None:
    """As browsers do."""
    assert [Site(url).host for url in ("http://a.example", "https://a.example:8443")] == [
        "a.example",
        "a.example:8443",
    ]
    assert [Site(url).origin("192.0.2.1").port for url in ("http://a.example", "https://a.example")] == [80, 443]


def test_cookies_are_stored_and_deleted() -> None:
    """Every Set-Cookie counts, and a request with other cookies does not touch the browser's own."""
    site = StubSite(extra_headers=["set-cookie: route=1; Path=/", "Set-Cookie: old=; Max-Age=0"])

    async def story(browser: Browser) -> None:
        browser.cookies["old"] = "x"
        await browser.ask("POST", "/login", body=json.dumps({"usuario": "drill-01"}).encode())
        kept = dict(browser.cookies)
        assert sorted(kept) == ["route", "sessao"]
        other = await browser.ask("GET", "/perfil", cookies={"sessao": "another"})
        assert status(other) == 401
        assert browser.cookies == kept
        await browser.ask("POST", "/logout")
        assert list(browser.cookies) == ["route"]

    visit(site, story)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for the site, with its key, as PEM."""
    pair = self_signed([NAME])
    path = tmp_path / "site.pem"
    path.write_text(pair.key + pair.certificate, encoding="utf-8")
    return path


def test_https_checks_the_certificate_for_the_name(certificate: Path) -> None:
    """The browser connects to an address but expects the certificate of the name in the URL."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    site = StubSite(tls=tls)

    async def story(browser: Browser) -> None:
        replies = [await browser.ask("GET", "/") for _ in range(3)]
        assert {status(reply) for reply in replies} == {200}
        assert [reply.tries[0].reused for reply in replies] == [False, True, True]

    async def untrusting(browser: Browser) -> None:
        reply = await browser.ask("GET", "/")
        assert reply.answer is None
        assert "certificate verify failed" in reply.error

    visit(site, story, ca_file=certificate)
    visit(site, untrusting)
    assert len(site.requests) == 3


def test_a_name_is_cached_for_its_ttl(monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer cache would send users to removed machines; a shorter one would query DNS too often."""
    now = [time.time()]
    monkeypatch.setattr("time.time", lambda: now[0])

    async def story() -> None:
        async with NameServer(["192.0.2.2", "192.0.2.1"], ttl=5).running() as server:
            resolver = Resolver(["127.0.0.1"], server.port)
            assert await resolver.resolve(NAME) == (["192.0.2.2", "192.0.2.1"], "127.0.0.1")
            server.addresses = ["192.0.2.3"]
            now[0] += 4.9
            assert await resolver.resolve(NAME) == (["192.0.2.2", "192.0.2.1"], "")
            assert server.queries == 1
            now[0] += 0.2
            assert await resolver.resolve(NAME) == (["192.0.2.3"], "127.0.0.1")
            assert server.queries == 2

    asyncio.run(story())


def test_a_cached_name_outlives_its_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lab's only name server may be down for as long as the TTL."""
    now = [time.time()]
    monkeypatch.setattr("time.time", lambda: now[0])

    async def story() -> None:
        async with NameServer(["192.0.2.1"], ttl=5).running() as server:
            resolver = Resolver(["127.0.0.1"], server.port)
            await resolver.resolve(NAME)
            server.addresses = []
            now[0] += 4
            assert (await resolver.resolve(NAME)).addresses == ["192.0.2.1"]
            now[0] += 2
            with pytest.raises(DNSException, match="REFUSED"):
                await resolver.resolve(NAME)

    asyncio.run(story())


def test_name_servers_are_tried_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent one costs its timeout, and the reply names the one that answered."""
    monkeypatch.setattr("drills.resolver.TIMEOUT_SECONDS", 0.2)

    async def story() -> None:
        async with NameServer(["192.0.2.1"]).running() as server:
            resolver = Resolver(["127.0.0.9", "127.0.0.1"], server.port)
            started = time.monotonic()
            assert (await resolver.resolve(NAME)).nameserver == "127.0.0.1"
            assert 0.2 <= time.monotonic() - started < 0.9
            browser = Browser(Site(f"http://{NAME}"), Resolver(["127.0.0.9"], server.port).resolve)
            reply = await browser.ask("GET", "/")
            assert reply.answer is None
            assert "127.0.0.9" in reply.error

    asyncio.run(story())
