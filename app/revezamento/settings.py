"""The settings of one backend, read and validated once from the environment."""

import difflib
import os
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError

from revezamento.parsers import PARSERS, Address
from revezamento.tls import client_context

_PREFIX = "REVEZAMENTO_"
_YEAR_SECONDS = 31_536_000


class SettingsError(ValueError):
    """The environment is invalid; one line for each problem, with the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs from one backend to another; `*_seconds` are seconds."""

    server_name: str
    node: str
    release: str
    redis: tuple[Address, ...]
    sentinels: tuple[Address, ...]
    redis_user: str
    redis_db: int
    redis_password: str = field(repr=False)
    mysql: tuple[Address, ...]
    mysql_user: str
    mysql_database: str
    mysql_password: str = field(repr=False)
    mysql_admin_user: str
    mysql_admin_password: str | None = field(repr=False)
    ca_file: Path | None
    cookie_name: str
    cookie_secure: bool
    session_idle_seconds: int
    session_lifetime_seconds: int
    login_failures_per_user: int
    login_failures_per_address: int
    login_window_seconds: int
    trusted_proxies: tuple[str, ...]
    worker: str
    workers: int
    threads: int
    metrics_dir: Path | None


def read_settings() -> Settings:
    """Read the settings from the environment, and the secrets from the files of `$CREDENTIALS_DIRECTORY`.

    Raises:
        SettingsError: a setting is missing, malformed or unknown; the message lists every problem.
    """
    env = Env(eager=False)
    for kind, parse in PARSERS.items():
        env.add_parser(kind, parse)

    values: dict[str, Any] = {"server_name": env.name("SERVER_NAME", example="Servidor 1")}
    with env.prefixed(_PREFIX):
        values |= {
            "node": env.name("NODE", example="backend1", allowed="[A-Za-z0-9._-]{1,64}"),
            "release": env.name("RELEASE", version("revezamento"), example="1.0.0"),
            "redis": env.addresses("REDIS", example="192.0.2.4:6379"),
            "sentinels": env.addresses("SENTINELS", "", example="192.0.2.4:26379", optional=True),
            "redis_user": env.name("REDIS_USER", "revezamento", example="revezamento"),
            "redis_db": env.whole("REDIS_DB", "0", low=0, high=15),
            "mysql": env.addresses("MYSQL", example="192.0.2.3:3306"),
            "mysql_user": env.name("MYSQL_USER", "revezamento", example="revezamento"),
            "mysql_database": env.name("MYSQL_DATABASE", "revezamento", example="revezamento"),
            "mysql_admin_user": env.name("MYSQL_ADMIN_USER", "revezamento_admin", example="revezamento_admin"),
            "ca_file": env.path("CA_FILE", None),
            "cookie_name": env.name("COOKIE_NAME", "sessao", example="sessao", allowed="[A-Za-z0-9_-]{1,64}"),
            "cookie_secure": env.flag("COOKIE_SECURE", "false"),
            "session_idle_seconds": env.whole("SESSION_IDLE_SECONDS", "1800", low=1, high=_YEAR_SECONDS),
            "session_lifetime_seconds": env.whole("SESSION_LIFETIME_SECONDS", "43200", low=1, high=_YEAR_SECONDS),
            "login_failures_per_user": env.whole("LOGIN_FAILURES_PER_USER", "5", low=1, high=1_000_000),
            "login_failures_per_address": env.whole("LOGIN_FAILURES_PER_ADDRESS", "100", low=1, high=1_000_000),
            "login_window_seconds": env.whole("LOGIN_WINDOW_SECONDS", "300", low=1, high=86_400),
            "trusted_proxies": env.proxies("TRUSTED_PROXIES", "", example="192.0.2.20,192.0.2.21"),
            "worker": env.name("WORKER", "gthread", example="gthread", allowed="gthread|leader"),
            "workers": env.whole("WORKERS", "2", low=1, high=64),
            "threads": env.whole("THREADS", "4", low=1, high=64),
            "metrics_dir": env.path("METRICS_DIR", None),
        }
    problems = _problems(env) or _contradictions(values)
    secrets = {
        "redis_password": _secret("redis_password", problems),
        "mysql_password": _secret("mysql_password", problems),
        "mysql_admin_password": _secret("mysql_admin_password", None),
    }
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(**values | secrets)


def settings_or_exit() -> Settings:
    """Like `read_settings`, but exit with status 1 and a message on stderr if the environment is invalid."""
    try:
        return read_settings()
    except SettingsError as error:
        sys.exit(f"revezamento cannot start:\n{error}")


def _problems(env: Env) -> list[str]:
    wrong: dict[str, list[str]] = {}
    try:
        env.seal()
    except EnvValidationError as error:
        wrong = dict(error.error_messages)  # type: ignore[arg-type]
    problems = [
        f"{name}={os.environ[name]!r}: {messages[0]}" if name in os.environ else f"{name} is not set and has no default"
        for name, messages in wrong.items()
    ]
    known = {*env.dump(), *wrong}
    for name in sorted(set(os.environ) - known):
        if name.startswith(_PREFIX):
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            remedy = f"did you mean {near[0]}?" if near else "remove it"
            problems.append(f"{name}={os.environ[name]!r}: unknown setting; {remedy}")
    return problems


def _contradictions(values: dict[str, Any]) -> list[str]:
    problems = []
    if len(values["redis"]) > 1 and not values["sentinels"]:
        problems.append(
            f"{_PREFIX}REDIS={os.environ[_PREFIX + 'REDIS']!r}: several need {_PREFIX}SENTINELS, which choose one; "
            "without them, give one host:port"
        )
    cookie = values["cookie_name"]
    if cookie.startswith(("__Host-", "__Secure-")) and not values["cookie_secure"]:
        problems.append(f"{_PREFIX}COOKIE_NAME={cookie!r}: browsers refuse it without {_PREFIX}COOKIE_SECURE=true")
    ca_file = values["ca_file"]
    try:
        if ca_file:
            client_context(ca_file)
    except OSError as error:
        problems.append(f"{_PREFIX}CA_FILE={str(ca_file)!r}: must be a file with certificates in PEM: {error}")
    directory = values["metrics_dir"]
    if directory and not directory.is_dir():
        problems.append(f"{_PREFIX}METRICS_DIR={str(directory)!r}: must be an existing directory")
    return problems


def _secret(name: str, problems: list[str] | None) -> str | None:
    """Return a credential, or None if it is missing; a missing one is added to `problems`, if given."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    try:
        secret = Path(directory, name).read_text(encoding="utf-8").removesuffix("\n") if directory else ""
    except (OSError, UnicodeDecodeError):
        secret = ""
    if not secret and problems is not None:
        where = (
            f"{directory}/{name}"
            if directory
            else f"$CREDENTIALS_DIRECTORY/{name}, and CREDENTIALS_DIRECTORY is not set"
        )
        problems.append(
            f"secret {name}: cannot be read from {where}; systemd provides it with LoadCredential={name}:/path"
        )
    return secret or None
