"""The Vagrantfile, read by Vagrant itself: no machine is started, and no network is asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.inventory import ROOT, Inventory
from tests.unit.conftest import Copy

BACKENDS = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vagrant's own files: none of this user's boxes and settings."""
    return tmp_path_factory.mktemp("vagrant")


def vagrant(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("vagrant") is None:
        pytest.fail("Vagrant is not installed. Next: tools/bootstrap vagrant", pytrace=False)
    own = {"VAGRANT_HOME": str(home), "VAGRANT_DOTFILE_PATH": str(home / "state"), "VAGRANT_CHECKPOINT_DISABLE": "1"}
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "VAGRANT_"))}
    return subprocess.run(
        ["vagrant", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, env=outside | own | settings
    )


def machines(run: subprocess.CompletedProcess[str]) -> list[str]:
    """The names in what `vagrant status` prints."""
    assert run.returncode == 0, run.stdout + run.stderr
    return re.findall(r"^(\S+) +not created", run.stdout, re.MULTILINE)


@pytest.fixture
def twelve(lab: Copy) -> Copy:
    """The lab with twelve backends, written down."""
    path = lab.path / "hosts.yml"
    hosts = yaml.safe_load(path.read_text(encoding="utf-8"))
    hosts["all"]["children"]["backends"]["hosts"] = {
        f"backend{number}": {"ansible_host": f"172.20.0.{100 + number}", "memory_mb": 384}
        for number in range(1, BACKENDS + 1)
    }
    path.write_text(yaml.safe_dump(hosts, sort_keys=False), encoding="utf-8")
    return lab


def test_the_labs_machines_are_vagrants(home: Path) -> None:
    """The inventory is the one truth, for Vagrant as well."""
    assert vagrant(home, "validate").returncode == 0
    assert machines(vagrant(home, "status")) == Inventory.load("inventory/lab").groups["all"]


def test_more_backends_are_more_lines_and_nothing_else(home: Path, twelve: Copy) -> None:
    """Twelve backends: each is known to Vagrant, in the inventory's order."""
    settings = {"LAB_INVENTORY": str(twelve.path)}
    validated = vagrant(home, "validate", **settings)
    assert validated.returncode == 0, validated.stderr
    expected = Inventory.load(twelve.path).groups["all"]
    assert len(expected) == BACKENDS + 7
    assert machines(vagrant(home, "status", **settings)) == expected


def test_a_broken_inventory_is_told_without_a_backtrace(home: Path, lab: Copy) -> None:
    """The message names the file, the machine and the remedy; Vagrant is not to blame."""
    lab.replace("hosts.yml", "172.20.0.11", "172.20.0.10")
    run = vagrant(home, "status", LAB_INVENTORY=str(lab.path))
    assert run.returncode != 0
    assert "hosts.yml: backend1 and backend2 have the same address 172.20.0.10. Give each its own." in run.stderr
    assert ".rb:" not in run.stderr


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("LAB_RELEASE", "sid", "LAB_RELEASE=trixie or LAB_RELEASE=bookworm"),
        ("LAB_VM_DRIVER", "xen", "Remedy: kvm or qemu."),
        ("LAB_SLOW", "very", "Remedy: LAB_SLOW=10"),
        ("LAB_SUBNET", "192.168", "Write it like 192.168.56."),
        ("LAB_INVENTORY", "inventory/nowhere", "LAB_INVENTORY names the folder of another one."),
    ],
)
def test_a_wrong_setting_is_told_with_its_remedy(home: Path, setting: str, value: str, words: str) -> None:
    """A typing error in the environment is not to be searched for in Vagrant's debug output."""
    run = vagrant(home, "validate", **{setting: value})
    assert run.returncode != 0
    assert words in run.stderr
    assert ".rb:" not in run.stderr


def test_up_is_refused_before_the_first_boot(home: Path, lab: Copy) -> None:
    """Preflight runs in Vagrant, once, and before anything was made. More memory than any computer has is asked for."""
    lab.replace("hosts.yml", "memory_mb: 1024", "memory_mb: 1000000000")
    run = vagrant(home, "up", LAB_INVENTORY=str(lab.path))
    assert run.returncode != 0
    assert (run.stdout + run.stderr).count("No machine was started.") == 1, run.stdout + run.stderr
    assert "MB to give" in run.stderr
    assert machines(vagrant(home, "status", LAB_INVENTORY=str(lab.path))) == Inventory.load(lab.path).groups["all"]


def test_its_ruby_holds() -> None:
    """Preflight, inventory and boxes, judged by Ruby's own tests; a warning is a failure."""
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.fail("Ruby is not installed; it comes with Vagrant. Next: tools/bootstrap vagrant", pytrace=False)
    tests = sorted((ROOT / "tests" / "vagrant").glob("test_*.rb"))
    assert tests
    program = "ARGV.shift(ARGV.size).each { |file| require file }"
    run = subprocess.run([ruby, "-w", "-e", program, *map(str, tests)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^[1-9]\d* runs, .* 0 skips$", run.stdout, re.MULTILINE), run.stdout
    assert run.stderr == ""
