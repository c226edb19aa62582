"""New secrets beside the present ones: nothing that a machine may use is lost, whenever the program is interrupted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab.inventory import ROOT

PRESENT = {"redis_app": "present-of-redis", "route": "present-of-route"}
VAULT = """\
# The secrets.
secret_redis_app: 'present-of-redis' # the app's
secret_route: "present-of-route"
mail: root@example.com
"""


def new_secrets(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lab.new_secrets", *options, str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def secrets_of(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8").strip() for path in folder.iterdir() if not path.suffix}


def previous_of(folder: Path) -> dict[str, str]:
    return dict(yaml.safe_load((folder / "previous.yml").read_text(encoding="utf-8")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The lab's secrets, as Ansible's lookup has written them."""
    for name, value in PRESENT.items():
        (tmp_path / name).write_text(f"{value}\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """A decrypted vault."""
    path = tmp_path / "vault.yml"
    path.write_text(VAULT, encoding="utf-8")
    return path


def test_each_secret_of_the_lab_gets_a_new_value(folder: Path) -> None:
    """Of its own, that only its owner can read; the one before stays known until the end."""
    assert new_secrets(folder).returncode == 0
    new = secrets_of(folder)
    assert new.keys() == PRESENT.keys()
    assert len({*new.values(), *PRESENT.values()}) == 2 * len(PRESENT)
    assert all(len(value) >= 32 for value in new.values())
    assert previous_of(folder) == PRESENT
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}
    assert new_secrets(folder, "--done").returncode == 0
    assert secrets_of(folder) == new
    assert not (folder / "previous.yml").exists()


def test_a_second_time_changes_nothing(folder: Path) -> None:
    """Machines may have the new ones already, and nobody would know them any more."""
    new_secrets(folder)
    new = secrets_of(folder)
    assert new_secrets(folder).returncode == 0
    assert (secrets_of(folder), previous_of(folder)) == (new, PRESENT)


def test_an_interrupted_beginning_goes_on(folder: Path) -> None:
    """The record was complete before the first secret changed."""
    (folder / "previous.yml").write_text(yaml.safe_dump(PRESENT), encoding="utf-8")
    (folder / "route").write_text("new-already\n", encoding="utf-8")
    assert new_secrets(folder).returncode == 0
    new = secrets_of(folder)
    assert new["route"] == "new-already"
    assert new["redis_app"] not in PRESENT.values()
    assert previous_of(folder) == PRESENT


def test_a_vault_gets_new_secrets_beside_the_present(vault: Path) -> None:
    """Everything else in it stays, and at the end it has the new ones alone."""
    assert new_secrets(vault).returncode == 0
    begun = yaml.safe_load(vault.read_text(encoding="utf-8"))
    assert begun["previous_secrets"] == PRESENT
    new = {name: begun[f"secret_{name}"] for name in PRESENT}
    assert len({*new.values(), *PRESENT.values()}) == 2 * len(PRESENT)
    assert vault.read_text(encoding="utf-8").startswith("# The secrets.\n")
    text = vault.read_text(encoding="utf-8")
    assert new_secrets(vault).returncode == 0
    assert vault.read_text(encoding="utf-8") == text
    assert new_secrets(vault, "--done").returncode == 0
    assert yaml.safe_load(vault.read_text(encoding="utf-8")) == {
        **{f"secret_{name}": value for name, value in new.items()},
        "mail": "root@example.com",
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no YAML mapping"),
        ("mail: x\n", "no variable whose name begins with secret_"),
        ("secret_route: |\n  several\n  lines\n", "error: no secret was replaced"),
        ("{secret_route: present-of-route}\n", "has to stand on a line of its own"),
        ("secret_route: [\n", "error: no secret was replaced"),
    ],
)
def test_a_file_of_another_kind_stays_as_it_is(vault: Path, text: str, problem: str) -> None:
    """ansible-vault then saves nothing."""
    vault.write_text(text, encoding="utf-8")
    run = new_secrets(vault)
    assert run.returncode == 1
    assert problem in run.stderr
    assert "present-of" not in run.stderr
    assert vault.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "previous",
    [
        "previous_secrets:\n  redis_app: x\n\n  route: y\n",
        "previous_secrets: {\n  redis_app: x\n}\n",
        "mail2: x\nprevious_secrets: {redis_app: x}",
        "previous_secrets:\n# a comment\n  redis_app: x\nmail2: x\n",
    ],
)
def test_what_cannot_be_forgotten_is_an_error(vault: Path, previous: str) -> None:
    """The secrets before are gone from the vault afterwards, or it stays as it is."""
    vault.write_text(VAULT + previous, encoding="utf-8")
    run, left = new_secrets(vault, "--done"), vault.read_text(encoding="utf-8")
    if run.returncode:
        assert "no secret was replaced" in run.stderr
        assert left == VAULT + previous
    else:
        assert "previous_secrets" not in left
        assert yaml.safe_load(left)["mail"] == "root@example.com"


def test_secrets_that_are_being_replaced_are_not_replaced_again(vault: Path) -> None:
    """And whoever has forgotten to end the last rotation hears of it."""
    assert new_secrets(vault).stdout == ""
    assert "no secret was replaced" in new_secrets(vault).stdout


def test_the_lab_knows_the_secrets_before(folder: Path) -> None:
    """As the inventory reads them: none, while no rotation is under way."""
    from lab.inventory import Inventory

    def previous() -> object:
        overrides = {"lab_secrets_folder": str(folder)}
        return Inventory.load("inventory/lab", overrides=overrides).machine("redis1").vars["previous_secrets"]

    assert previous() == {}
    new_secrets(folder)
    assert previous() == PRESENT
