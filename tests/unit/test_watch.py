"""lab/watch.py: its DNS cache, what it shows of each request, and the health of the machines."""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import replace
from itertools import count

import pytest
from rich.console import Console

from lab.language import language
from lab.watch import AGENT, Answer, Lookup, Names, NoName, Watch, health_line, run, view

MACHINES = {
    "dns": {"dns1": "10.0.0.5"},
    "frontends": {"frontend1": "10.0.0.20", "frontend2": "10.0.0.21"},
    "backends": {"backend1": "10.0.0.10", "backend2": "10.0.0.11"},
    "redis": {"redis1": "10.0.0.4"},
    "mysql": {"mysql1": "10.0.0.3"},
}


class Site:
    """Frontends and backends of which some are down, DNS in turn, and a clock."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.now, self.asked = 0.0, count()
        self.named = True
        self.mysql = True

    def look_up(self) -> Lookup:
        if not self.named:
            raise NoName("no answer")
        addresses = list(MACHINES["frontends"].values())
        start = next(self.asked) % 2
        return Lookup([*addresses[start:], *addresses[:start]], 5, self.now + 5)

    def send(self, address: str, path: str, agent: str) -> Answer:
        frontend = next(name for name, own in MACHINES["frontends"].items() if own == address)
        if frontend in self.down:
            return Answer(0, error="refused")
        backend = path.removeprefix("/status/") if path.startswith("/status/") else "backend1"
        if path == "/lab.json":
            return Answer(200, frontend)
        if backend in self.down:
            return Answer(503, frontend)
        body = json.dumps({"redis": {"ok": True}, "mysql": {"ok": self.mysql}}).encode()
        return Answer(200, frontend, backend, body)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def watch(site: Site) -> Watch:
    names = Names(site.look_up, lambda: site.now)
    return Watch(names, site.send, MACHINES, lambda _: site.named)


def test_an_answer_of_dns_is_used_until_its_ttl_has_run_out(site: Site, watch: Watch) -> None:
    """This is what a cache does, and why an old address lives on."""
    seen = []
    for now in (0, 1, 4.9, 5, 9, 10):
        site.now = now
        row = watch.step()
        seen.append((row.answer.frontend, row.is_new, row.left))
    assert seen == [
        ("frontend1", True, 5),
        ("frontend1", False, 4),
        ("frontend1", False, pytest.approx(0.1)),
        ("frontend2", True, 5),
        ("frontend2", False, 1),
        ("frontend1", True, 5),
    ]


def test_the_next_address_is_tried(site: Site, watch: Watch) -> None:
    """As browsers do; the address stays in the cache."""
    site.down = {"frontend1"}
    row = watch.step()
    assert (row.answer.frontend, row.address, row.skipped) == ("frontend2", "10.0.0.21", ["10.0.0.20"])
    assert replace(row, seconds=0.002).line("en").endswith("200  2 ms  asked again  skipped 10.0.0.20")


def test_without_dns_only_the_cache_helps(site: Site, watch: Watch) -> None:
    """An answer that has expired is not used."""
    watch.step()
    site.named, site.now = False, 4
    assert watch.step().answer.status == 200
    site.now = 6
    assert "no answer" in watch.step().line("en")
    assert "sem resposta" in watch.step().line("pt")


@pytest.mark.parametrize(
    ("down", "states"),
    [
        (set(), {}),
        ({"frontend1"}, {"frontend1": False}),
        ({"backend2"}, {"backend2": False}),
        ({"backend1", "backend2"}, {"backend1": False, "backend2": False, "redis1": None, "mysql1": None}),
        (
            {"frontend1", "frontend2"},
            {"frontend1": False, "frontend2": False}
            | dict.fromkeys(("backend1", "backend2", "redis1", "mysql1"), None),
        ),
    ],
    ids=["all up", "a frontend", "a backend", "all backends", "all frontends"],
)
def test_the_health_of_every_machine(site: Site, watch: Watch, down: set[str], states: dict[str, bool | None]) -> None:
    """What nobody can tell is unknown: a machine that no frontend or backend answers for may be well."""
    site.down = down
    names = [name for members in MACHINES.values() for name in members]
    assert watch.check() == dict.fromkeys(names, True) | states


def test_a_machine_that_is_down_is_named(site: Site, watch: Watch) -> None:
    """Without a terminal, a line appears when something changes."""
    assert health_line(watch.check()) == "-- 7 machines up"
    site.mysql, site.named = False, False
    assert health_line(watch.check()) == "-- dns1, mysql1 down"


def test_lines_without_a_terminal(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """For logs and pipes: one for each request."""
    options = argparse.Namespace(count=3, interval=0)
    run(watch, "www", Console(file=io.StringIO()), options, "en")
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("--")]
    assert [line.split()[1:5] for line in lines] == [["10.0.0.20", "TTL", "5", "s"]] * 3


def test_a_terminal_gets_a_live_view(watch: Watch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is drawn again and again, and prints no lines."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    run(watch, "www", console, argparse.Namespace(count=2, interval=0.3), "pt")
    assert capsys.readouterr().out == ""
    assert console.file.getvalue().count("Ctrl-C encerra") > 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(("spoken", "heading"), [("en", "TTL left"), ("pt", "TTL restante")])
def test_the_view_has_all_of_it(watch: Watch, site: Site, spoken: str, heading: str) -> None:
    """Addresses, TTL, requests and machines, in the user's language."""
    watch.step()
    site.down = {"backend2"}
    watch.check()
    console = Console(file=io.StringIO(), width=100)
    console.print(view(watch, "www.example.org", spoken))  # type: ignore[arg-type]
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in (heading, "10.0.0.20  10.0.0.21", "frontend1", "backend1", "200", "○ backend2", "● redis1"):
        assert part in text


@pytest.mark.parametrize(
    ("environment", "spoken"),
    [
        ({"LANG": "pt_BR.UTF-8"}, "pt"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "pt_BR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C", "LC_ALL": "", "LC_MESSAGES": "pt_PT"}, "pt"),
        ({"LANG": "C", "LAB_LANG": "pt"}, "pt"),
        ({"LANG": "pt_BR.UTF-8", "LAB_LANG": "en"}, "en"),
        ({}, "en"),
    ],
)
def test_the_users_language(environment: dict[str, str], spoken: str) -> None:
    """LAB_LANG wins over the locale; every other language gets English."""
    assert language(environment) == spoken


def test_its_requests_can_be_told_from_others() -> None:
    """Exercise 2 finds them in the logs by their user agent."""
    assert AGENT == "revezamento-watch"
