"""The list of drills, their expectations, and the report."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from drills import expectations, report
from drills.catalogue import SHORT, UnknownDrill, catalogue, select
from drills.controls import CONF, DISABLE_NEXT_UPSTREAM
from drills.events import Event
from drills.expectations import Expectation, InvalidExpectation
from drills.network import rules
from drills.oracle import Metrics, Phases, Topology, measure
from drills.releases import BREAKAGE, ReleaseKind, make_source
from drills.runner import Outcome, Settings, pages
from drills.zone import new_connections
from lab.inventory import ROOT, Inventory
from lab.machines import Lab
from tests.templates.rendered import text
from tests.workbench import Workbench


class UnusedProvider:
    """A provider that no test uses."""

    def has(self, machine: str) -> bool:
        return True

    def is_on(self, machine: str) -> bool:
        return True

    def off(self, machine: str) -> None: ...

    def on(self, machine: str) -> None: ...


def machines(inventory: str = "lab", **variant: int) -> Lab:
    """The machines of an inventory; no test connects to them."""
    lab = Lab(Inventory.load(f"inventory/{inventory}", backends=variant.get("backends")))
    lab._control.cleanup()
    return lab


LAB = machines()
DRILLS = catalogue(LAB, UnusedProvider(), Path("/nowhere"))


def events(count: int = 200) -> list[Event]:
    """The answers of a healthy system, ten per second, from all frontends and backends."""
    return [
        Event(
            at=1000 + number / 10,
            seconds=0.01,
            user="drill-01",
            action="status" if number % 5 == 0 else "perfil",
            login_state="logged_in",
            status=200,
            identity="" if number % 5 == 0 else "drill-01",
            frontend=f"frontend{number % 3 + 1}",
            backend=f"backend{number // 3 % 3 + 1}",
            healthy=True if number % 5 == 0 else None,
        )
        for number in range(count)
    ]


def metrics(some: list[Event]) -> Metrics:
    topology = Topology(LAB.names("frontends"), LAB.names("backends"))
    return measure(some, Phases(1000, 1005, 1006, 1020), topology, recovered_at=1006)


@pytest.mark.parametrize("inventory", ["lab", "ha"])
def test_every_kind_of_drill_has_an_expectation(inventory: str) -> None:
    """Every expectation also belongs to a drill, or nothing would check it."""
    lab = machines(inventory)
    assert lab.is_redundant == (inventory == "ha")
    drills = catalogue(lab, UnusedProvider(), Path("/nowhere"))
    assert set(expectations.load(lab.is_redundant)) == {drill.kind for drill in drills} | {"random"}


def test_only_a_lab_is_for_breaking() -> None:
    """Real servers have users."""
    assert LAB.is_for_breaking
    assert not machines("production.example").is_for_breaking


def test_a_machine_of_two_tiers_has_drills_for_each_daemon() -> None:
    """It is switched off once: that is a fault of both."""
    lab = machines("compact")
    drills = {drill.name: drill for drill in catalogue(lab, UnusedProvider(), Path("/nowhere"))}
    assert {name.removeprefix("data1-") for name in drills if name.startswith("data1-")} == {
        *("redis-kill", "redis-freeze", "mysql-kill", "mysql-freeze", "power", "cut", "mute")
    }
    assert drills["data1-redis-kill"].make().boxes[0].service == "redis-server.service"
    assert drills["data1-mysql-kill"].make().boxes[0].service == "mariadb.service"
    assert drills["data1-power"].make().boxes[0].units == lab["data1"].vars["machine_units"]
    assert lab["data1"].role_command == lab["data1"].vars["machine_role"]
    assert {drill.kind for drill in drills.values()} <= set(expectations.load(lab.is_redundant))


def test_drill_names_are_unique_and_follow_the_inventory() -> None:
    """An additional backend means three more drills."""
    names = Counter(drill.name for drill in DRILLS)
    assert [name for name, count in names.items() if count > 1] == []
    for box in LAB:
        assert f"{box.name}-power" in names
        assert (f"{box.name}-kill" in names) == bool(box.units)
        assert (f"{box.name}-freeze" in names) == bool(box.units)
    grown = catalogue(machines(backends=4), UnusedProvider(), Path("/nowhere"))
    assert {"backend4-kill", "backend4-freeze", "backend4-power"} <= {drill.name for drill in grown} - set(names)


def test_drill_kinds_follow_the_tiers() -> None:
    """A tier's machine name, units and data determine its drills."""
    kinds = {drill.kind for drill in DRILLS}
    for group, tier in LAB.tiers.items():
        word, has_daemon = tier["machine"], bool(tier["units"])
        assert f"{word}-power" in kinds, group
        assert {f"{word}-{fault}" in kinds for fault in ("kill", "freeze", "cut", "mute", "restart")} == {has_daemon}
        assert (f"{word}-disk" in kinds) == ("data" in tier), group


