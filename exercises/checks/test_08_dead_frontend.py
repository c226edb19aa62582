"""Exercise 8: the student's measurements on the user's computer, and when nginx and the machine were down."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from exercises.evidence import Evidence, Outage
from exercises.judge import Found
from exercises.sheet import Answers
from exercises.state import differences
from lab.machines import Box, Lab

ENOUGH_REQUESTS = 20
LINE = re.compile(r"^(\d{3}) ([\d.]+) (\S*)$", re.MULTILINE)
REFUSED_SECONDS, SILENT_SECONDS = 0.5, 0.8
"""A refusal takes less, and a machine without power takes more."""
TOLERANCE_SECONDS = 0.3


@dataclass(frozen=True)
class Measurement:
    """What a loop of curl has written: the status, the seconds and the address of each request."""

    rows: list[tuple[int, float, str]]

    @property
    def failed(self) -> int:
        return sum(status != 200 for status, _, _ in self.rows)

    @property
    def slowest(self) -> float:
        return max((seconds for _, seconds, _ in self.rows), default=0.0)


def measurement(client: Box, name: str, since: float) -> Measurement:
    """A file on the user's computer; without rows if it is missing or older."""
    printed = client.run("stat --format=%%Y %s && cat %s", name, name).stdout
    age, _, content = printed.partition("\n")
    if not age or float(age) < since - 1:
        return Measurement([])
    return Measurement([(int(status), float(seconds), address) for status, seconds, address in LINE.findall(content)])


@pytest.fixture(scope="module")
def refused(client: Box, evidence: Evidence) -> Measurement:
    return measurement(client, "refused.txt", evidence.since)


@pytest.fixture(scope="module")
def silent(client: Box, evidence: Evidence) -> Measurement:
    return measurement(client, "silent.txt", evidence.since)


@pytest.fixture(scope="module")
def outages(evidence: Evidence, lab: Lab) -> dict[str, list[Outage]]:
    return lab.everywhere(lambda box: evidence.outages(box, "nginx.service"), lab.tier("frontends"))


def test_nginx_was_stopped(outages: dict[str, list[Outage]], found: Found) -> None:
    assert any(found({name: len(own) for name, own in outages.items()}).values())


def test_dns_did_not_notice(answers: Answers, lab: Lab, found: Found) -> None:
    assert found(answers.number("addresses_during")) == len(lab.www_addresses)


def test_nothing_failed(answers: Answers, refused: Measurement, found: Found) -> None:
    assert len(refused.rows) >= ENOUGH_REQUESTS
    assert found(answers.number("refused_failed")) == refused.failed


def test_others_took_over(refused: Measurement, outages: dict[str, list[Outage]], lab: Lab, found: Found) -> None:
    used = found({address for _, _, address in refused.rows})
    dead = {lab[name].address for name, own in outages.items() if own}
    assert len(used) == len(lab.tier("frontends")) - 1
    assert not used & dead


def test_a_refusal_is_fast(answers: Answers, refused: Measurement, found: Found) -> None:
    seconds = found(answers.number("refused_seconds"))
    assert refused.rows
    assert seconds == pytest.approx(refused.slowest, abs=TOLERANCE_SECONDS)
    assert seconds < REFUSED_SECONDS


def test_the_power_was_cut(evidence: Evidence, lab: Lab, found: Found) -> None:
    started = lab.everywhere(evidence.up_since, lab.tier("frontends"))
    assert found([name for name, at in started.items() if at > evidence.since])


def test_silence_is_slow(answers: Answers, silent: Measurement, found: Found) -> None:
    seconds = found(answers.number("silent_seconds"))
    assert silent.rows
    assert seconds == pytest.approx(silent.slowest, abs=TOLERANCE_SECONDS)
    assert seconds > SILENT_SECONDS


def test_who_retries(answers: Answers, found: Found) -> None:
    assert found(answers.name("who_retries")) in ("client", "cliente")


def test_everything_works_again(lab: Lab, found: Found) -> None:
    assert found(differences(lab)) == {}
