"""A machine's variables, and where the inventory sets each of them."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from ansible._internal._datatag._tags import Origin
from ansible.errors import AnsibleError
from ansible.template import Templar
from jinja2 import Environment, TemplateSyntaxError, nodes

SAME_FOR_ALL = ("groups", "hostvars")
Groups = Mapping[str, list[str]]
Machines = Mapping[str, "Machine"]
Tiers = Mapping[str, Mapping[str, Any]]  # ansible/group_vars/all/tiers.yml


class Machine(Mapping[str, Any]):
    """One host's variables: `raw`, or templated on access, with the place where each is set."""

    def __init__(self, raw: Mapping[str, Any], loader: Any, known: dict[Any, Any]) -> None:
        """`known` are the values that any machine has evaluated, by what they are made of."""
        self.raw = raw
        self.own_keys = [key for key in raw if place(key)]  # set by the inventory, not added by Ansible
        self.loader = loader
        self._templar = Templar(loader=loader, variables=dict(raw))
        self._known = known

    def __getitem__(self, key: str) -> Any:
        made_of = key, self._sources(key)
        if made_of not in self._known:
            self._known[made_of] = self._templar.template(self.raw[key])
        return self._known[made_of]

    def _sources(self, key: str) -> frozenset[tuple[str, str]]:
        """The variables that a value is made of, as they are written: what machines share is evaluated once."""
        found: dict[str, str] = {}
        waiting = [key]
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.raw and name not in SAME_FOR_ALL:
                value = self.raw[name]
                found[name] = repr(value)
                waiting += variables(value)
        return frozenset(found.items())

    def __contains__(self, key: object) -> bool:
        return key in self.raw

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def read(self, key: str) -> Any:
        """The value; None if it is missing or its template is broken (which `broken_values` reports)."""
        try:
            return self[key]
        except (KeyError, AnsibleError):
            return None

    def place(self, key: str) -> str:
        return place(self.raw.get(key)) or next((place(own) for own in self.own_keys if own == key), "the inventory")


def place(value: Any) -> str:
    """Where Ansible read a key or a value, like `inventory/lab/hosts.yml:20`; '' if that is unknown."""
    origin = Origin.get_tag(value)
    if origin is None or not origin.path:
        return (origin.description or "") if origin else ""
    return ":".join(str(part) for part in (os.path.relpath(origin.path), origin.line_num) if part)


def nearest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The remedy for a typo: the closest known name."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f"Did you mean `{close[0]}`?" if close else otherwise


def mentions(value: Any) -> set[str]:
    """Every name in a value's templates, however deep."""
    if isinstance(value, str):
        return set(re.findall(r"\w+", value)) if "{{" in value or "{%" in value else set()
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return set().union(*map(mentions, parts))


def variables(value: Any) -> set[str]:
    """The variables of the machine itself that a value's templates read."""
    if isinstance(value, str):
        return variables_of_template(str(value)) if "{{" in value or "{%" in value else set()
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return set().union(*map(variables, parts))


@cache
def variables_of_template(text: str) -> set[str]:
    try:
        found = {name.name for name in Environment().parse(text).find_all(nodes.Name)}
    except TemplateSyntaxError:
        return set()  # its evaluation says so
    return {*found, "inventory_hostname"} if re.search(r"\bvars\b", text) else found  # lookup('vars', …) reads any


def as_ipv4(value: Any) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(str(value))
    except ValueError:
        return None


def as_network(value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        return None
