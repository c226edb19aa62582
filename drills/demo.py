"""A show of two minutes: a backend loses its power, then a frontend, while thirty users work. `make demo`.

It runs two drills, and says before each what will happen, and afterwards what the users got.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from drills import expectations, report
from drills.accounts import accounts
from drills.catalogue import Drill, catalogue
from drills.oracle import Metrics
from drills.runner import Outcome, Runner, Settings, on_the_lab, refuse_unless_healthy
from lab.inventory import ROOT
from lab.language import Language, language
from lab.machines import Lab
from lab.power import provider_of

USERS, RATE = 30, 60
BEFORE_SECONDS, AFTER_SECONDS = 4, 3

WORDS: dict[str, dict[Language, str]] = {
    "begin": {
        "en": "{users} users log in, each on a browser of their own. They send {rate} requests a second.",
        "pt": "{users} usuários fazem login, cada um no seu navegador. Eles enviam {rate} requisições por segundo.",
    },
    "backend": {
        "en": "Now {machine} loses its power for {seconds:.0f} seconds. It was answering its share of the requests.",
        "pt": "Agora {machine} fica sem energia por {seconds:.0f} segundos. Ele respondia à sua parte das requisições.",
    },
    "backend why": {
        "en": "The frontends asked another backend. The sessions are in Redis, so it knew every user.",
        "pt": "Os frontends perguntaram a outro backend. As sessões estão no Redis, e ele conhecia cada usuário.",
    },
    "frontend": {
        "en": "Now {machine} loses its power for {seconds:.0f} seconds. DNS goes on naming it: it does not know.",
        "pt": "Agora {machine} fica sem energia por {seconds:.0f} segundos. O DNS continua a nomeá-lo: não sabe disso.",
    },
    "frontend why": {
        "en": "The browsers tried the next address, and some had to wait for that.",
        "pt": "Os navegadores tentaram o endereço seguinte, e alguns tiveram que esperar por isso.",
    },
    "result": {
        "en": "{requests} requests, {failed} failed, {lost} users logged out, slowest answer {slowest:.1f} s.",
        "pt": "Requisições: {requests}; falhas: {failed}; desconectados: {lost}; a mais lenta levou {slowest:.1f} s.",
    },
    "end": {
        "en": "The charts: {report}",
        "pt": "Os gráficos: {report}",
    },
}


@dataclass(frozen=True)
class Act:
    """A part of the show: a drill, and the words about its kind of machine."""

    drill: Drill
    kind: str
    machine: str


def acts(lab: Lab, drills: Sequence[Drill]) -> list[Act]:
    """A backend, then a frontend: the second of each, because nothing depends on the first."""
    chosen = []
    for kind, group in (("backend", "backends"), ("frontend", "frontends")):
        names = lab.names(group)
        assert len(names) > 1, f"the show needs two {group}. Remedy: make up with inventory/lab"
        machine = names[1]
        (drill,) = (drill for drill in drills if drill.name == f"{machine}-power")
        chosen.append(Act(drill, kind, machine))
    return chosen


def result(metrics: Metrics, spoken: Language) -> str:
    """What the users got, in one sentence."""
    return WORDS["result"][spoken].format(
        requests=metrics.requests, failed=metrics.failed, lost=metrics.lost, slowest=metrics.slowest_seconds
    )


def play(lab: Lab, spoken: Language) -> int:
    """Play all acts; return 0 if the users got what the drills promise."""
    folder = ROOT / ".lab" / "drills" / f"{datetime.now():%Y%m%d-%H%M%S}-demo"
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(USERS, RATE, secrets.randbelow(10**6), BEFORE_SECONDS, AFTER_SECONDS, folder=folder)
    refuse_unless_healthy(lab)
    show = acts(lab, catalogue(lab, provider_of(lab.names("all")), folder))
    expected = expectations.load(lab.is_redundant)
    outcomes: list[Outcome] = []
    _say(WORDS["begin"][spoken].format(users=USERS, rate=RATE))
    with accounts(lab.tier("backends")[-1], USERS) as passwords:
        runner = Runner(lab, passwords, settings)
        for act in show:
            seconds = act.drill.make().hold_seconds
            _say(WORDS[act.kind][spoken].format(machine=act.machine, seconds=seconds))
            outcomes.append(asyncio.run(runner.run(act.drill, expected[act.drill.kind])))
            _say(result(outcomes[-1].metrics, spoken), WORDS[f"{act.kind} why"][spoken], *outcomes[-1].problems)
    page = report.write(folder, outcomes, settings, "demo").relative_to(ROOT)
    _say(WORDS["end"][spoken].format(report=page))
    return int(any(outcome.problems for outcome in outcomes))


def _say(*sentences: str) -> None:
    print("\n" + "\n".join(sentences), flush=True)


def main() -> int:
    """Play the show; return 2 if it could not begin."""
    return on_the_lab(lambda lab: play(lab, language()))


if __name__ == "__main__":
    sys.exit(main())
