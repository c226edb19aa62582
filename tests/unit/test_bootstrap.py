"""The tools install on every supported Python: the locks have a version for each, and lab/bootstrap accepts it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from lab.inventory import ROOT

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
LOCKS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("requirements.txt", "app/requirements.txt")}
LOCK = """\
types-pyyaml==6 \\
    --hash=sha256:1
uv==0.13.9 \\
    --hash=sha256:2 \\
    --hash=sha256:3
werkzeug==3 \\
    --hash=sha256:4
"""
NAMES = ["python3", *(f"python{version}" for version in PYTHONS)]


def pinned(lock: str, python: str) -> dict[str, list[str]]:
    """The versions of each package that pip would install on Linux with that Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    versions: dict[str, list[str]] = {}
    for line in re.findall(r"^\w.*?(?= \\$)", lock, re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            versions.setdefault(requirement.name, []).append(str(requirement.specifier))
    return versions


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_one_version_of_each_package(name: str, python: str) -> None:
    """pip refuses a file that asks for two versions of a package."""
    versions = pinned(LOCKS[name], python)
    assert {package: found for package, found in versions.items() if len(found) != 1} == {}
    assert "flask" in versions
    assert ("ansible-core" in versions) == (name == "requirements.txt")


def test_only_python_3_11_gets_the_older_ansible() -> None:
    """ansible-core 2.20 dropped Python 3.11, and 2.19 does not support 3.14."""
    cores = {python: pinned(LOCKS["requirements.txt"], python)["ansible-core"][0] for python in PYTHONS}
    assert cores.pop("3.11").startswith("==2.19.")
    assert len(set(cores.values())) == 1
    assert cores["3.14"].startswith("==2.20.")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address(name: str) -> None:
    """Packages come from the index that the host configures."""
    assert "//" not in LOCKS[name]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """lab/bootstrap alone, with an apt-get that installs nothing, and stubs that record their arguments."""
    (tmp_path / "lab").mkdir()
    shutil.copy(ROOT / "lab" / "bootstrap", tmp_path / "lab")
    (tmp_path / "requirements.txt").write_text(LOCK, encoding="utf-8")
    (tmp_path / "providers" / "podman").mkdir(parents=True)
    shutil.copy(ROOT / "providers" / "podman" / "settings.yml", tmp_path / "providers" / "podman")
    _command(tmp_path / "providers" / "podman" / "base.sh", f'echo "base.sh $*" >> {tmp_path}/log')
    _command(tmp_path / "uv", f'echo "uv $*" >> {tmp_path}/log')
    for name in ("apt-get", "sudo"):
        _command(tmp_path / "bin" / name, ":")
    return tmp_path


def bootstrap(tree: Path, python: str = "3.13", *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run it on a host with that Python only, which creates a .venv with an empty Ansible."""
    version = ", ".join(python.split("."))
    made = ".venv/bin/python", ".venv/bin/ansible-playbook"
    for name in NAMES:
        _command(
            tree / "bin" / name,
            f"""case "$1" in
            -c) exec {sys.executable} -c 'import sys; sys.version_info = ({version}, 9); exec(sys.argv[1])' "$2" ;;
            --version) echo Python {python}.9 ;;
            -m) case "$2" in
                venv) mkdir -p .venv/bin; cp "$0" {made[0]}; cp "$0" {made[1]}; cp {tree}/uv .venv/bin ;;
                pip) for last; do :; done; echo "pip $(grep -c == "$last")" >> {tree}/log ;;
                esac ;;
            esac""",
        )
    environment = {"PATH": f"{tree}/bin:/usr/bin:/bin"} | settings
    (tree / "log").write_text("", encoding="utf-8")
    return subprocess.run(
        [tree / "lab" / "bootstrap", *arguments], env=environment, capture_output=True, text=True, check=False
    )


def _command(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize("python", PYTHONS)
def test_bootstrap_accepts(tree: Path, python: str) -> None:
    """A second run has nothing to do."""
    first = bootstrap(tree, python)
    assert (first.returncode, first.stderr) == (0, "")
    assert "Installing Ansible" in first.stdout
    assert bootstrap(tree, python).stdout == ""


@pytest.mark.parametrize("python", ["3.9", "3.10", "3.15"])
def test_bootstrap_refuses(tree: Path, python: str) -> None:
    """The message names every version that it accepts."""
    refused = bootstrap(tree, python)
    assert refused.returncode == 1
    assert not (tree / ".venv").exists()
    assert all(version in refused.stderr for version in PYTHONS)
    assert f"this host has Python {python}.9" in refused.stderr


def test_a_changed_lock_creates_a_new_venv(tree: Path) -> None:
    """The tools follow requirements.txt."""
    bootstrap(tree, "3.13")
    (tree / "requirements.txt").write_text("changed\n", encoding="utf-8")
    assert "Installing Ansible" in bootstrap(tree, "3.13").stdout


def test_an_upgraded_python_creates_a_new_venv(tree: Path) -> None:
    """After an upgrade to another minor version, .venv's Python no longer finds its packages."""
    bootstrap(tree, "3.13")
    _command(tree / ".venv" / "bin" / "python", "echo Python 3.13.10")
    assert bootstrap(tree, "3.13").stdout == ""
    _command(tree / ".venv" / "bin" / "python", "echo Python 3.14.9")
    assert "Installing Ansible" in bootstrap(tree, "3.14").stdout


