"""The Vagrantfile, read by Vagrant itself: no machine is started, and no network is asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lab.inventory import ROOT, Inventory
from tests.unit.conftest import Copy

BACKENDS = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vagrant's own files: none of this user's boxes and settings."""
    return tmp_path_factory.mktemp("vagrant")


def vagrant(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("vagrant") is None:
        pytest.fail("Vagrant is not installed. Next: lab/bootstrap vagrant", pytrace=False)
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
        ("LAB_SLOW", "0", "Remedy: LAB_SLOW=10"),
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


@dataclass(frozen=True)
class FakeLab:
    """Vagrant with machines made of nothing: tests/vagrant/Vagrantfile."""

    home: Path
    folder: Path
    inventory: Path

    def vagrant(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        own = {
            "VAGRANT_CWD": str(ROOT / "tests" / "vagrant"),
            "VAGRANT_DOTFILE_PATH": str(self.folder / "state"),
            "VAGRANT_DEFAULT_PROVIDER": "fake",
            "FAKE_LOG": str(self.folder / "log"),
            "LAB_INVENTORY": str(self.inventory),
            "LAB_SUBNET": "198.51.100",  # for documentation: no computer has it
        }
        self.log.write_text("", encoding="utf-8")
        return vagrant(self.home, *arguments, **own | settings)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def names(self) -> list[str]:
        return Inventory.load(self.inventory).groups["all"]

    def provisioned(self) -> list[list[str]]:
        """The machines of each run of Ansible in the last command."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line.split()[1].split(",") for line in lines if line.startswith("ansible: ")]


@pytest.fixture
def fake(home: Path, lab: Copy, tmp_path: Path) -> FakeLab:
    """The lab's machines, small enough for any computer."""
    text = (lab.path / "hosts.yml").read_text(encoding="utf-8")
    (lab.path / "hosts.yml").write_text(re.sub(r"memory_mb: \d+", "memory_mb: 128", text), encoding="utf-8")
    return FakeLab(home, tmp_path, lab.path)


def test_all_machines_are_provisioned_once_and_together(fake: FakeLab) -> None:
    """After the last has booted, whichever that is. A second `up` finds nothing to do, `provision` does as told."""
    first = fake.vagrant("up")
    assert first.returncode == 0, first.stdout + first.stderr
    assert fake.provisioned() == [fake.names]
    log = fake.log.read_text(encoding="utf-8")
    assert {line.split()[0] for line in log.splitlines() if " as root: key='ssh-ed25519 " in line} == set(fake.names)
    assert log.rstrip().endswith(
        ",".join(machine.address for machine in Inventory.load(fake.inventory, subnet="198.51.100").hosts())
    )

    again = fake.vagrant("up")
    assert (again.returncode, fake.provisioned()) == (0, [])
    one = fake.vagrant("provision", "backend2")
    assert (one.returncode, fake.provisioned()) == (0, [["backend2"]])
    everybody = fake.vagrant("provision")
    assert (everybody.returncode, fake.provisioned()) == (0, [fake.names])


def test_a_new_machine_concerns_those_that_are_up(fake: FakeLab) -> None:
    """Frontends that do not hear of a new backend send it nobody. What is not up cannot be told."""
    assert fake.vagrant("up", "frontend1", "mysql1").returncode == 0
    assert fake.provisioned() == [["mysql1", "frontend1"]]
    assert fake.vagrant("up", "backend2").returncode == 0
    assert fake.provisioned() == [["mysql1", "backend2", "frontend1"]]


def test_a_machine_that_does_not_boot_keeps_the_others_waiting(fake: FakeLab) -> None:
    """Half a lab is not provisioned; the next `vagrant up` has all of them, since none of them was."""
    broken = fake.vagrant("up", FAKE_BROKEN="backend2")
    assert broken.returncode != 0
    assert "backend2 does not boot" in broken.stderr
    assert "Nothing was provisioned" in broken.stdout + broken.stderr
    assert fake.provisioned() == []
    assert fake.vagrant("up").returncode == 0
    assert fake.provisioned() == [fake.names]


def test_a_failure_of_ansible_is_one_of_vagrant(fake: FakeLab) -> None:
    """It tells what to do, leaves the machines up, and the same command tries again."""
    failed = fake.vagrant("up", FAKE_ANSIBLE="false")
    assert failed.returncode != 0
    assert "Ansible failed" in failed.stderr
    assert ".rb:" not in failed.stderr
    assert fake.vagrant("up").returncode == 0
    assert fake.provisioned() == [fake.names]


def test_a_machine_of_the_lab_can_run_ansible(fake: FakeLab) -> None:
    """For Windows, which has none: the machine gets the project and the key, and no secret of this computer."""
    run = fake.vagrant("up", LAB_CONTROL="client")
    assert run.returncode == 0, run.stdout + run.stderr
    last = fake.log.read_text(encoding="utf-8").splitlines()[-1]
    assert last.startswith("client: env ")
    assert " sh providers/vagrant/outside sh providers/vagrant/provision mysql1,redis1," in last
    with tarfile.open(f"{fake.log}.tar") as archive:
        modes = {member.name: member.mode for member in archive}
    assert {"ansible/site.yml", "app/pyproject.toml", "inventory/lab/hosts.yml", "requirements.txt"} <= set(modes)
    assert (modes["lab/bootstrap"], modes["ansible.cfg"]) == (0o755, 0o644)
    assert {name.split("/")[1] for name in modes if name.startswith(".lab/")} <= {"ssh"}
    assert not [name for name in modes if name.startswith((".git/", ".venv/", ".vagrant/"))]


def test_its_ruby_holds() -> None:
    """Preflight, inventory and boxes, judged by Ruby's own tests; a warning is a failure."""
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.fail("Ruby is not installed; it comes with Vagrant. Next: lab/bootstrap vagrant", pytrace=False)
    tests = sorted((ROOT / "tests" / "vagrant").glob("test_*.rb"))
    assert tests
    program = "ARGV.shift(ARGV.size).each { |file| require file }"
    run = subprocess.run([ruby, "-w", "-e", program, *map(str, tests)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^[1-9]\d* runs, .* 0 skips$", run.stdout, re.MULTILINE), run.stdout
    assert run.stderr == ""
