"""A backend starts with valid settings, or explains what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from revezamento.settings import SettingsError, read_settings

GOOD = {
    "SERVER_NAME": "Servidor 1",
    "REVEZAMENTO_NODE": "backend1",
    "REVEZAMENTO_REDIS": "192.0.2.4:6379",
    "REVEZAMENTO_MYSQL": "192.0.2.3:3306, db2.example.com:3307",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A valid environment and nothing else; the secrets are files, as systemd provides them."""
    for name in [name for name in os.environ if name.startswith("REVEZAMENTO_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    for name in ("redis_password", "mysql_password"):
        (tmp_path / name).write_text(f"secret of {name}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return monkeypatch


def test_a_good_environment_is_read() -> None:
    """Addresses become pairs, secrets lose their trailing newline, and the rest has defaults."""
    settings = read_settings()
    assert settings.server_name == "Servidor 1"
    assert (settings.redis, settings.sentinels) == ((("192.0.2.4", 6379),), ())
    assert settings.mysql == (("192.0.2.3", 3306), ("db2.example.com", 3307))
    assert settings.redis_password == "secret of redis_password"
    assert settings.mysql_admin_password is None
    assert (settings.session_idle_seconds, settings.session_lifetime_seconds) == (1800, 43_200)
    assert settings.release == "1.0.0"
    assert settings.trusted_proxies == ()


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Settings may end up in tracebacks and logs."""
    (tmp_path / "mysql_admin_password").write_text("secret of the administrator")
    assert "secret of" not in repr(read_settings())


@pytest.mark.parametrize("name", GOOD)
def test_a_setting_without_a_default_must_be_set(environment: pytest.MonkeyPatch, name: str) -> None:
    """A default address would hide a wrong inventory."""
    environment.delenv(name)
    with pytest.raises(SettingsError, match=f"{name} is not set"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("SERVER_NAME", "", "for example Servidor 1"),
        ("SERVER_NAME", "Servidor\n1", "for example Servidor 1"),
        ("REVEZAMENTO_NODE", "back end", "for example backend1"),
        ("REVEZAMENTO_REDIS", "192.0.2.4", "must be host:port"),
        ("REVEZAMENTO_REDIS", "192.0.2.4:99999999", "must be host:port"),
        ("REVEZAMENTO_REDIS", "192.0.2.4:6379,192.0.2.5:6379", "several need REVEZAMENTO_SENTINELS"),
        ("REVEZAMENTO_REDIS", "", "must be host:port"),
        ("REVEZAMENTO_SENTINELS", "192.0.2.4", "must be host:port"),
        ("REVEZAMENTO_MYSQL", "192.0.2.3:3306,", "must be host:port"),
        ("REVEZAMENTO_THREADS", "four", "whole number from 1 to 64"),
        ("REVEZAMENTO_WORKER", "sync", "must match gthread|leader"),
        ("REVEZAMENTO_WORKERS", "0", "whole number from 1 to 64"),
        ("REVEZAMENTO_SESSION_IDLE_SECONDS", "-1", "whole number"),
        ("REVEZAMENTO_SESSION_IDLE_SECONDS", "1800.5", "whole number"),
        ("REVEZAMENTO_CA_FILE", "/nowhere/ca.crt", "No such file or directory"),
        ("REVEZAMENTO_CA_FILE", __file__, "must be a file with certificates in PEM"),
        ("REVEZAMENTO_COOKIE_SECURE", "yes", "must be true or false"),
        ("REVEZAMENTO_COOKIE_NAME", "a;b", "for example sessao"),
        ("REVEZAMENTO_COOKIE_NAME", "__Host-sessao", "REVEZAMENTO_COOKIE_SECURE=true"),
        ("REVEZAMENTO_TRUSTED_PROXIES", "frontend1", "must be IP addresses"),
        ("REVEZAMENTO_METRICS_DIR", "/nowhere/at/all", "must be an existing directory"),
        ("REVEZAMENTO_THREAD", "4", "did you mean REVEZAMENTO_THREADS?"),
        ("REVEZAMENTO_XYZZY", "4", "unknown setting; remove it"),
    ],
)
def test_a_bad_value_is_named_with_its_remedy(
    environment: pytest.MonkeyPatch, name: str, value: str, remedy: str
) -> None:
    """The message must be enough to fix the mistake."""
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert f"{name}={value!r}: " in str(refused.value)
    assert remedy in str(refused.value)


def test_all_problems_are_reported_at_once(environment: pytest.MonkeyPatch) -> None:
    """One attempt shows every mistake."""
    environment.setenv("REVEZAMENTO_THREADS", "x")
    environment.setenv("REVEZAMENTO_REDIS", "x")
    environment.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert len(str(refused.value).splitlines()) == 4


@pytest.mark.parametrize("name", ["redis_password", "mysql_password"])
@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_missing_secret_is_named(tmp_path: Path, name: str, content: str | None) -> None:
    """Without its secrets the app refuses to start."""
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError, match=f"secret {name}: cannot be read from .*{name}"):
        read_settings()


def test_a_process_with_bad_settings_exits_with_an_explanation(environment: pytest.MonkeyPatch) -> None:
    """Both the command line and gunicorn exit with an error status and without a traceback."""
    environment.setenv("REVEZAMENTO_THREADS", "x")
    for arguments in (
        ["flask", "--app", "revezamento", "users", "list"],
        ["gunicorn", "-c", "python:revezamento.gunicorn_conf", "revezamento:create_app()"],
    ):
        ended = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False)
        assert ended.returncode != 0
        assert "REVEZAMENTO_THREADS='x': must be a whole number" in ended.stderr
        assert "Traceback" not in ended.stderr
