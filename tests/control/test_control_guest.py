"""LAB_CONTROL: the client gets the project and provisions all machines, including itself.

providers/vagrant/bundle.rb makes the tar file and the script. They reach the client as with Vagrant: over SSH, the
script through the stdin of a login shell. The lab must be up and provisioned from this tree.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.inventory import ROOT
from lab.machines import Box, Lab
from lab.waiting import SLOW
from tests.control import wheels

pytestmark = pytest.mark.control

BUNDLE = """
bundle = Lab::Bundle.new
File.open(ARGV.shift, "wb") { |file| bundle.write(file) }
print bundle.script(ARGV, [])
"""
AFTER_SCRIPT = "exitcode=$?\nexit $exitcode\n"  # Vagrant sends this after a script
RESOLVER = "cat /etc/resolv.conf && stat --format='%i %Y %a %U' /etc/resolv.conf && grep -c resolv.conf /proc/mounts; :"
PACKAGES = "dpkg-query --show --showformat='${db:Status-Abbrev} ${binary:Package}\\n' | sed -n 's/^ii *//p'"


@dataclass(frozen=True)
class Remote:
    """A machine as Vagrant reaches it."""

    box: Box

    @property
    def ssh(self) -> list[str]:
        values = self.box.vars
        options = [*shlex.split(str(values.get("ansible_ssh_common_args", ""))), "-o", "BatchMode=yes"]
        key = str(values["ansible_ssh_private_key_file"])
        return ["ssh", *options, "-i", key, f"{values['ansible_user']}@{self.box.machine.ssh_address}"]

    def upload(self, path: Path, target: str) -> None:
        with path.open("rb") as file:
            subprocess.run([*self.ssh, f"cat > {shlex.quote(target)}"], stdin=file, check=True)

    def upload_folder(self, folder: Path, target: str) -> None:
        command = f"mkdir -p {shlex.quote(target)} && tar --extract --directory={shlex.quote(target)}"
        with subprocess.Popen([*self.ssh, command], stdin=subprocess.PIPE) as receiver:
            assert receiver.stdin is not None
            with tarfile.open(fileobj=receiver.stdin, mode="w|") as archive:
                archive.add(folder, ".")
            receiver.stdin.close()
        assert receiver.returncode == 0

    def script(self, text: str, log: Path) -> int:
        """Run a script, with its output in `log`; returns its exit status."""
        with log.open("wb") as output:
            return subprocess.run(
                [*self.ssh, "bash -l"],
                input=(text + AFTER_SCRIPT).encode(),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=1200 * SLOW,
            ).returncode


@dataclass(frozen=True)
class Run:
    """One run of Ansible on the client, and the client's resolver before and after it."""

    returncode: int
    output: str
    resolver: tuple[str, str]

    def recap(self) -> dict[str, dict[str, int]]:
        """Machine => counter => number."""
        _, _, lines = self.output.rpartition("PLAY RECAP")
        found = re.findall(r"^(\S+)\s+: (ok=.*)$", lines, re.MULTILINE)
        return {name: {key: int(n) for key, n in re.findall(r"(\w+)=(\d+)", rest)} for name, rest in found}

    def changes(self) -> list[str]:
        """`task: machine` for each change."""
        task, found = "", []
        for line in self.output.splitlines():
            if heading := re.match(r"(?:TASK|RUNNING HANDLER) \[(.*)\]", line):
                task = heading[1]
            elif changed := re.match(r"changed: \[(.*?)\]", line):
                found.append(f"{task}: {changed[1]}")
        return found


@pytest.fixture(scope="module")
def client(lab: Lab) -> Box:
    return lab.tier("clients")[0]


@pytest.fixture(scope="module")
def clean(client: Box) -> Iterator[None]:
    """Afterwards, restore the client's home directory and packages."""
    files, packages = (set(client.output(ask).splitlines()) for ask in ("ls -A", PACKAGES))
    yield
    client.output(
        'for socket in .ansible/cp/*; do [ ! -S "$socket" ] || ssh -O exit -o ControlPath="$socket" machine; done; :'
    )
    left = sorted(set(client.output("ls -A").splitlines()) - files)
    client.root_output(f"cd ~{client.vars['ansible_user']} && rm -rf -- {shlex.join(left)}")
    if installed := sorted(set(client.output(PACKAGES).splitlines()) - packages):
        client.root_output(f"DEBIAN_FRONTEND=noninteractive apt-get -qq purge --yes {shlex.join(installed)}")


