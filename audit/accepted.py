"""Findings that may stay: accepted.yml says which, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from audit.finding import FAILING, Finding, Level

FILE = Path(__file__).with_name("accepted.yml")


@dataclass(frozen=True)
class Acceptance:
    """Findings of a tool that may stay.

    Attributes:
        result, target: patterns of a finding's fields, in which * is any text.
        where: variables of the inventory, and the values that they must have; elsewhere it is not needed.
    """

    tool: str
    result: str
    reason: str
    target: str = "*"
    where: Mapping[str, Any] = field(default_factory=dict)

    def covers(self, finding: Finding) -> bool:
        return (
            finding.tool == self.tool
            and fnmatchcase(finding.result, self.result)
            and fnmatchcase(finding.target, self.target)
        )

    def applies(self, variables: Mapping[str, Any]) -> bool:
        return all(str(variables.get(name)) == str(value) for name, value in self.where.items())


def read(path: Path = FILE) -> list[Acceptance]:
    return [Acceptance(**entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]


def accept(findings: Iterable[Finding], acceptances: Sequence[Acceptance]) -> tuple[list[Finding], list[Acceptance]]:
    """The findings with the reasons of those that may stay, and the acceptances that no finding needs.

    A scanner that has failed is never accepted. Acceptances of tools that did not run are not unused.
    """
    judged, used, tools = [], set[int](), set[str]()
    for finding in findings:
        tools.add(finding.tool)
        covering = [number for number, one in enumerate(acceptances) if one.covers(finding)]
        if FAILING <= finding.level < Level.ERROR and covering:
            used.update(covering)
            finding = replace(finding, accepted=acceptances[covering[0]].reason)
        judged.append(finding)
    unused = [one for number, one in enumerate(acceptances) if number not in used and one.tool in tools]
    return judged, unused


def table(acceptances: Iterable[Acceptance]) -> str:
    """The acceptances as the table of docs/security.md."""
    lines = ["| tool | finding | why it stays |", "|---|---|---|"]
    for one in acceptances:
        where = ", ".join(f"`{name}: {value}`" for name, value in one.where.items())
        on = "" if one.target == "*" else f", on `{one.target}`"
        lines.append(f"| {one.tool} | `{one.result}`{on}{f', with {where}' if where else ''} | {one.reason} |")
    return "\n".join(lines)
