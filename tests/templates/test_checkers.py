"""Every rendered configuration is valid for the program that reads it."""

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
    """Files that passed already: most are the same in all inventories and on all machines."""
    return set()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("role", roles())
def test_every_file_is_valid(workbench: Workbench, accepted: set[File], role: str, variant: str) -> None:
    """Finds in milliseconds what would take minutes to find on ten machines."""
    for machine in machines(role, variant):
        written = files(machine, role)
        for file in written:
            assert file in accepted or not (wrong := complaint(workbench, file, written)), f"{machine.name}: {wrong}"
            accepted.add(file)


@pytest.mark.parametrize("role", roles())
def test_an_invalid_file_is_rejected(workbench: Workbench, role: str) -> None:
    """Shows that the checkers can fail."""
    written = files(machines(role)[0], role)
    for file in written:
        invalid = replace(file, text=f"{file.text}\n}} {{ invalid\n")
        assert complaint(workbench, invalid, written), f"{file.src} passes with garbage in it"


@pytest.mark.parametrize("role", roles())
def test_every_template_is_written_by_a_task(role: str) -> None:
    """The tests above do not see a template that no task uses."""
    folder = ROLES / role
    sources = [path.read_text(encoding="utf-8") for part in ("vars", "templates") for path in (folder / part).glob("*")]
    included = {name for source in sources for name in re.findall(r"[\w.-]+\.j2", source)}
    written = {file.src for machine in machines(role) for file in files(machine, role)}
    assert {path.name for path in (folder / "templates").glob("*")} - included == written


@pytest.mark.parametrize("role", roles())
def test_no_world_readable_file_has_a_secret(role: str) -> None:
    """Every account on a machine can read a 0644 file, and `--diff` prints it."""
    for machine in machines(role):
        for file in files(machine, role):
            shown = [name for name, value in SECRETS.items() if value in file.text]
            assert not (file.world_readable and shown), f"{file.dest} ({file.mode}) has {', '.join(shown)}"


def test_the_same_inventory_gives_the_same_files() -> None:
    """`difference` makes sets, whose order differs between processes: every run would change files."""
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
