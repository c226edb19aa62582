"""The Vagrantfile, read by Vagrant itself, without starting a machine or using the network."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from lab.inventory import ROOT, Inventory
from tests.unit.conftest import Copy

BACKENDS = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Vagrant home without this user's boxes and settings."""
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
    """The names in the output of `vagrant status`."""
    assert run.returncode == 0, run.stdout + run.stderr
    return re.findall(r"^(\S+) +not created", run.stdout, re.MULTILINE)


@pytest.fixture
def twelve(lab: Copy) -> Copy:
    """The lab with twelve backends in its hosts.yml."""
    path = lab.path / "hosts.yml"
    hosts = yaml.safe_load(path.read_text(encoding="utf-8"))
    hosts["all"]["children"]["backends"]["hosts"] = {
        f"backend{number}": {"ansible_host": f"172.20.0.{100 + number}", "memory_mb": 384}
        for number in range(1, BACKENDS + 1)
    }
    path.write_text(yaml.safe_dump(hosts, sort_keys=False), encoding="utf-8")
    return lab


def test_vagrant_has_the_machines_of_the_inventory(home: Path) -> None:
    """They are listed nowhere else."""
    assert vagrant(home, "validate").returncode == 0
    assert machines(vagrant(home, "status")) == Inventory.load("inventory/lab").groups["all"]


def test_a_backend_is_one_line_of_the_inventory(home: Path, twelve: Copy) -> None:
    """Vagrant has all twelve backends, in the inventory's order."""
    settings = {"LAB_INVENTORY": str(twelve.path)}
    validated = vagrant(home, "validate", **settings)
    assert validated.returncode == 0, validated.stderr
    expected = Inventory.load(twelve.path).groups["all"]
    assert len(expected) == BACKENDS + 7
    assert machines(vagrant(home, "status", **settings)) == expected


def test_a_broken_inventory_is_reported_without_a_backtrace(home: Path, lab: Copy) -> None:
    """The message names the file, the machines and the remedy."""
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
        ("LAB_SUBNET", "192.168", "Example: 192.168.57."),
        ("LAB_INVENTORY", "inventory/nowhere", "LAB_INVENTORY is the folder of an inventory."),
    ],
)
def test_a_wrong_setting_is_reported_with_a_remedy(home: Path, setting: str, value: str, words: str) -> None:
    """A typo in the environment must not need Vagrant's debug output."""
    run = vagrant(home, "validate", **{setting: value})
    assert run.returncode != 0
    assert words in run.stderr
    assert ".rb:" not in run.stderr


def test_up_is_refused_before_the_first_boot(home: Path, lab: Copy) -> None:
    """Vagrant runs the preflight once, before it makes anything. No computer has the memory that is needed here."""
    lab.replace("hosts.yml", "memory_mb: 1024", "memory_mb: 1000000000")
    run = vagrant(home, "up", LAB_INVENTORY=str(lab.path))
    assert run.returncode != 0
    assert (run.stdout + run.stderr).count("No machine was started.") == 1, run.stdout + run.stderr
    assert "MB free" in run.stderr
    assert machines(vagrant(home, "status", LAB_INVENTORY=str(lab.path))) == Inventory.load(lab.path).groups["all"]


