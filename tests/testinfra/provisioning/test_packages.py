"""A machine that lacks a package gets it, whatever the state of apt's lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.machines import Box
from lab.playbooks import run_playbook, tail

pytestmark = [pytest.mark.disruptive, pytest.mark.provisioning]

PACKAGE = "jq"
"""A small package that nothing depends on; `client_packages` has it."""


def test_a_missing_package_is_installed_with_outdated_lists(client: Box, tmp_path: Path) -> None:
    """The client resolves no name of the internet, and its lists no longer match the mirror: apt renews them first."""
    lists, log = "/var/lib/apt/lists /var/lib/apt/periodic", tmp_path / "ansible.log"
    client.root_output(f"apt-get -qq purge {PACKAGE}")
    client.root_output(f"find {lists} -maxdepth 1 -exec touch --date=-3days {{}} +")
    run = run_playbook("site.yml", "--tags=common,client", "--limit=clients", log=log)
    assert run == 0, tail(log)
    assert client.output(f"echo '{{}}' | {PACKAGE} --compact-output .").strip() == "{}"
    assert client.root_output(f"find {lists} -maxdepth 1 -newermt '1 hour ago'"), "apt's lists were not renewed"
