"""The drills themselves: what there is, what is expected of each, what is reported."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from drills import expectations, report
from drills.catalogue import SHORT, UnknownDrill, catalogue, chosen
from drills.controls import CONF, SPOIL
from drills.events import Event
from drills.expectations import BadExpectation, Expectation
from drills.network import rules
from drills.oracle import Figures, Full, Marks, measure
from drills.releases import BREAKAGE, Kind, make_source
from drills.runner import Outcome, Settings, pages
from drills.zone import newcomers
from lab.inventory import ROOT, Inventory
from lab.machines import Lab
from tests.templates.rendered import text
from tests.workbench import Workbench


class Nobody:
    """A provider that is never asked."""

    def has(self, machine: str) -> bool:
        return True

    def is_on(self, machine: str) -> bool:
        return True

    def off(self, machine: str) -> None: ...

    def on(self, machine: str) -> None: ...


def machines(**variant: int) -> Lab:
    """The machines of the lab's inventory, to which nobody connects."""
    lab = Lab(Inventory.load("inventory/lab", backends=variant.get("backends")))
    lab._control.cleanup()
    return lab


LAB = machines()
DRILLS = catalogue(LAB, Nobody(), Path("/nowhere"))


def events(count: int = 200) -> list[Event]:
    """Answers of a system that is well, ten a second, from both frontends and backends."""
    return [
        Event(
            at=1000 + number / 10,
            seconds=0.01,
            user="drill-01",
            action="status" if number % 5 == 0 else "perfil",
            known="in",
            status=200,
            identity="" if number % 5 == 0 else "drill-01",
            frontend=f"frontend{number % 3 + 1}",
            backend=f"backend{number // 3 % 3 + 1}",
            healthy=True if number % 5 == 0 else None,
        )
        for number in range(count)
    ]


def figures(told: list[Event]) -> Figures:
    full = Full(LAB.names("frontends"), LAB.names("backends"))
    return measure(told, Marks(1000, 1005, 1006, 1020), full, healed=1006)


def test_every_kind_of_drill_has_an_expectation_and_none_is_left_over() -> None:
    """An expectation that no drill reads is a promise that nobody keeps."""
    assert set(expectations.load()) == {drill.kind for drill in DRILLS} | {"random"}


def test_names_are_unique_and_speak_of_the_inventory() -> None:
    """One more backend is three more drills."""
    names = Counter(drill.name for drill in DRILLS)
    assert [name for name, count in names.items() if count > 1] == []
    for box in LAB:
        assert f"{box.name}-power" in names
        assert (f"{box.name}-kill" in names) == bool(box.units)
        assert (f"{box.name}-freeze" in names) == bool(box.units)
    grown = catalogue(machines(backends=4), Nobody(), Path("/nowhere"))
    assert {"backend4-kill", "backend4-freeze", "backend4-power"} <= {drill.name for drill in grown} - set(names)


def test_kinds_speak_of_the_tiers() -> None:
    """A tier is one entry: its word for a machine, its daemon and its data give it its drills."""
    kinds = {drill.kind for drill in DRILLS}
    for group, tier in LAB.tiers.items():
        word, has_daemon = tier["machine"], bool(tier["units"])
        assert f"{word}-power" in kinds, group
        assert {f"{word}-{fault}" in kinds for fault in ("kill", "freeze", "cut", "mute", "restart")} == {has_daemon}
        assert (f"{word}-disk" in kinds) == ("data" in tier), group


def test_drills_are_chosen_by_name_kind_or_set() -> None:
    """D=backend-power is every backend's; D=backend1-power one."""
    assert [drill.name for drill in chosen(DRILLS, "backend-power")] == [
        f"{name}-power" for name in LAB.names("backends")
    ]
    assert [drill.name for drill in chosen(DRILLS, "backend1-power, nameserver-change")] == ["backend1-power", "nameserver-change"]
    short = chosen(DRILLS, "short")
    assert {drill.kind for drill in short if not drill.is_control} == set(SHORT)
    assert sum(drill.is_control for drill in short) == 3
    assert all("1" in drill.name for drill in short if drill.kind == "backend-power")
    assert chosen(DRILLS, "all") == DRILLS


