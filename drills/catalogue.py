"""Every drill there is, made from the inventory: one for each daemon, machine and tier that it names.

A drill's name is `<machine>-<fault>`, such as backend1-power; its kind is that of all machines of a tier, such as
backend-power. expectations.yml speaks of kinds.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drills.controls import FakeLogout, NoNextUpstream, SwappedSessions
from drills.disk import FullDisk
from drills.fault import Fault
from drills.machines import CrashLoop, Freeze, Kill, PowerOff, RollingRestart
from drills.network import Cut
from drills.releases import Deploy, Kind
from drills.zone import ZoneChange
from lab.machines import Lab
from lab.power import Provider

SHORT = ("backend-kill", "frontend-kill", "backend-power", "frontend-power", "redis-restart", "deploy", "deploy-late")
"""The most telling ones, on the first machine of a tier each; and the negative controls."""

SHUFFLED = ("kill", "freeze", "power", "cut", "mute", "restart", "crashloop")
"""The faults that a random sequence draws from."""


class UnknownDrill(ValueError):
    """There is no such drill; the message lists those that there are."""


@dataclass(frozen=True)
class Drill:
    """One drill; `make` gives its fault."""

    name: str
    kind: str
    make: Callable[[], Fault]

    @property
    def is_control(self) -> bool:
        return self.kind.startswith("control-")

    @property
    def can_be_shuffled(self) -> bool:
        return self.kind.rpartition("-")[2] in SHUFFLED and not self.is_control


def catalogue(lab: Lab, provider: Provider, folder: Path) -> list[Drill]:
    """Every drill of this lab, in the order in which `make drill` runs them; `folder` is for their logs."""
    drills: list[Drill] = []

    def add(name: str, kind: str, make: Callable[[], Fault]) -> None:
        drills.append(Drill(name, kind, make))

    pause = 1 + float(lab.tier("frontends")[0].role("nginx")["nginx_fail_timeout_seconds"])
    for group, tier in lab.tiers.items():
        boxes, word = lab.tier(group), tier["machine"]
        for box in boxes:
            if box.units:
                add(f"{box.name}-kill", f"{word}-kill", lambda box=box: Kill(box))  # type: ignore[misc]
                add(f"{box.name}-freeze", f"{word}-freeze", lambda box=box: Freeze(box))  # type: ignore[misc]
            add(f"{box.name}-power", f"{word}-power", lambda box=box: PowerOff(box, provider))  # type: ignore[misc]
        if boxes and boxes[0].units:
            first = boxes[0]
            add(f"{first.name}-cut", f"{word}-cut", lambda box=first: Cut(box))  # type: ignore[misc]
            add(f"{first.name}-mute", f"{word}-mute", lambda box=first: Cut(box, ["out"]))  # type: ignore[misc]
            add(
                f"{word}-restart",
                f"{word}-restart",
                lambda boxes=boxes: RollingRestart(*boxes, pause_seconds=pause),  # type: ignore[misc]
            )
        if boxes and (data := tier.get("data")):
            add(
                f"{boxes[0].name}-disk",
                f"{word}-disk",
                lambda box=boxes[0], data=data: FullDisk(box, data["path"], data["full_mb"]),  # type: ignore[misc]
            )

    frontends, backends = lab.tier("frontends"), lab.tier("backends")
    add(f"{backends[0].name}-crashloop", "backend-crashloop", lambda: CrashLoop(backends[0]))
    add("frontend-backend-cut", "frontend-backend-cut", lambda: Cut(frontends[0], peers=[backends[0].address]))
    add("backend-redis-cut", "backend-redis-cut", lambda: Cut(backends[0], peers=lab.addresses("redis")))

    def deploy(kind: Kind) -> Callable[[], Fault]:
        return lambda: Deploy(*backends, kind=kind, folder=folder)

    add("deploy", "deploy", deploy("good"))
    add("deploy-cold", "deploy-cold", deploy("cold"))
    add("deploy-late", "deploy-late", deploy("late"))
    if lab.tier("dns"):
        add("nameserver-change", "nameserver-change", lambda: ZoneChange(*lab.tier("dns"), folder=folder))
    add("control-no-next", "control-no-next", lambda: NoNextUpstream(frontends, backends[0]))
    add("control-logout", "control-logout", FakeLogout)
    add("control-swap", "control-swap", SwappedSessions)
    return drills


def chosen(drills: Sequence[Drill], wanted: str) -> list[Drill]:
    """The drills of `wanted`: all, short, or names and kinds with commas or spaces between.

    Raises:
        UnknownDrill: one of them is none.
    """
    if wanted == "all":
        return list(drills)
    if wanted == "short":
        firsts = {drill.kind: drill for drill in reversed(drills)}
        return [firsts[kind] for kind in SHORT if kind in firsts] + [drill for drill in drills if drill.is_control]
    found: list[Drill] = []
    for word in wanted.replace(",", " ").split():
        matching = [drill for drill in drills if word in (drill.name, drill.kind)]
        if not matching:
            known = sorted(
                {drill.kind for drill in drills} | {drill.name for drill in drills} | {"all", "short", "random"}
            )
            near = difflib.get_close_matches(word, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UnknownDrill(f"there is no drill {word!r}.{hint} There are: {', '.join(known)}")
        found += matching
    return found
