"""A site on servers that the lab did not make, installed by the commands of docs/production.md as they stand there."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lab.inventory import ROOT
from tests.production import acme
from tests.production.cloud import PRIVATE, PUBLIC, Cloud, run

BOOT_SECONDS = 120
DOMAIN = "example.com"
PROVISION = "ansible-playbook -i inventory/production ansible/site.yml"
ACME_SERVER, ACME_OCTET = "acme", 250
SPARE = r"(?m)^ +(dns2|backend2|backend3): .*\n"
"""Lines of the inventory that `--small` leaves out. Two frontends stay, because they share a certificate."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--small", action="store_true", help="six servers instead of nine, and Mitogen")


@dataclass(frozen=True)
class Site:
    """A copy of the project with `inventory/production`, and an administrator's computer around it.

    `before` is what the administrator types first in each terminal.
    """

    tree: Path
    home: Path
    before: str = ""

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "LAB_"))}
        return kept | {
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.home / "vault-password"),
            "ANSIBLE_PRIVATE_KEY_FILE": str(self.home / "id_ed25519"),
            "ANSIBLE_SSH_COMMON_ARGS": shlex.join(self.ssh_options),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    @property
    def ssh_options(self) -> list[str]:
        return ["-o", f"UserKnownHostsFile={self.home / 'known_hosts'}", "-o", "StrictHostKeyChecking=accept-new"]

    def type(self, commands: str, *, fails: bool = False) -> str:
        """What an administrator types in the project's folder; returns what it prints."""
        script = f"set -e; [ ! -e .venv/bin/activate ] || . .venv/bin/activate\n{self.before}\n{commands}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.tree,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{commands}\n{done.stdout[-6000:]}"
        return done.stdout

    def ssh(self, server: str, command: str, typed: str = "") -> str:
        target = f"deploy@{acme_address() if server == ACME_SERVER else self.address(server, PUBLIC)}"
        key = ["-i", str(self.home / "id_ed25519"), "-o", "BatchMode=yes"]
        return run("ssh", *key, *self.ssh_options, target, command, input=typed)

    def replace(self, file: str, old: str, new: str) -> None:
        path = self.tree / "inventory" / "production" / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} lacks {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def address(self, server: str, network: str = PRIVATE) -> str:
        return f"{network}.{self.servers[server]}"

    @property
    def servers(self) -> dict[str, int]:
        """Each server's name and the last octet of its addresses."""
        return servers((self.tree / "inventory" / "production" / "hosts.yml").read_text(encoding="utf-8"))

    def tier(self, name: str) -> list[str]:
        """Its servers, such as dns1 and dns2 of `dns`."""
        return [server for server in self.servers if re.fullmatch(rf"{name}\d", server)]


def servers(inventory: str) -> dict[str, int]:
    tiers = yaml.safe_load(inventory)["all"]["children"]
    hosts = {name: host for tier in tiers.values() for name, host in tier["hosts"].items()}
    return {name: int(host["ansible_host"].rpartition(".")[2]) for name, host in hosts.items()}


def documented(heading: str, page: str = "docs/production.md") -> list[str]:
    """The commands in the `sh` blocks of a section."""
    text = (ROOT / page).read_text(encoding="utf-8")
    section = re.split(r"^#+ ", text.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return [
        re.sub(r"^ +", "", block, flags=re.MULTILINE) for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    ]


def vault_command() -> str:
    """From the comment of vault.yml.example."""
    text = (ROOT / "inventory/production.example/group_vars/all/vault.yml.example").read_text(encoding="utf-8")
    lines = text.split("make vault.yml:\n")[1].split("\n# ansible-vault asks")[0].splitlines()
    return "\n".join(line.removeprefix("#").strip() for line in lines)


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site, installed."""
    home = tmp_path_factory.mktemp("administrator")
    is_small = request.config.getoption("--small", default=False)
    site = Site(home / "revezamento", home, documented("### Faster runs")[0] if is_small else "")
    (home / "vault-password").write_text(secrets.token_hex(16), encoding="utf-8")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "id_ed25519"))
    files = run("git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, files):
        (site.tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, site.tree / name, follow_symlinks=False)
    example = site.tree / "inventory" / "production.example" / "hosts.yml"
    if is_small:
        example.write_text(re.sub(SPARE, "", example.read_text(encoding="utf-8")), encoding="utf-8")
    cloud = Cloud(servers(example.read_text(encoding="utf-8")) | {ACME_SERVER: ACME_OCTET})
    try:
        cloud.create((home / "id_ed25519.pub").read_text(encoding="utf-8"))
        install(site)
        yield site
    finally:
        cloud.remove()


@pytest.fixture(scope="session")
def maria(site: Site) -> dict[str, str]:
    """A user, added as docs/operations.md says."""
    password = secrets.token_urlsafe(16)
    add = next(line for line in documented("## Manage users", "docs/operations.md")[0].splitlines() if " add " in line)
    site.ssh(site.tier("backend")[-1], f"{add.split('    #')[0].strip()} --password-stdin", password + "\n")
    return {"usuario": "maria", "senha": password}


def install(site: Site) -> None:
    """docs/production.md, "Install"."""
    tools, preflight, provision = documented("## Install")
    site.type(tools)
    site.replace("hosts.yml", "203.0.113.", f"{PUBLIC}.")
    site.replace("hosts.yml", "10.20.0.", f"{PRIVATE}.")
    site.replace("group_vars/all/site.yml", "{{ lookup('ansible.builtin.env', 'HOME') }}", str(site.home))
    site.type(vault_command())
    for server in (*site.servers, ACME_SERVER):
        wait_for(site, server)
    go_public(site)
    use_acme_server(site)
    site.type(without_prompt(preflight))
    site.type(without_prompt(provision))
    root = acme.root_certificate(lambda command, typed: site.ssh(ACME_SERVER, command, typed))
    (site.home / "root.crt").write_text(root, encoding="utf-8")


def go_public(site: Site) -> None:
    """docs/production.md, "A public side": name servers and frontends get their public addresses."""
    path = site.tree / "inventory" / "production" / "hosts.yml"
    text = path.read_text(encoding="utf-8")
    for tier, variable in (("dns", "bind_public_addresses"), ("frontend", "nginx_public_addresses")):
        text, count = re.subn(
            rf"(?m)^( +{tier}\d: {{ansible_host: )(\S+), ([^}}]+)}}", rf"\1\2, \3, {variable}: [\2]}}", text
        )
        assert count == len(site.tier(tier)), tier
    path.write_text(text, encoding="utf-8")


def use_acme_server(site: Site) -> None:
    """The example's `nginx_tls: acme`, with another server than Let's Encrypt."""
    authority = site.home / "acme.crt"
    nameserver = site.address("dns1", PUBLIC)
    own = acme.start(lambda command, typed: site.ssh(ACME_SERVER, command, typed), acme_address(), nameserver)
    authority.write_text(own, encoding="utf-8")
    settings = f"nginx_tls: acme\nacme_directory_url: {acme.directory(acme_address())}\nacme_ca_file: {authority}\n"
    site.replace("group_vars/all/site.yml", "nginx_tls: acme\n", settings)


def acme_address() -> str:
    return f"{PUBLIC}.{ACME_OCTET}"


def changed(recap: str) -> dict[str, int]:
    """From Ansible's recap: how many tasks changed each server."""
    return {name: int(count) for name, count in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", recap, re.MULTILINE)}


def without_prompt(command: str) -> str:
    """ANSIBLE_VAULT_PASSWORD_FILE names the password instead."""
    return command.replace(" --ask-vault-pass", "")


def wait_for(site: Site, server: str) -> None:
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        try:
            site.ssh(server, "true")
            return
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