def test_an_unknown_drill_lists_the_known_ones() -> None:
    """With the one that was probably meant."""
    with pytest.raises(
        UnknownDrill, match=r"no drill 'backend-powr'. Did you mean backend-power\? There are: .*nameserver-cut"
    ):
        chosen(DRILLS, "backend-powr")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--seed", "x"], "invalid int value"), (["--rate", "500"], "at most 100"), (["no-such"], "There are: ")],
)
def test_a_wrong_word_is_told_at_once(arguments: list[str], told: str) -> None:
    """Before any machine is touched."""
    done = subprocess.run(
        [sys.executable, "-m", "drills", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert told in done.stderr


def broken(expectation: Expectation, told: list[Event]) -> str:
    return " | ".join(expectation.broken_by(figures(told)))


def test_an_expectation_holds_or_says_what_does_not() -> None:
    """The sentence names the number that was measured and the one that was expected."""
    strict = Expectation(why="x", gap_seconds=2)
    assert broken(strict, events()) == ""
    assert "prove nothing" in broken(strict, events()[:99])
    assert "wrong: 1, expected none" in broken(strict, [*events(), replace(events()[1], identity="bruno")])
    assert "lost: 1, expected none" in broken(strict, [*events(), replace(events()[1], status=401, identity="")])
    failed = [*events(), replace(events()[1], status=500, identity="")]
    assert "failed: 1, expected none" in broken(strict, failed)
    assert broken(replace(strict, failed=1), failed) == ""
    assert broken(replace(strict, failed="any"), failed) == ""
    assert "expected of login alone" in broken(replace(strict, failed="any", only=("login",)), failed)
    assert "no clean 503" in broken(replace(strict, failed="any", refusals="clean"), failed)
    assert "none was seen" in broken(replace(strict, failed="some"), events())
    holey = [event for event in events() if not 1008 < event.at < 1012]
    assert "gap_seconds: 4." in broken(strict, holey)
    assert "slowest_seconds: 16.00" in broken(strict, [*events(), replace(events()[1], seconds=16.0)])
    assert "not seen again" in broken(strict, [event for event in events() if event.backend != "backend2"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x: {why: y, faild: 0}", "no such words: faild"),
        ("x: {failed: 0}", "`why` is missing"),
        ("x: {why: y, wrong: few}", "write a number, any or some"),
        ("x: {why: y, lost: true}", "write a number, any or some"),
    ],
)
def test_a_bad_expectation_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """A word that is not understood would be an expectation that always holds."""
    (tmp_path / "x.yml").write_text(text, encoding="utf-8")
    with pytest.raises(BadExpectation, match=told):
        expectations.load(tmp_path / "x.yml")


def test_no_control_may_pass_unseen() -> None:
    """A negative control that expects nothing would make the oracle's blindness a success."""
    for kind, expectation in expectations.load().items():
        seen = "some" in (expectation.wrong, expectation.lost, expectation.failed)
        assert seen or not kind.startswith("control-"), kind


def test_nobody_is_ever_wrong_or_lost_but_in_a_control() -> None:
    """Whatever is broken: that is the promise of the whole system."""
    for kind, expectation in expectations.load().items():
        if not kind.startswith("control-"):
            assert (expectation.wrong, expectation.lost) == (0, 0), kind


def test_the_report_shows_every_drill(tmp_path: Path) -> None:
    """One page, one picture a drill, what did not hold first, and the raw events beside it."""
    bad = replace(events()[1], status=500, identity="", error="<b>", request_id="4e784753")
    told = [*events(), bad]
    marks = Marks(1000, 1005, 1006, 1020)
    strict = Expectation(why="Because.")
    good = Outcome("dns1-kill", "nameserver-kill", strict, marks, figures(events()), events(), 0.01, [], "")
    failed = Outcome(
        "deploy", "deploy", strict, marks, figures(told), told, 0.01, ["failed: 1, expected none"], "--- log"
    )
    page = report.write(tmp_path, [good, failed], Settings(30, 60, 7, 5, 6), "dns1-kill deploy").read_text(
        encoding="utf-8"
    )
    assert page.count("<img") == 2
    assert "seed 7" in page
    assert "failed: 1, expected none" in page
    assert "4e784753" in page
    assert "<b>" not in page
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "summary.json", "dns1-kill.png", "deploy.png"}
    assert (tmp_path / "deploy.png").read_bytes().startswith(b"\x89PNG")
    table = report.table([good, failed]).splitlines()
    assert len(table) == 3
    assert table[2].endswith("FAILED")
    assert not table[1].endswith("FAILED")


@pytest.mark.parametrize("directions", [["in", "out"], ["in"], ["out"]])
@pytest.mark.parametrize("peers", [[], ["192.0.2.10", "192.0.2.11"]])
def test_nft_takes_the_rules(workbench: Workbench, directions: list[str], peers: list[str]) -> None:
    """And the control side's SSH passes before anything is dropped."""
    table = rules("192.0.2.1", directions, peers)
    checked = workbench.run(["nft", "--check", "--file", "/tmp/rules.nft"], {"/tmp/rules.nft": table})
    assert checked.returncode == 0, checked.stderr
    for chain in table.split("chain ")[1:]:
        assert chain.index("192.0.2.1 tcp") < chain.index("drop")


def test_nginx_takes_what_the_control_makes_of_its_configuration(workbench: Workbench) -> None:
    """A control that changed nothing would be an alarm about the oracle."""
    spoiled = workbench.run(["sh", "-c", SPOIL], {CONF: text("nginx", "nginx.conf.j2")})
    assert spoiled.returncode == 0, spoiled.stderr


@pytest.mark.parametrize("kind", BREAKAGE)
def test_a_drills_release_is_another_one(tmp_path: Path, kind: Kind) -> None:
    """Another version, all files of the app, still Python; and no test or page in it."""
    make_source(ROOT / "app", tmp_path / "app", kind)
    project = (tmp_path / "app" / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "\d[\d.]*\.post1"$', project, re.MULTILINE)
    module, lines = BREAKAGE[kind]
    source = (tmp_path / "app" / "revezamento" / module).read_text(encoding="utf-8")
    compile(source, module, "exec")
    assert source.endswith(lines)
    assert not (tmp_path / "app" / "tests").exists()


def test_the_pages_are_those_of_the_frontends() -> None:
    """Read from the folder that they are copied from."""
    found = pages(Path(str(LAB.tier("frontends")[0].vars["nginx_web_source"])))
    assert {"/", "/assets/style.css", "/assets/main.js"} <= set(found)
    assert "/index.html" not in found


def test_every_drill_is_explained() -> None:
    """docs/drills.md has a word for each kind of fault."""
    page = (ROOT / "docs" / "drills.md").read_text(encoding="utf-8")
    for drill in DRILLS:
        fault = drill.kind.partition("-")[2] or drill.kind
        assert f"`{drill.kind}`" in page or f"`…-{fault}`" in page, drill.kind


def test_a_new_connection_to_an_address_that_left_the_zone_is_seen() -> None:
    """A kept connection may go on, and so may whoever asked before the records ended."""

    def asked(at: float, address: str, *, reused: bool) -> Event:
        tries = [{"address": address, "reused": reused, "seconds": 0.01, "error": ""}]
        return Event(at=at, seconds=0.01, user="u", action="page", known="in", status=200, tries=tries)

    early, kept, late = (
        asked(9, "gone", reused=False),
        asked(11, "gone", reused=True),
        asked(12, "gone", reused=False),
    )
    other, after = asked(12, "there", reused=False), asked(21, "gone", reused=False)
    assert newcomers([early, kept, late, other, after], {"gone"}, 10, 20) == [late]
