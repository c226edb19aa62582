"""Which member of a Galera cluster starts it, and which one must not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import galera_start
import pytest
from galera_start import NO_CLUSTER, Election, Position, Refused, first, own_position, start_arguments

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
OURS, THEIRS = "5d2f7f1c-eb35-11f1-894a-6faa8e79f1ed", "99999999-eb35-11f1-894a-6faa8e79f1ed"
EMPTY, ALONE, INCOMPLETE = Position("", -1, False), Position("", -1, True), Position(NO_CLUSTER, -1, True)
GRASTATE = "# GALERA saved state\nversion: 2.1\nuuid:    {}\nseqno:   -1\nsafe_to_bootstrap: 0\n"


def copy(seqno: int, cluster: str = OURS) -> Position:
    return Position(cluster, seqno, True)


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([EMPTY, EMPTY, EMPTY], A),
        ([EMPTY, ALONE, EMPTY], B),
        ([copy(7), copy(9), copy(8)], B),
        ([copy(9), copy(9), copy(9)], A),
        ([EMPTY, copy(0), EMPTY], B),
        ([INCOMPLETE, EMPTY, copy(1)], C),
    ],
)
def test_the_member_with_all_changes_starts(positions: list[Position], expected: str) -> None:
    """A member that lacks a change would undo it on all others."""
    assert first(dict(zip((A, B, C), positions, strict=True))) == expected


@pytest.mark.parametrize(
    ("positions", "reason"),
    [
        ([copy(7), copy(9, THEIRS), EMPTY], "two clusters"),
        ([ALONE, ALONE, EMPTY], "overwrite"),
        ([copy(7), ALONE, EMPTY], "overwrite"),
        ([INCOMPLETE, EMPTY, EMPTY], "no member has all data"),
    ],
)
def test_it_never_guesses(positions: list[Position], reason: str) -> None:
    """Each of these would destroy data of one member; the message names it."""
    with pytest.raises(Refused, match=reason) as refused:
        first(dict(zip((A, B, C), positions, strict=True)))
    assert A in str(refused.value)


@pytest.mark.parametrize(
    ("saved", "recovered", "databases", "expected"),
    [
        (None, f"{NO_CLUSTER}:-1", [], EMPTY),
        (None, f"{NO_CLUSTER}:-1", ["sys", "mysql", "#innodb_redo", ".cache", "lost+found"], EMPTY),
        (None, f"{NO_CLUSTER}:-1", ["mysql", "shop"], ALONE),
        (OURS, f"{OURS}:42", ["mysql", "shop"], copy(42)),
        (NO_CLUSTER, f"{OURS}:42", ["mysql", "shop"], INCOMPLETE),
        (NO_CLUSTER, f"{NO_CLUSTER}:-1", ["mysql", "shop"], INCOMPLETE),
        (OURS, f"{NO_CLUSTER}:-1", ["mysql", "shop"], ALONE),
        (OURS, f"{THEIRS}:42", ["mysql", "shop"], copy(42, THEIRS)),
    ],
)
def test_a_position_is_what_the_disk_has(
    tmp_path: Path, saved: str | None, recovered: str, databases: list[str], expected: Position
) -> None:
    """Galera marks a full copy that was interrupted. A new cluster is on the disk from its first change on."""
    for name in databases:
        (tmp_path / name).mkdir()
    if saved:
        (tmp_path / "grastate.dat").write_text(GRASTATE.format(saved))
    assert own_position(tmp_path, recovered) == expected


def test_the_cluster_goes_on_with_its_history(tmp_path: Path) -> None:
    """The others then get only what they miss. Galera itself would refuse after a power cut."""
    (tmp_path / "grastate.dat").write_text(GRASTATE.format(THEIRS))
    (tmp_path / "gvwstate.dat").touch()
    arguments = start_arguments(tmp_path, copy(42), new_history=False)
    assert arguments == ["--wsrep-new-cluster", f"--wsrep-start-position={OURS}:42"]
    assert (tmp_path / "grastate.dat").read_text() == GRASTATE.format(OURS).replace("bootstrap: 0", "bootstrap: 1")
    assert not (tmp_path / "gvwstate.dat").exists()


def test_an_administrators_choice_begins_a_new_history(tmp_path: Path) -> None:
    """A member that was given up may have changes that this one lacks. Its numbers must not fit when it returns."""
    (tmp_path / "grastate.dat").write_text(GRASTATE.format(OURS))
    assert start_arguments(tmp_path, copy(42), new_history=True) == ["--wsrep-new-cluster"]
    assert not (tmp_path / "grastate.dat").exists()


HERE, PEER, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def election(own: Position, port: int, mysql_port: int = 1) -> Election:
    return Election(HERE, [HERE, PEER], own, mysql_port, port)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(galera_start, "ATTEMPT_SECONDS", 0.0)


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A member that is in the cluster; returns its port for clients."""
    with ExitStack() as stack:
        galera, mysql = (stack.enter_context(socket.create_server((PEER, 0))) for _ in range(2))
        monkeypatch.setattr(galera_start, "GALERA_PORT", galera.getsockname()[1])
        yield mysql.getsockname()[1]