@pytest.fixture(scope="module")
def run(lab: Lab, client: Box, clean: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run. It differs from Vagrant's in two things: the client gets the lab's secrets, so that no password changes,
    and wheels, because the lab's machines may not reach PyPI."""
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.fail("Ruby is not installed; it comes with Vagrant. Next: lab/bootstrap vagrant", pytrace=False)
    folder = tmp_path_factory.mktemp("control")
    archive, log = folder / "project.tar", folder / "log"
    library = ROOT / "providers" / "vagrant" / "bundle"
    bundled = subprocess.run(
        [ruby, "-w", "-r", library, "-e", BUNDLE, archive, *lab.names("all")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert bundled.stderr == ""

    python, machine = client.output("python3 -c 'import platform as p; print(p.python_version(), p.machine())'").split()
    wheelhouse = ROOT / ".lab" / "control-wheels"
    wheels.download(wheelhouse, python, machine)

    remote = Remote(client)
    remote.upload(archive, "/tmp/revezamento.tar")
    remote.upload_folder(ROOT / ".lab" / "secrets", "revezamento/.lab/secrets")
    remote.upload_folder(wheelhouse, "control-wheels")
    offline = 'export PIP_NO_INDEX=1 PIP_FIND_LINKS="$HOME/control-wheels"\n'
    before = client.output(RESOLVER)
    returncode = remote.script(offline + bundled.stdout, log)
    return Run(returncode, log.read_text(encoding="utf-8"), (before, client.output(RESOLVER)))


def test_every_machine_is_provisioned_from_the_client(run: Run, lab: Lab) -> None:
    """The client runs the roles on all machines without an error."""
    assert run.returncode == 0, run.output[-6000:]
    recap = run.recap()
    assert set(lab.names("all")) <= set(recap), run.output[-6000:]
    assert not [name for name, counts in recap.items() if counts["failed"] or counts["unreachable"] or not counts["ok"]]


def test_the_client_has_the_tools_of_this_tree(run: Run, client: Box) -> None:
    """lab/bootstrap made .venv there, from the same lock: the lock chooses Ansible by the guest's Python."""
    lock, stamp = client.output("cd revezamento && cksum requirements.txt && cat .venv/.locked").splitlines()
    assert stamp.endswith(lock)
    version = client.output("revezamento/.venv/bin/ansible-playbook --version").splitlines()[0]
    core = re.search(r"core ([\d.]+)", version)
    assert core
    assert f"\nansible-core=={core[1]} " in (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_nothing_changes_on_a_provisioned_lab(run: Run) -> None:
    """The result does not depend on the computer that runs Ansible."""
    assert run.changes() == [], run.output[-6000:]
    assert not [name for name, counts in run.recap().items() if counts["changed"]]


def test_the_client_keeps_its_resolver(run: Run) -> None:
    """Only Ansible uses the provider's DNS servers; the client's user still has only the lab's."""
    before, after = run.resolver
    assert before == after


def test_a_command_has_the_providers_resolver(run: Run, client: Box) -> None:
    """The command sees the provider's file, and keeps its user, environment and working directory."""
    command = "cat /etc/resolv.conf; echo $(id -un) $USER $LOGNAME $HOME $X $(pwd)"
    printed = client.output(
        f"cd revezamento && X=y sh providers/vagrant/with-provider-resolver sh -c {shlex.quote(command)}"
    )
    provider, own = client.output("cat /etc/resolv.conf.provider"), client.output("cat /etc/resolv.conf")
    user = client.vars["ansible_user"]
    home = client.output("pwd")
    assert printed == f"{provider}\n{user} {user} {user} {home} y {home}/revezamento"
    assert provider != own
