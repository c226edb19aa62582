"""The settings of the backends."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lab.inventory import ROOT, Inventory
from tests.templates.rendered import SECRETS, VARIANTS, files, inventory, machines, text


def settings(variant: str = "lab", machine: str = "") -> dict[str, str]:
    """The settings file of a backend."""
    lines = text("app", "revezamento.env.j2", variant, machine).splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines if line[:1].isalpha())}


def test_the_app_knows_all_its_settings() -> None:
    """The app refuses to start with an unknown setting."""
    source = (ROOT / "app" / "revezamento" / "settings.py").read_text(encoding="utf-8")
    known = {f"REVEZAMENTO_{name}" for name in re.findall(r'env\.\w+\("([A-Z_]+)"', source)} | {"SERVER_NAME"}
    assert set(settings()) <= known


def replicated() -> Inventory:
    return Inventory.load("inventory/ha", overrides=SECRETS)


def test_backends_ask_sentinels_where_redis_has_replicas() -> None:
    """A single Redis works without Sentinel."""
    assert "REVEZAMENTO_SENTINELS" not in settings()
    written = files(replicated().machine("backend1"), "app")
    lines = next(file.text for file in written if file.src == "revezamento.env.j2").splitlines()
    redis = [machine.address for machine in replicated().hosts("redis")]
    assert "REVEZAMENTO_REDIS=" + ",".join(f"{address}:6379" for address in redis) in lines
    assert "REVEZAMENTO_SENTINELS=" + ",".join(f"{address}:26379" for address in redis) in lines


@pytest.mark.parametrize(("source", "expected"), [(replicated, {"role", "wait"}), (inventory, set())])
def test_the_app_has_more_rights_where_redis_has_replicas(source: Callable[[], Inventory], expected: set[str]) -> None:
    """It checks that it talks to the primary, and waits for replicas."""
    machine = source().machine("redis1")
    app = next(user for user in machine.vars["redis_users"] if user["name"] == "revezamento")
    assert set(app["commands"]) & {"role", "wait"} == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_backend_has_its_own_name(variant: str) -> None:
    """The page shows the name, so users see that the backend changes and the session does not."""
    backends = inventory(variant).groups["backends"]
    assert [settings(variant, name)["SERVER_NAME"] for name in backends] == [
        f"Servidor {n}" for n in range(1, len(backends) + 1)
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_frontends_are_trusted_proxies(variant: str) -> None:
    """Any other client could forge X-Forwarded-For."""
    assert settings(variant)["REVEZAMENTO_TRUSTED_PROXIES"].split(",") == [
        f.address for f in inventory(variant).hosts("frontends")
    ]


def test_only_the_lab_sends_the_cookie_over_plain_http() -> None:
    """A browser sends no Secure cookie over HTTP; real servers speak HTTPS."""
    assert settings()["REVEZAMENTO_COOKIE_SECURE"] == "false"
    defaults = (ROOT / "ansible" / "roles" / "app" / "defaults" / "main.yml").read_text(encoding="utf-8")
    assert "\napp_cookie_secure: true\n" in defaults


def test_secrets_are_credentials_and_in_no_rendered_file() -> None:
    """Environment variables are visible in /proc and in crash reports."""
    written = files(machines("app")[0], "app")
    assert not [file.dest for file in written for value in SECRETS.values() if value in file.text]
    service = text("app", "revezamento.service.j2")
    assert {"redis_password", "mysql_password"} <= set(re.findall(r"^LoadCredential=(\w+):", service, re.MULTILINE))
