"""The trial of new firewall rules, with real rules in a network namespace; only systemd's part is played by stubs."""

from __future__ import annotations

import pytest

from tests.templates.rendered import script
from tests.workbench import Workbench

# The timer's command goes to a file instead of systemd, and `fire` runs it.
STUBS = {
    "/bench/bin/systemd-run": """\
#!/bin/sh
while [ "${1#/}" = "$1" ]; do shift; done
echo "$@" > /bench/armed
""",
    "/bench/bin/systemctl": """\
#!/bin/sh
case "$*" in
    "--quiet is-active nftables-revezamento-undo.timer") [ -e /bench/armed ] ;;
    "stop nftables-revezamento-undo.timer") rm /bench/armed ;;
    *) exit 9 ;;
esac
""",
    "/bench/bin/fire": """\
#!/bin/sh
sh -e /bench/armed && rm /bench/armed
""",
    "/bench/bin/rules": """\
#!/bin/sh
nft list tables; nft list ruleset | sed -n 's/.*comment "//p' | tr -d '"'
""",
}


def table(name: str) -> str:
    """A table with this comment, as nftables.conf.j2 writes it."""
    own = "table inet revezamento"
    chain = "chain input { type filter hook input priority filter; policy drop; }"
    return f'{own}\ndelete {own}\n{own} {{\n comment "{name}"\n {chain}\n}}\n'


def run(bench: Workbench, commands: str, files: dict[str, str]) -> str:
    """Run a script in a namespace of its own; return what it has printed."""
    setup = "chmod +x /bench/bin/*; rm -f /bench/armed /run/nftables-*; PATH=/bench/bin:$PATH\n"
    done = bench.run(["unshare", "--net", "sh", "-ec", setup + commands], STUBS | files)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def trial() -> dict[str, str]:
    """The task's script; its standard input are the rules."""
    return {"/bench/trial": script("nftables", "trial", "Load the new rules, for a trial", "cmd")}


RULES = {f"/bench/{name}": table(name) for name in ("first", "second", "third")} | {"/bench/wrong": "table inet {"}


def test_the_former_rules_return(trial: dict[str, str], workbench: Workbench) -> None:
    """Nobody can connect, so nobody stops the timer."""
    commands = "nft -f /bench/first; sh /bench/trial < /bench/second; rules; fire; rules"
    assert run(workbench, commands, trial | RULES).split("\n") == [
        "table inet revezamento",
        "second",
        "table inet revezamento",
        "first",
        "",
    ]


def test_a_machine_without_a_firewall_returns_to_none(trial: dict[str, str], workbench: Workbench) -> None:
    """The first installation has nothing to return to."""
    assert run(workbench, "sh /bench/trial < /bench/first; rules; fire; rules", trial | RULES).split("\n") == [
        "table inet revezamento",
        "first",
        "",
    ]


def test_an_interrupted_trial_returns_to_what_was_before_it(trial: dict[str, str], workbench: Workbench) -> None:
    """The rules of the interrupted one were never confirmed."""
    commands = (
        "nft -f /bench/first; for new in second third; do sh /bench/trial < /bench/$new; done; rules; fire; rules"
    )
    assert run(workbench, commands, trial | RULES).split("\n") == [
        "table inet revezamento",
        "third",
        "table inet revezamento",
        "first",
        "",
    ]


def test_invalid_rules_are_not_tried(trial: dict[str, str], workbench: Workbench) -> None:
    """The machine keeps its rules, and there is nothing to undo."""
    commands = "nft -f /bench/first; ! sh /bench/trial < /bench/wrong 2>/dev/null; ! test -e /bench/armed; rules"
    assert run(workbench, commands, trial | RULES) == "table inet revezamento\nfirst\n"
