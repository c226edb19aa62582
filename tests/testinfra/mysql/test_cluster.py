"""With several machines, the database is a Galera cluster. Each test needs a cluster and is skipped without one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from functools import partial

import pytest

from lab.machines import Box, Lab
from lab.waiting import wait_until

REJOIN_SECONDS = 120


@pytest.fixture(scope="module")
def members(lab: Lab) -> list[Box]:
    found = lab.tier("mysql")
    if len(found) < 2:
        pytest.skip("the inventory has a single database")
    return found


def is_complete(lab: Lab, members: list[Box]) -> bool:
    """Whether each member has all data, and sees all others."""
    return all(lab.everywhere(lambda box: box.root(f"galera-state {len(members)}").succeeded, members).values())


def wait_until_complete(lab: Lab, members: list[Box]) -> None:
    wait_until(lambda: is_complete(lab, members), "every member is in the cluster again", REJOIN_SECONDS)


def sql(member: Box, statement: str) -> str:
    return member.root_output("mariadb --batch --skip-column-names --execute=%s", statement)


@pytest.fixture
def notes(lab: Lab, members: list[Box]) -> Iterator[str]:
    """A table for a test's own changes."""
    name = f"lab_test_{secrets.token_hex(4)}.notes"
    database = name.partition(".")[0]
    sql(members[0], f"CREATE DATABASE {database}; CREATE TABLE {name} (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT)")
    yield name
    wait_until_complete(lab, members)
    sql(members[0], f"DROP DATABASE {database}")


def test_every_member_is_in_the_cluster(lab: Lab, members: list[Box]) -> None:
    """A member that is missing is redundancy that users believe in."""
    assert is_complete(lab, members)


def test_every_member_has_the_same_users(lab: Lab, members: list[Box]) -> None:
    """A login must not depend on the member that a backend asks."""
    database = members[0].role("mysql")["mysql_database"]
    sums = lab.everywhere(lambda box: sql(box, f"CHECKSUM TABLE {database}.users, {database}.schema_version"), members)
    assert len(set(sums.values())) == 1, sums


def test_a_member_listens_at_its_own_address_only(members: list[Box], mysql: Box) -> None:
    """Galera's ports know no passwords."""
    listening = {line.split()[3] for line in mysql.output("ss --no-header --listening --tcp --numeric").splitlines()}
    assert f"{mysql.address}:4567" in listening
    assert not [place for place in listening if place.rpartition(":")[2] in ("3306", "4444", "4567", "4568", "4569")
                and place.rpartition(":")[0] != mysql.address]  # fmt: skip


@pytest.mark.disruptive
def test_a_killed_member_returns_with_what_it_missed(lab: Lab, members: list[Box], mysql: Box, notes: str) -> None:
    """The others accept writes in the meantime."""
    other = next(member for member in members if member is not mysql)
    mysql.root_output("systemctl kill --signal=KILL mariadb.service")
    sql(other, f"INSERT INTO {notes} (note) VALUES ('while one was killed')")
    wait_until_complete(lab, members)
    assert sql(mysql, f"SELECT note FROM {notes}") == "while one was killed"


@pytest.mark.disruptive
def test_the_cluster_starts_from_the_last_change(lab: Lab, members: list[Box], notes: str) -> None:
    """Only the member that was stopped last has the last change. Nobody says which one that was."""
    *others, last = members
    for number, member in enumerate(others, start=1):
        member.root_output("systemctl stop mariadb.service")
        sql(last, f"INSERT INTO {notes} (note) VALUES ('{number} down')")
    last.root_output("systemctl stop mariadb.service")
    lab.everywhere(lambda box: box.start("mariadb.service"), members)
    wait_until_complete(lab, members)
    assert len(sql(members[0], f"SELECT note FROM {notes}").splitlines()) == len(others)


@pytest.mark.disruptive
def test_a_crash_of_all_members_loses_nothing(lab: Lab, members: list[Box], notes: str) -> None:
    """As after a power cut of all."""
    for number in range(20):
        sql(members[number % len(members)], f"INSERT INTO {notes} (note) VALUES ('{number}')")
    lab.everywhere(lambda box: box.root_output("systemctl kill --signal=KILL mariadb.service"), members)
    wait_until_complete(lab, members)
    assert sql(members[-1], f"SELECT COUNT(*) FROM {notes}") == "20"


@pytest.mark.disruptive
def test_the_cluster_does_not_start_without_a_member(lab: Lab, members: list[Box]) -> None:
    """That one might have changes which the others lack. Their journals name it."""
    *others, absent = members

    def waits(member: Box) -> bool:
        return f"waiting for {absent.address};" in member.journal("mariadb.service", since=began)

    began = time.time()
    with lab.outage("mysql"):
        lab.everywhere(lambda box: box.root_output("systemctl --no-block start mariadb.service"), others)
        for member in others:
            wait_until(partial(waits, member), f"{member.name} waits for {absent.name}", 60)
        assert not [member.name for member in others if member.is_active("mariadb.service")]
    wait_until_complete(lab, members)
