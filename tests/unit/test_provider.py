"""lab/power.py finds the provider of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.power import ProviderError, VirtualMachines, main, provider_of

COMMAND = """\
#!/bin/sh
echo "$(basename "$0") $*" >> "{log}"
case "$*" in
    *domstate*) cat "{state}" ;;
    *--machine-readable) echo "1,backend2,provider-name,virtualbox"; echo "1,backend2,state,$(cat "{state}")" ;;
esac
"""


class Computer:
    """Stub commands that record their arguments, and Vagrant's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log, self.state = folder, folder / "log", folder / "state"
        self.log.touch()
        self.state.write_text("running\n", encoding="utf-8")

    def command(self, name: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(COMMAND.format(log=self.log, state=self.state), encoding="utf-8")
        path.chmod(0o755)

    def machine(self, name: str, made_by: str) -> None:
        """Add a machine to Vagrant's folder."""
        path = self.folder / "vagrant" / "machines" / name / made_by / "id"
        path.parent.mkdir(parents=True)
        path.write_text(f"id-of-{name}", encoding="utf-8")

    @property
    def calls(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """A host without Podman, with only the commands that a test adds."""
    made = Computer(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    monkeypatch.setenv("VAGRANT_DOTFILE_PATH", str(tmp_path / "vagrant"))
    monkeypatch.setattr("shutil.which", lambda _: None)
    return made


def test_virsh_switches_libvirts_machines(computer: Computer) -> None:
    """`virsh destroy` cuts the power; the disk stays."""
    computer.command("virsh")
    computer.machine("backend2", "libvirt")
    found = provider_of(["backend2"])
    assert found.is_on("backend2")
    found.off("backend2")
    found.on("backend2")
    asked = [call.removeprefix("virsh --connect=qemu:///system ") for call in computer.calls]
    assert asked[-3:] == ["domstate id-of-backend2", "destroy id-of-backend2", "start id-of-backend2"]


def test_vagrant_switches_other_machines(computer: Computer) -> None:
    """Without --force, the machine would shut down properly."""
    computer.command("vagrant")
    computer.machine("backend2", "virtualbox")
    found = provider_of(["backend2"])
    assert found.is_on("backend2")
    found.off("backend2")
    found.on("backend2")
    assert computer.calls[-2:] == ["vagrant halt --force backend2", "vagrant up --no-provision backend2"]


@pytest.mark.parametrize(("made_by", "off"), [("libvirt", "shut off"), ("virtualbox", "poweroff")])
def test_a_stopped_machine_is_off(computer: Computer, made_by: str, off: str) -> None:
    """Both providers' words for the state are understood."""
    computer.command("virsh")
    computer.command("vagrant")
    computer.machine("backend2", made_by)
    computer.state.write_text(f"{off}\n", encoding="utf-8")
    assert not VirtualMachines().is_on("backend2")


def test_a_machine_without_a_provider_is_named(computer: Computer) -> None:
    """The lab cannot switch real servers off."""
    computer.machine("backend2", "libvirt")
    with pytest.raises(ProviderError, match=r"^redis1: no container of this host and no virtual machine"):
        provider_of(["backend2", "redis1"])


def test_the_providers_error_message_is_included(computer: Computer) -> None:
    """Users need the cause to fix the problem."""
    computer.command("virsh")
    (computer.folder / "bin" / "virsh").write_text("#!/bin/sh\necho no such domain >&2\nexit 1\n", encoding="utf-8")
    computer.machine("backend2", "libvirt")
    with pytest.raises(ProviderError, match=r"virsh .*: no such domain"):
        VirtualMachines().off("backend2")


def test_a_missing_command_is_named(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vagrant's folder may still exist after Vagrant was removed."""
    monkeypatch.setenv("PATH", str(computer.folder / "bin"))
    computer.machine("backend2", "virtualbox")
    with pytest.raises(ProviderError, match="vagrant is not installed"):
        VirtualMachines().off("backend2")


@pytest.mark.parametrize("arguments", [[], ["off"], ["explode", "backend2"]])
def test_wrong_arguments_print_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A typo switches nothing off."""
    assert main(arguments) == 2
    assert "off backend2" in capsys.readouterr().err