@dataclass(frozen=True)
class FakeLab:
    """Vagrant with fake machines: tests/vagrant/Vagrantfile."""

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
        """The machines of each run of Ansible in the last Vagrant command."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line.split()[1].split(",") for line in lines if line.startswith("ansible: ")]


@pytest.fixture
def fake(home: Path, lab: Copy, tmp_path: Path) -> FakeLab:
    """One machine of each tier and two backends, small enough for any computer."""
    path = lab.path / "hosts.yml"
    text = re.sub(r"memory_mb: \d+", "memory_mb: 128", path.read_text(encoding="utf-8"))
    path.write_text(re.sub(r"^ *(backend3|frontend[23]):.*\n", "", text, flags=re.MULTILINE), encoding="utf-8")
    return FakeLab(home, tmp_path, lab.path)


def test_all_machines_are_provisioned_once_and_together(fake: FakeLab) -> None:
    """Ansible runs after the last machine has booted. A second `up` has nothing to do; `provision` runs it again."""
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


def test_a_new_machine_provisions_the_running_ones_too(fake: FakeLab) -> None:
    """Frontends have to learn of a new backend. Machines that are down are left out."""
    assert fake.vagrant("up", "frontend1", "mysql1").returncode == 0
    assert fake.provisioned() == [["mysql1", "frontend1"]]
    assert fake.vagrant("up", "backend2").returncode == 0
    assert fake.provisioned() == [["mysql1", "backend2", "frontend1"]]


def test_the_box_is_built_before_the_first_machine(fake: FakeLab) -> None:
    """Once, and every machine boots from the version that was built."""
    assert fake.vagrant("up").returncode == 0
    log = fake.log.read_text(encoding="utf-8").splitlines()
    assert next(line for line in log if "box" in line) == "box for fake"
    assert sorted(line for line in log if "boots" in line) == sorted(
        f"{name} boots from revezamento/trixie 13.1.2" for name in fake.names
    )
    assert log.count("box for fake") == 1
    assert fake.vagrant("up").returncode == 0
    assert "box for" not in fake.log.read_text(encoding="utf-8")


def test_another_box_is_not_built(fake: FakeLab) -> None:
    assert fake.vagrant("up", "redis1", LAB_BOX="debian/trixie64").returncode == 0
    log = fake.log.read_text(encoding="utf-8")
    assert "box for" not in log
    assert "redis1 boots from debian/trixie64 \n" in log


def test_no_machine_boots_without_a_box(fake: FakeLab) -> None:
    """The next `vagrant up` builds it."""
    failed = fake.vagrant("up", FAKE_BOX="false")
    assert failed.returncode != 0
    assert (failed.stdout + failed.stderr).count("the box cannot be built") == 1
    assert "boots" not in fake.log.read_text(encoding="utf-8")
    assert fake.vagrant("up", "redis1").returncode == 0


@pytest.fixture
def school(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A box for the fake provider beside its catalogue: in a folder, and on a web server."""
    folder = tmp_path / "school"
    folder.mkdir()
    with tarfile.open(folder / "a.box", "w") as box:
        metadata = tarfile.TarInfo("metadata.json")
        content = b'{"provider": "fake"}'
        metadata.size = len(content)
        box.addfile(metadata, io.BytesIO(content))
    checksum = hashlib.sha256((folder / "a.box").read_bytes()).hexdigest()
    entry = {"name": "fake", "url": "a.box", "checksum_type": "sha256", "checksum": checksum}
    versions = [{"version": "13.20261128.1", "providers": [entry]}]
    catalogue = json.dumps({"name": "revezamento/trixie", "versions": versions})
    (folder / "metadata.json").write_text(catalogue, encoding="utf-8")
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield {"folder": str(folder), "web": f"http://127.0.0.1:{server.server_port}/metadata.json"}
        server.shutdown()


@pytest.mark.parametrize("place", ["folder", "web"])
def test_a_box_from_elsewhere_stands_beside_its_catalogue(
    fake: FakeLab, school: dict[str, str], tmp_path: Path, place: str
) -> None:
    """Vagrant downloads it, checks it and boots from it. Nothing is built."""
    home = {"VAGRANT_HOME": str(tmp_path / "home")}
    run = fake.vagrant("up", "redis1", "dns1", LAB_BOX_URL=school[place], **home)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "box for" not in fake.log.read_text(encoding="utf-8")
    listed = fake.vagrant("box", "list", **home)
    assert re.search(r"revezamento/trixie +\(fake, 13\.20261128\.1\b", listed.stdout), listed.stdout


