"""lab/settings.py: later verbs use the settings that `make up` was started with, and report what they ignore."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import settings
from lab.settings import Record

MOVED = {"LAB_INVENTORY": "inventory/lab", "LAB_SUBNET": "192.168.57", "LAB_RELEASE": "bookworm"}
PLAIN = {"LAB_INVENTORY": "inventory/lab", "LAB_SUBNET": "", "LAB_RELEASE": ""}


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A tree with three inventories, without a record."""
    for name in ("lab", "ha", "production"):
        (tmp_path / "inventory" / name).mkdir(parents=True)
    return Record(tmp_path)


@pytest.fixture
def moved(record: Record) -> Record:
    """A lab in another subnet, of another Debian."""
    record.write(MOVED)
    return record


def test_without_a_record_the_environment_is_used(record: Record) -> None:
    """The first `make up`, and servers that were not made on this host."""
    assert record.for_use({}) == (PLAIN, [])
    assert record.for_start({"LAB_SUBNET": "10.0.0"}) == (PLAIN | {"LAB_SUBNET": "10.0.0"}, [])


def test_a_second_terminal_needs_no_settings(moved: Record) -> None:
    """A forgotten LAB_SUBNET looks like a broken lab."""
    assert moved.for_use({}) == (MOVED, [])
    assert moved.for_use({"LAB_SUBNET": "", "LAB_RELEASE": "bookworm"}) == (MOVED, [])


def test_a_setting_that_disagrees_is_ignored_with_a_message(moved: Record) -> None:
    """One line for each setting: the ignored value, the value in use, and the remedy."""
    used, notes = moved.for_use({"LAB_SUBNET": "10.0.0", "LAB_RELEASE": "trixie"})
    assert used == MOVED
    assert [note.split(" is ignored: ")[0] for note in notes] == ["LAB_SUBNET=10.0.0", "LAB_RELEASE=trixie"]
    assert "this lab was started with LAB_SUBNET=192.168.57." in notes[0]
    assert "make down, then start the lab with LAB_SUBNET=10.0.0." in notes[0]


def test_the_message_names_a_setting_that_was_not_set(record: Record) -> None:
    """It says `without LAB_SUBNET`, not `with LAB_SUBNET=`."""
    record.write(PLAIN)
    used, (note,) = record.for_use({"LAB_SUBNET": "10.0.0"})
    assert used == PLAIN
    assert "this lab was started without LAB_SUBNET." in note


def test_another_inventory_is_used_with_its_own_settings(moved: Record) -> None:
    """`LAB_INVENTORY=inventory/production make status` shows production, without the lab's subnet."""
    used, (note,) = moved.for_use({"LAB_INVENTORY": "inventory/production"})
    assert used == PLAIN | {"LAB_INVENTORY": "inventory/production"}
    assert note == (
        "Using LAB_INVENTORY=inventory/production; the lab of this host was started with LAB_INVENTORY=inventory/lab."
    )


def test_two_spellings_of_a_path_are_the_same_inventory(moved: Record) -> None:
    """Molecule passes an absolute path; completion in a shell appends a slash."""
    for spelling in ("inventory/lab/", str(moved.root / "inventory" / "lab")):
        assert moved.for_use({"LAB_INVENTORY": spelling}) == (MOVED, [])


def test_a_verb_for_this_hosts_machines_ignores_another_inventory(moved: Record) -> None:
    """`make reset` with the production inventory would create containers named after the servers."""
    used, (note,) = moved.for_use({"LAB_INVENTORY": "inventory/production"}, own=True)
    assert used == MOVED
    assert note.startswith("LAB_INVENTORY=inventory/production is ignored: ")


def test_a_start_keeps_what_is_not_set(moved: Record) -> None:
    """A `make up` that adds a backend does not move the lab to another subnet because a variable was forgotten."""
    used, (note,) = moved.for_start({"LAB_RELEASE": "trixie", "LAB_SUBNET": ""})
    assert used == MOVED | {"LAB_RELEASE": "trixie"}
    assert note.startswith("LAB_SUBNET=192.168.57, as recorded")
    assert "make down" in note


def test_a_start_with_the_defaults_prints_nothing(record: Record) -> None:
    """There is nothing to report: no setting differs from its default."""
    record.write(PLAIN)
    assert record.for_start({}) == (PLAIN, [])


def test_a_record_of_a_removed_inventory_is_ignored(moved: Record) -> None:
    """Otherwise `make down`, which removes the record, could not run."""
    moved.write(MOVED | {"LAB_INVENTORY": "inventory/renamed"})
    assert moved.for_use({}, own=True) == (PLAIN, [])


def test_the_format_of_the_file(record: Record) -> None:
    """The Vagrantfile reads and writes it too. A missing name means not set; unknown names are skipped."""
    record.write(MOVED)
    assert record.path.read_text(encoding="utf-8") == (
        "LAB_INVENTORY=inventory/lab\nLAB_SUBNET=192.168.57\nLAB_RELEASE=bookworm\n"
    )
    record.path.write_text("LAB_BOX=a=b\n\nLAB_SUBNET=10.0.0\n", encoding="utf-8")
    assert record.read() == PLAIN | {"LAB_SUBNET": "10.0.0"}
    record.forget()
    record.forget()
    assert record.read() is None


def test_programs_run_without_make_use_the_record(
    moved: Record, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`pytest tests/testinfra` and its child processes get the recorded settings; the message comes once."""
    for name, value in PLAIN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LAB_SUBNET", "10.0.0")
    settings.apply(moved.root)
    settings.apply(moved.root)
    assert {name: os.environ[name] for name in MOVED} == MOVED
    assert capsys.readouterr().err.count("LAB_SUBNET=10.0.0 is ignored") == 1


@pytest.mark.parametrize(
    ("verb", "recorded", "environment", "strategy"),
    [
        ("use", True, {}, "mitogen_linear"),
        ("use", True, {"ANSIBLE_STRATEGY": "linear"}, "linear"),
        ("use", True, {"LAB_INVENTORY": "inventory/production"}, None),
        ("use", False, {}, None),
        ("own", True, {}, None),
        ("start", False, {}, "mitogen_linear"),
    ],
    ids=["the lab", "the user's choice", "other machines", "no lab", "the provider", "a new lab"],
)
def test_mitogen_is_for_the_machines_of_the_lab(
    record: Record,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    recorded: bool,
    environment: dict[str, str],
    strategy: str | None,
) -> None:
    """Real servers get plain Ansible unless their administrator asks for Mitogen."""
    if recorded:
        record.write(PLAIN)
    seen: dict[str, str] = {}
    monkeypatch.setattr(settings, "Record", lambda: record)
    monkeypatch.setattr(os, "environ", dict(environment))
    monkeypatch.setattr(os, "execvp", lambda *_: seen.update(os.environ))
    assert settings.main([verb, "true"]) == 0
    assert seen.get("ANSIBLE_STRATEGY") == strategy
