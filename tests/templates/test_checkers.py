"""Every configuration, of every inventory, is accepted by what will read it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from lab.inventory import ROLES, ROOT
from tests.templates.checkers import complaint
from tests.templates.rendered import SECRETS, VARIANTS, File, files, machines, roles
from tests.workbench import Workbench


@pytest.fixture(scope="module")
def accepted() -> set[File]:
    """What was accepted already: most files are the same in most inventories and on most machines."""
    return set()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("role", roles())
def test_accepted(workbench: Workbench, accepted: set[File], role: str, variant: str) -> None:
    """A daemon that does not start is found here in milliseconds, on ten machines in minutes."""
    for machine in machines(role, variant):
        written = files(machine, role)
        for file in written:
            assert file in accepted or not (wrong := complaint(workbench, file, written)), f"{machine.name}: {wrong}"
            accepted.add(file)


@pytest.mark.parametrize("role", roles())
def test_a_spoilt_file_is_noticed(workbench: Workbench, role: str) -> None:
    """The opposite: a checker that accepts everything proves nothing."""
    written = files(machines(role)[0], role)
    for file in written:
        spoilt = replace(file, text=f"{file.text}\n}} {{ spoilt\n")
        assert complaint(workbench, spoilt, written), f"{file.src} passes with garbage in it"


@pytest.mark.parametrize("role", roles())
def test_every_template_is_written_by_a_task(role: str) -> None:
    """A template that no task uses is not checked by the tests above either."""
    folder = ROLES / role
    sources = [path.read_text(encoding="utf-8") for part in ("vars", "templates") for path in (folder / part).glob("*")]
    included = {name for source in sources for name in re.findall(r"[\w.-]+\.j2", source)}
    written = {file.src for machine in machines(role) for file in files(machine, role)}
    assert {path.name for path in (folder / "templates").glob("*")} - included == written


@pytest.mark.parametrize("role", roles())
def test_no_secret_in_a_file_that_everybody_can_read(role: str) -> None:
    """Every account on a machine reads a 0644 file, and `--diff` shows it."""
    for machine in machines(role):
        for file in files(machine, role):
            shown = [name for name, value in SECRETS.items() if value in file.text]
            assert not (file.world_readable and shown), f"{file.dest} ({file.mode}) has {', '.join(shown)}"


def test_the_same_inventory_gives_the_same_files() -> None:
    """A set has another order in every process, and `difference` makes sets: each run would change something."""
    program = "import json; from tests.templates.rendered import digests; print(json.dumps(digests()))"
    first, second = (
        json.loads(
            subprocess.check_output(
                [sys.executable, "-c", program], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, text=True
            )
        )
        for seed in ("1", "2")
    )
    assert first == second