def test_drills_are_selected_by_name_kind_or_set() -> None:
    """D=backend-power selects every backend, D=backend1-power one."""
    assert [drill.name for drill in select(DRILLS, "backend-power")] == [
        f"{name}-power" for name in LAB.names("backends")
    ]
    assert [drill.name for drill in select(DRILLS, "backend1-power, nameserver-change")] == [
        "backend1-power",
        "nameserver-change",
    ]
    short = select(DRILLS, "short")
    assert {drill.kind for drill in short if not drill.is_control} == set(SHORT)
    assert sum(drill.is_control for drill in short) == 3
    assert all("1" in drill.name for drill in short if drill.kind == "backend-power")
    assert select(DRILLS, "all") == DRILLS


def test_an_unknown_drill_lists_all_drills() -> None:
    """The message also suggests the closest name."""
    with pytest.raises(
        UnknownDrill, match=r"no drill 'backend-powr'. Did you mean backend-power\? All drills: .*nameserver-cut"
    ):
        select(DRILLS, "backend-powr")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--seed", "x"], "invalid int value"), (["--rate", "500"], "at most 100"), (["no-such"], "All drills: ")],
)
def test_a_wrong_argument_is_refused_first(arguments: list[str], message: str) -> None:
    """No machine has been touched yet."""
    done = subprocess.run(
        [sys.executable, "-m", "drills", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr


def violations(expectation: Expectation, some: list[Event]) -> str:
    return " | ".join(expectation.violations(metrics(some)))


def test_a_violation_names_what_was_measured_and_expected() -> None:
    """There is one sentence per violation."""
    strict = Expectation(why="x", gap_seconds=2)
    assert violations(strict, events()) == ""
    assert "too few" in violations(strict, events()[:99])
    assert "wrong: 1, expected none" in violations(strict, [*events(), replace(events()[1], identity="bruno")])
    assert "lost: 1, expected none" in violations(strict, [*events(), replace(events()[1], status=401, identity="")])
    failed = [*events(), replace(events()[1], status=500, identity="")]
    assert "failed: 1, expected none" in violations(strict, failed)
    assert violations(replace(strict, failed=1), failed) == ""
    assert violations(replace(strict, failed="any"), failed) == ""
    assert "expected only login to fail" in violations(replace(strict, failed="any", only=("login",)), failed)
    assert "not a clean 503" in violations(replace(strict, failed="any", refusals="clean"), failed)
    assert "failed: none, but" in violations(replace(strict, failed="some"), events())
    with_gap = [event for event in events() if not 1008 < event.at < 1012]
    assert "gap_seconds: 4." in violations(strict, with_gap)
    assert "slowest_seconds: 16.00" in violations(strict, [*events(), replace(events()[1], seconds=16.0)])
    assert "did not return" in violations(strict, [event for event in events() if event.backend != "backend2"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: {why: y, faild: 0}", "unknown: faild"),
        ("x: {failed: 0}", "`why` is missing"),
        ("x: {why: y, wrong: few}", "write a number, any or some"),
        ("x: {why: y, lost: true}", "write a number, any or some"),
    ],
)
def test_an_invalid_expectation_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """An expectation with a typo would always hold."""
    (tmp_path / "x.yml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidExpectation, match=message):
        expectations.load(path=tmp_path / "x.yml")


def test_every_control_must_be_noticed() -> None:
    """A negative control without `some` would pass with a blind oracle."""
    for kind, expectation in expectations.load().items():
        seen = "some" in (expectation.wrong, expectation.lost, expectation.failed)
        assert seen or not kind.startswith("control-"), kind


def test_only_controls_allow_wrong_or_lost() -> None:
    """The system guarantees correct answers and kept sessions during every fault."""
    for kind, expectation in expectations.load().items():
        if not kind.startswith("control-"):
            assert (expectation.wrong, expectation.lost) == (0, 0), kind


def test_the_report_shows_every_drill(tmp_path: Path) -> None:
    """One page has a chart, the problems and the bad answers of every drill."""
    bad = replace(events()[1], status=500, identity="", error="<b>", request_id="4e784753")
    some = [*events(), bad]
    phases = Phases(1000, 1005, 1006, 1020)
    strict = Expectation(why="Because.")
    good = Outcome("dns1-kill", "nameserver-kill", strict, phases, metrics(events()), events(), 0.01, [], "")
    failed = Outcome(
        "deploy", "deploy", strict, phases, metrics(some), some, 0.01, ["failed: 1, expected none"], "--- log"
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
def test_nft_accepts_the_rules(workbench: Workbench, directions: list[str], peers: list[str]) -> None:
    """SSH from the control machine passes before anything is dropped."""
    table = rules("192.0.2.1", directions, peers)
    checked = workbench.run(["nft", "--check", "--file", "/tmp/rules.nft"], {"/tmp/rules.nft": table})
    assert checked.returncode == 0, checked.stderr
    for chain in table.split("chain ")[1:]:
        assert chain.index("192.0.2.1 tcp") < chain.index("drop")


def test_nginx_accepts_the_configuration_of_the_control(workbench: Workbench) -> None:
    """The command fails if it would change nothing."""
    checked = workbench.run(["sh", "-c", DISABLE_NEXT_UPSTREAM], {CONF: text("nginx", "nginx.conf.j2")})
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("kind", BREAKAGE)
def test_a_drill_deploys_a_different_release(tmp_path: Path, kind: ReleaseKind) -> None:
    """It has another version and all the app's code, still valid Python, but no tests or pages."""
    make_source(ROOT / "app", tmp_path / "app", kind)
    project = (tmp_path / "app" / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "\d[\d.]*\.post1"$', project, re.MULTILINE)
    module, lines = BREAKAGE[kind]
    source = (tmp_path / "app" / "revezamento" / module).read_text(encoding="utf-8")
    compile(source, module, "exec")
    assert source.endswith(lines)
    assert not (tmp_path / "app" / "tests").exists()


def test_the_users_open_the_pages_of_the_frontends() -> None:
    """The list comes from the folder that is deployed to the frontends."""
    found = pages(Path(str(LAB.tier("frontends")[0].vars["nginx_web_source"])))
    assert {"/", "/assets/style.css", "/assets/main.js"} <= set(found)
    assert "/index.html" not in found


def test_every_kind_of_drill_is_documented() -> None:
    """docs/drills.md explains it, or its fault."""
    page = (ROOT / "docs" / "drills.md").read_text(encoding="utf-8")
    for drill in DRILLS:
        fault = drill.kind.partition("-")[2] or drill.kind
        assert f"`{drill.kind}`" in page or f"`…-{fault}`" in page, drill.kind


def test_a_new_connection_to_a_removed_address_is_reported() -> None:
    """Kept connections may go on, and so may new ones until the records have expired."""

    def page(at: float, address: str, *, reused: bool) -> Event:
        tries = [{"address": address, "reused": reused, "seconds": 0.01, "error": ""}]
        return Event(at=at, seconds=0.01, user="u", action="page", login_state="logged_in", status=200, tries=tries)

    early, kept, late = (
        page(9, "gone", reused=False),
        page(11, "gone", reused=True),
        page(12, "gone", reused=False),
    )
    other, after = page(12, "there", reused=False), page(21, "gone", reused=False)
    assert new_connections([early, kept, late, other, after], {"gone"}, 10, 20) == [late]
