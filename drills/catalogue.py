"""All drills of a lab: those of each tier and machine in the inventory, and a few that are about the whole system.

A drill is named after its machine and fault, such as backend1-power, and its kind after the tier's word for a machine,
such as backend-power. expectations.yml has an entry for each kind. A machine in several tiers has drills for each of
its daemons, such as data1-redis-kill; its other faults are of the kind of its first tier.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drills.controls import FakeLogout, NoNextUpstream, SwappedSessions
from drills.disk import FullDisk
from drills.fault import Fault
from drills.machines import CrashLoop, Freeze, Kill, PowerOff, RollingRestart
from drills.minority import Minority, UnsafeMinority
from drills.network import Partition
from drills.releases import Deploy
from drills.rolling import CHANGES, RollingPlaybook
from drills.zone import ZoneChange
from lab.machines import Lab
from lab.power import Provider

SHORT = ("backend-kill", "frontend-kill", "backend-power", "frontend-power", "redis-restart", "deploy")
"""The kinds of `short`, each on one machine; the negative controls are in it as well."""

RANDOM_FAULTS = ("kill", "freeze", "power", "cut", "mute", "restart", "crashloop")
"""The faults that `random` picks from."""


class UnknownDrill(ValueError):
    """There is no such drill; the message lists all that there are."""


@dataclass(frozen=True)
class Drill:
    """One drill; `make` creates its fault."""

    name: str
    kind: str
    make: Callable[[], Fault]

    @property
    def is_control(self) -> bool:
        return self.kind.startswith("control-")

    @property
    def is_for_random(self) -> bool:
        return self.kind.rpartition("-")[2] in RANDOM_FAULTS and not self.is_control


def catalogue(lab: Lab, provider: Provider, folder: Path) -> list[Drill]:
    """All drills of this lab, in the order in which `make drill` runs them; `folder` is for their logs."""
    drills: list[Drill] = []

    def add(name: str, kind: str, make: Callable[[], Fault]) -> None:
        drills.append(Drill(name, kind, make))

    pause_seconds = 1 + float(lab.tier("frontends")[0].role("nginx")["nginx_fail_timeout_seconds"])
    seen: set[str] = set()
    for group, tier in lab.tiers.items():
        boxes, word = lab.tier(group), tier["machine"]
        whole = [lab[box.name] for box in boxes if box.name not in seen]
        seen.update(box.name for box in boxes)
        for box in boxes:
            name = box.name if lab[box.name].tiers == (group,) else f"{box.name}-{word}"
            if box.units:
                add(f"{name}-kill", f"{word}-kill", partial(Kill, box))
                add(f"{name}-freeze", f"{word}-freeze", partial(Freeze, box))
        for box in whole:
            add(f"{box.name}-power", f"{word}-power", partial(PowerOff, box, provider))
        if boxes and boxes[0].units:
            for box in whole if tier.get("data") else whole[:1]:
                add(f"{box.name}-cut", f"{word}-cut", partial(Partition, box))
                add(f"{box.name}-mute", f"{word}-mute", partial(Partition, box, ["out"]))
            add(f"{word}-restart", f"{word}-restart", partial(RollingRestart, *boxes, pause_seconds=pause_seconds))
        if boxes and (data := tier.get("data")):
            disk = partial(FullDisk, *boxes, folder=data["path"], headroom_mb=data["full_mb"])
            add(f"{word}-disk", f"{word}-disk", disk)

    frontends, backends = lab.tier("frontends"), lab.tier("backends")
    add(f"{backends[0].name}-crashloop", "backend-crashloop", partial(CrashLoop, backends[0]))
    frontend_backend_cut = partial(Partition, frontends[0], peers=[backends[0].address])
    add("frontend-backend-cut", "frontend-backend-cut", frontend_backend_cut)
    backend_redis_cut = partial(Partition, backends[0], peers=lab.addresses("redis"))
    add("backend-redis-cut", "backend-redis-cut", backend_redis_cut)
    if len(members := lab.tier("redis")) > 1:
        add("redis-minority", "redis-minority", partial(Minority, members, backends))
        add("control-no-wait", "control-no-wait", partial(UnsafeMinority, members, backends))
    add("deploy", "deploy", partial(Deploy, *backends, kind="good", folder=folder))
    add("deploy-cold", "deploy-cold", partial(Deploy, *backends, kind="cold", folder=folder))
    add("deploy-late", "deploy-late", partial(Deploy, *backends, kind="late", folder=folder))
    provision = partial(RollingPlaybook, *lab, playbook="site.yml", variables=CHANGES, folder=folder, stay=True)
    add("provision", "provision", provision)
    always = {"upgrade_reboot": "always"}
    add("upgrade", "upgrade", partial(RollingPlaybook, *lab, playbook="upgrade.yml", variables=always, folder=folder))
    add("rotate", "rotate", partial(RollingPlaybook, *lab, playbook="rotate-secrets.yml", variables={}, folder=folder))
    if nameservers := lab.tier("dns"):
        add("nameserver-change", "nameserver-change", partial(ZoneChange, *nameservers, folder=folder))
    add("control-no-next", "control-no-next", partial(NoNextUpstream, frontends, backends[0]))
    add("control-logout", "control-logout", FakeLogout)
    add("control-swap", "control-swap", SwappedSessions)
    return drills


def select(drills: Sequence[Drill], selection: str) -> list[Drill]:
    """The drills of a selection: all, short, or names and kinds separated by commas or spaces.

    Raises:
        UnknownDrill: a word is neither a name nor a kind.
    """
    if selection == "all":
        return list(drills)
    if selection == "short":
        firsts = {drill.kind: drill for drill in reversed(drills)}
        return [firsts[kind] for kind in SHORT if kind in firsts] + [drill for drill in drills if drill.is_control]
    selected: list[Drill] = []
    for word in selection.replace(",", " ").split():
        matching = [drill for drill in drills if word in (drill.name, drill.kind)]
        if not matching:
            known = sorted(
                {drill.kind for drill in drills} | {drill.name for drill in drills} | {"all", "short", "random"}
            )
            near = difflib.get_close_matches(word, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UnknownDrill(f"there is no drill {word!r}.{hint} All drills: {', '.join(known)}")
        selected += matching
    return selected