def calls(tree: Path) -> list[str]:
    """What the last run called. `pip 1`: pip installed one package."""
    return (tree / "log").read_text(encoding="utf-8").splitlines()


def test_uv_installs_the_tools(tree: Path) -> None:
    """pip installs uv alone."""
    assert bootstrap(tree).returncode == 0
    assert calls(tree) == [
        "pip 1",
        "uv pip install --quiet --python .venv --no-deps --require-hashes -r requirements.txt",
    ]


def test_pip_installs_what_uv_cannot(tree: Path) -> None:
    """uv does not know the index that pip is configured for."""
    _command(tree / "uv", "exit 2")
    assert bootstrap(tree).returncode == 0
    assert calls(tree) == ["pip 1", "pip 3"]


@pytest.mark.parametrize(("settings", "release"), [({}, "trixie"), ({"LAB_RELEASE": "bookworm"}, "bookworm")])
def test_a_bare_host_gets_the_base_image(tree: Path, settings: dict[str, str], release: str) -> None:
    """With the tools in place, Ansible does it."""
    assert bootstrap(tree, "3.13", "containers", **settings).returncode == 0
    assert [call.strip() for call in calls(tree) if "base.sh" in call] == ["base.sh host", f"base.sh create {release}"]
    assert bootstrap(tree, "3.13", "containers", **settings).returncode == 0
    assert calls(tree) == []


def test_the_recorded_release_is_used(tree: Path) -> None:
    """`make up` would use it."""
    (tree / ".lab").mkdir()
    (tree / ".lab" / "settings").write_text("LAB_SUBNET=\nLAB_RELEASE=bookworm\n", encoding="utf-8")
    bootstrap(tree, "3.13", "containers")
    assert "base.sh create bookworm " in calls(tree)


@pytest.mark.parametrize(
    ("arguments", "settings"), [([], {}), (["containers"], {"LAB_RELEASE": "sid"})], ids=["other verbs", "unknown"]
)
def test_other_runs_create_no_image(tree: Path, arguments: list[str], settings: dict[str, str]) -> None:
    """`make lint` needs no Podman, and Ansible refuses a release that is not known."""
    assert bootstrap(tree, "3.13", *arguments, **settings).returncode == 0
    assert not any("base.sh" in call for call in calls(tree))


def test_a_failing_image_is_reported(tree: Path) -> None:
    """The output of what ran in the background is shown. The tools are ready for the next run."""
    _command(tree / "providers" / "podman" / "base.sh", "echo no space left on device; exit 1")
    failed = bootstrap(tree, "3.13", "containers")
    assert failed.returncode == 1
    assert "no space left on device\nerror: Podman could not be installed" in failed.stderr
    assert bootstrap(tree).stdout == ""


def test_the_base_image_is_named_after_its_recipe(tmp_path: Path) -> None:
    """A change of a package or of the build creates another image."""
    shutil.copytree(ROOT / "providers" / "podman", tmp_path / "podman")
    names = [_image(tmp_path / "podman")]
    for file, old in (("settings.yml", "  - systemd-timesyncd\n"), ("build_base.sh", "useradd --create-home")):
        path = tmp_path / "podman" / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, ""), encoding="utf-8")
        names.append(_image(tmp_path / "podman"))
    assert len(set(names)) == 3
    assert all(re.fullmatch("localhost/revezamento-base:trixie-[0-9a-f]{12}", name) for name in names)


def _image(folder: Path) -> str:
    return subprocess.check_output([folder / "base.sh", "name", "trixie"], text=True).strip()
