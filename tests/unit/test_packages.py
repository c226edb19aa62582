"""ansible/action_plugins/packages.py: apt runs only if dpkg reports that a package is missing."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from packages import ActionModule

NGINX = {"name": ["nginx", "logrotate"], "policy_rc_d": 101}


class Asked(ActionModule):
    """The action on a machine whose dpkg-query gives a fixed answer."""

    def __init__(self, arguments: dict[str, Any], rc: int, states: list[str]) -> None:
        self._task = type("Task", (), {"args": arguments, "async_val": 0, "check_mode": False, "diff": False})()
        self._connection = MagicMock()
        self.answer = {"rc": rc, "stdout_lines": states}
        self.commands: list[str] = []
        self.modules: list[tuple[str, dict[str, Any]]] = []

    def _low_level_execute_command(self, command: str) -> dict[str, Any]:
        self.commands.append(command)
        return self.answer

    def _execute_module(self, module_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        self.modules.append((module_name, module_args))
        return {"changed": True}


def test_installed_packages_do_not_start_apt() -> None:
    asked = Asked(NGINX, 0, ["ii ", "ii "])
    assert asked.run() == {"changed": False}
    assert asked.commands == ["dpkg-query --show '--showformat=${db:Status-Abbrev}\n' nginx logrotate"]
    assert asked.modules == []


@pytest.mark.parametrize(
    ("rc", "states"),
    [(1, ["ii "]), (1, []), (0, ["ii ", "rc "]), (0, ["ii ", "iU "])],
    ids=["one unknown to dpkg", "all unknown", "one removed, its configuration kept", "one unpacked only"],
)
def test_apt_installs_what_is_missing(rc: int, states: list[str]) -> None:
    """An interrupted installation leaves a package unpacked; apt completes it."""
    asked = Asked(NGINX, rc, states)
    assert asked.run() == {"changed": True}
    assert asked.modules == [
        (
            "ansible.builtin.apt",
            {**NGINX, "install_recommends": False, "update_cache": True, "cache_valid_time": 86400},
        )
    ]


def test_a_single_name_is_one_package() -> None:
    asked = Asked({"name": "nftables"}, 0, ["ii "])
    assert asked.run() == {"changed": False}
    assert asked.commands[0].endswith(" nftables")
