"""Exercise 3, done and done wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from lab.capture import FOLDER
from lab.machines import Lab
from tests.exercises.conftest import Begin
from tests.exercises.student import Student

LISTENING = "listening on"
FILES = ("login.pcap", "backend-login.pcap", "backend-profile.pcap")


@pytest.fixture(scope="module")
def student(begin: Begin, lab: Lab) -> Iterator[Student]:
    """Records the three captures. Those of a student who works on this computer are kept."""
    one = begin(3)
    kept = FOLDER.rename(FOLDER.with_name("captures.kept")) if FOLDER.exists() else None
    try:
        capture, login, backend, logins, backend_again, profiles, *_ = (one.block(number) for number in range(7))
        with one.running(capture, LISTENING):
            one.on("client", login)
        with one.running(backend, LISTENING):
            one.on("client", logins)
        with one.running(backend_again, LISTENING):
            one.on("client", f"{logins.splitlines()[0]}\n{profiles}")
        one.answers = {
            "frontend_address": destination(one, lab),
            "password_line": "usuario=ana&senha=senha-da-ana",
            "session_command": "evalsha",
            "mysql_packets": "0",
        }
        yield one
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
        if kept:
            kept.rename(FOLDER)
        lab["client"].run("rm -f jar")


def destination(student: Student, lab: Lab) -> str:
    """The frontend of the first capture, as tcpdump prints it."""
    reading = student.block(6).splitlines()[0]
    printed = student.here(reading)
    return next(address for address in lab.addresses("frontends") if f"> {address}.{lab.site_port}" in printed)


def test_the_solution_passes(student: Student) -> None:
    student.passes()


def test_wrong_answers_are_caught(student: Student, lab: Lab) -> None:
    """The password of another user is in no packet, nor is another frontend."""
    other = next(one for one in lab.addresses("frontends") if one != student.answers["frontend_address"])
    wrong = {"password_line": "usuario=bruno&senha=senha-do-bruno", "frontend_address": other, "session_command": "GET"}
    assert student.misses(wrong) == {"test_password", "test_frontend", "test_session_command"}


def test_swapped_captures_are_caught(student: Student) -> None:
    """A capture with logins is not one of a user who is logged in."""
    first, second = FOLDER / FILES[1], FOLDER / FILES[2]
    contents = first.read_bytes(), second.read_bytes()
    try:
        first.write_bytes(contents[1])
        second.write_bytes(contents[0])
        assert student.misses() == {"test_backend_capture", "test_no_mysql_after_the_login"}
    finally:
        first.write_bytes(contents[0])
        second.write_bytes(contents[1])


def test_a_missing_capture_is_named(student: Student) -> None:
    """Or one that was recorded somewhere else."""
    first = FOLDER / FILES[0]
    content = first.read_bytes()
    try:
        first.unlink()
        verdicts = {one.test: one for one in student.check()}
        assert verdicts["test_login_capture"].found_text("pt") == f"nenhum arquivo {FILES[0]}"
        first.write_bytes((FOLDER / FILES[2]).read_bytes())
        assert student.misses() == {"test_login_capture", "test_password", "test_frontend"}
    finally:
        first.write_bytes(content)