def test_it_starts_when_all_have_answered(port: int) -> None:
    """The answers travel over the network."""
    galera_start.offer(PEER, port, copy(8))
    assert election(copy(9), port).starts_here()


def test_it_waits_for_one_with_more_changes(port: int) -> None:
    """That one starts the cluster, and this one joins it."""
    galera_start.offer(PEER, port, copy(10))
    with pytest.raises(Refused, match=f"waiting for {PEER}; {HERE} has change 9.*, {PEER} has change 10"):
        election(copy(9), port).starts_here()


def test_it_does_not_start_without_an_answer(port: int) -> None:
    """The silent member may have more changes. The message says what a person can do."""
    with pytest.raises(Refused, match=f"waiting for {PEER}(.|\n)*galera_new_cluster"):
        election(copy(9), port).starts_here()


def test_nonsense_is_no_answer(port: int) -> None:
    """Another program may listen there."""
    with socket.create_server((PEER, port)) as server:
        server.settimeout(5)
        assert galera_start.ask(PEER, port) is None


def test_it_joins_a_cluster_that_serves(port: int, serving: int) -> None:
    """The others need not be asked."""
    assert not election(copy(9), port, serving).starts_here()


def test_members_join_one_at_a_time(port: int, serving: int) -> None:
    """Two that get their copies at once can split a small cluster. One that hangs holds nobody up for ever."""
    third = Election(HERE, [PEER, THIRD, HERE], copy(9), serving, port)
    with socket.create_server((THIRD, galera_start.GALERA_PORT)):
        in_cluster, joining, _ = third.ask_all()
        assert (in_cluster, joining) == ([PEER], [THIRD])
        assert third.before(in_cluster, joining) == [THIRD]
        assert not third.starts_here()


def test_they_join_in_the_order_of_their_list(port: int, serving: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the moment in which the one before has become MariaDB and does not listen yet."""
    members = [PEER, THIRD, HERE]
    second, third = (Election(address, members, copy(9), serving, port) for address in (THIRD, HERE))
    galera_start.offer(THIRD, port, copy(9))
    in_cluster, joining, _ = third.ask_all()
    assert third.before(in_cluster, joining) == [THIRD]
    assert second.before(in_cluster, joining) == []
    monkeypatch.setattr(galera_start, "SILENT_SECONDS", 0.0)
    assert third.before(in_cluster, joining) == []


def test_it_does_not_join_with_a_database_of_its_own(port: int, serving: int) -> None:
    """A full copy would replace it."""
    with pytest.raises(Refused, match="overwrite"):
        election(ALONE, port, serving).starts_here()


def test_a_choice_does_not_make_a_second_cluster(port: int, serving: int) -> None:
    """Each of two clusters would accept writes."""
    assert not election(copy(9), port, serving).starts_here(chosen=True)


def test_a_choice_needs_no_answer(port: int) -> None:
    """The silent member is lost. That is for a person to know."""
    assert election(copy(9), port).starts_here(chosen=True)


def test_a_choice_is_refused_if_another_member_has_more(port: int) -> None:
    """The administrator chose the wrong machine."""
    galera_start.offer(PEER, port, copy(10))
    with pytest.raises(Refused, match=f"Choose {PEER}"):
        election(copy(9), port).starts_here(chosen=True)
