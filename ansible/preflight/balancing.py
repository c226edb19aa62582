"""nginx can spread the users as the inventory says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from preflight.machine import Machine, Machines, nearest

PERSISTENCE = ("none", "route_cookie")
WEIGHTS = range(1, 101)  # nginx counts shares in hundredths of a percent


def wrong_balancing(machines: Machines) -> Iterator[str]:
    """nginx would also refuse most of these, but only after other machines were changed."""
    for machine in machines.values():
        way, backends = machine.read("nginx_persistence") or "none", set(machine.read("nginx_backends") or ())
        if way not in PERSISTENCE:
            remedy = nearest(str(way), PERSISTENCE, f"Write {' or '.join(PERSISTENCE)}.")
            yield f"{machine.place('nginx_persistence')}: `nginx_persistence` cannot be `{way}`. {remedy}"
        if backends:
            yield from wrong_draining(machine, backends)
            yield from wrong_weights(machine, backends)


def wrong_draining(machine: Machine, backends: set[str]) -> Iterator[str]:
    draining, where = machine.read("nginx_draining") or [], machine.place("nginx_draining")
    if not isinstance(draining, list):
        yield f"{where}: `nginx_draining` is not a list. Write it like [{min(backends)}]."
        return
    for name in (str(name) for name in draining if name not in backends):
        yield f"{where}: `nginx_draining` has `{name}`, which is no backend. {nearest(name, backends, 'Remove it.')}"
    if backends <= set(draining):
        yield f"{where}: `nginx_draining` has every backend, so that none takes new visitors. Leave one out."


def wrong_weights(machine: Machine, backends: set[str]) -> Iterator[str]:
    weights, where = machine.read("nginx_backend_weights") or {}, machine.place("nginx_backend_weights")
    if not isinstance(weights, Mapping):
        yield f"{where}: `nginx_backend_weights` must be a mapping. Write it like {{{min(backends)}: 50}}."
        return
    table = f"{where}: `nginx_backend_weights`"
    for name, weight in weights.items():
        if name not in backends:
            yield f"{table} has `{name}`, which is no backend. {nearest(str(name), backends, 'Remove it.')}"
        elif isinstance(weight, bool) or not isinstance(weight, int) or weight not in WEIGHTS:
            yield f"{table} gives {name} `{weight}`. Write a whole number from {WEIGHTS[0]} to {WEIGHTS[-1]}."
    for name in sorted(backends - set(weights)) if weights else ():
        yield f"{table} has no weight for {name}. Add one; to stop new visitors, use nginx_draining."
