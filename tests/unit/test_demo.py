"""drills/demo.py: which machines it breaks, and what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from drills import demo
from drills.catalogue import catalogue
from drills.oracle import Phases, Topology, measure
from lab.inventory import Inventory
from lab.language import Language
from lab.machines import Lab
from tests.unit.test_drill_oracle import event


def machines(inventory: str) -> Lab:
    lab = Lab(Inventory.load(inventory))
    lab._control.cleanup()
    return lab


@pytest.mark.parametrize("inventory", ["inventory/lab", "inventory/ha"])
def test_a_backend_and_a_frontend_lose_their_power(inventory: str, tmp_path: Path) -> None:
    """The second of each: users and drills know the first best."""
    lab = machines(inventory)
    show = demo.acts(lab, catalogue(lab, cast(Any, None), tmp_path))
    assert [(act.kind, act.drill.name) for act in show] == [
        ("backend", "backend2-power"),
        ("frontend", "frontend2-power"),
    ]


def test_one_of_each_is_not_enough(tmp_path: Path) -> None:
    """The users would fail, and the show say that they did not."""
    lab = machines("inventory/small")
    with pytest.raises(AssertionError, match="needs two backends"):
        demo.acts(lab, catalogue(lab, cast(Any, None), tmp_path))


@pytest.mark.parametrize(
    ("spoken", "sentence"),
    [
        ("en", "2 requests, 1 failed, 0 users logged out, slowest answer 0.2 s."),
        ("pt", "Requisições: 2; falhas: 1; desconectados: 0; a mais lenta levou 0.2 s."),
    ],
)
def test_the_result_is_one_sentence(spoken: Language, sentence: str) -> None:
    """The numbers are those of the drill's report."""
    events = [replace(event(), seconds=0.2), event(status=503, identity="", at=2)]
    assert demo.result(measure(events, Phases(0, 1, 2, 3), Topology([], [])), spoken) == sentence


def test_the_words_are_in_both_languages() -> None:
    assert all(set(words) == {"en", "pt"} for words in demo.WORDS.values())