@pytest.mark.parametrize("url", ["nowhere/metadata.json", "nowhere"])
def test_a_missing_catalogue_is_reported_with_a_remedy(home: Path, url: str) -> None:
    run = vagrant(home, "validate", LAB_BOX_URL=url)
    assert run.returncode != 0
    assert f"LAB_BOX_URL={url}: there is no such file. Remedy: " in run.stderr
    assert ".rb:" not in run.stderr


def test_nothing_is_provisioned_unless_all_machines_boot(fake: FakeLab) -> None:
    """The next `vagrant up` provisions all of them."""
    broken = fake.vagrant("up", FAKE_BROKEN="backend2")
    assert broken.returncode != 0
    assert "backend2 does not boot" in broken.stderr
    assert "Nothing was provisioned" in broken.stdout + broken.stderr
    assert fake.provisioned() == []
    assert fake.vagrant("up").returncode == 0
    assert fake.provisioned() == [fake.names]


def test_vagrant_fails_when_ansible_fails(fake: FakeLab) -> None:
    """The message has a remedy, the machines stay up, and the same command tries again."""
    failed = fake.vagrant("up", FAKE_ANSIBLE="false")
    assert failed.returncode != 0
    assert "Ansible failed" in failed.stderr
    assert ".rb:" not in failed.stderr
    assert fake.vagrant("up").returncode == 0
    assert fake.provisioned() == [fake.names]


def test_a_machine_of_the_lab_can_run_ansible(fake: FakeLab) -> None:
    """Windows has no Ansible: the machine gets the project, the key and the settings, and none of our secrets."""
    settings = {"LAB_CONTROL": "client", "LAB_INVENTORY": "inventory/lab"}  # one that the client gets, too
    run = fake.vagrant("up", "redis1", "client", **settings)
    assert run.returncode == 0, run.stdout + run.stderr
    last = fake.log.read_text(encoding="utf-8").splitlines()[-1]
    assert last.startswith("client: env ")
    assert " sh providers/vagrant/with-provider-resolver sh providers/vagrant/provision redis1,client " in last
    with tarfile.open(f"{fake.log}.tar") as archive:
        modes = {member.name: member.mode for member in archive}
    assert {"ansible/site.yml", "app/pyproject.toml", "inventory/lab/hosts.yml", "requirements.txt"} <= set(modes)
    assert (modes["lab/bootstrap"], modes["ansible.cfg"]) == (0o755, 0o644)
    ours = {name for name in modes if name.startswith(".lab/")} - {".lab/ssh/id_ed25519", ".lab/ssh/id_ed25519.pub"}
    assert ours == {".lab/settings"}
    assert not [name for name in modes if name.startswith((".git/", ".venv/", ".vagrant/"))]


def test_a_lab_keeps_the_settings_that_it_was_made_with(fake: FakeLab) -> None:
    """The first `up` records them. Later the record wins over the environment, and Ansible gets it as well."""
    record = Path(f"{fake.log}.settings")
    assert fake.vagrant("status").returncode == 0
    assert not record.exists()
    assert fake.vagrant("up", "redis1").returncode == 0
    assert record.read_text(encoding="utf-8").splitlines() == [
        f"LAB_INVENTORY={fake.inventory}",
        "LAB_SUBNET=198.51.100",
        "LAB_RELEASE=trixie",
    ]
    before = record.read_text(encoding="utf-8")
    later = fake.vagrant("up", "client", LAB_SUBNET="203.0.113", LAB_RELEASE="")
    assert later.returncode == 0, later.stdout + later.stderr
    assert later.stderr.count("LAB_SUBNET=203.0.113 is ignored: the lab was made with LAB_SUBNET=198.51.100.") == 1
    assert fake.log.read_text(encoding="utf-8").rstrip().endswith("new: 198.51.100.100")
    assert record.read_text(encoding="utf-8") == before


def test_the_ruby_tests_pass() -> None:
    """A warning of Ruby is a failure, too."""
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
