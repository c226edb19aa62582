"""The daemons that run beside the lab's own during a bench: their units and configurations.

Each has the sandbox of the daemon that it stands for, since that costs processor time, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from lab.inventory import ROLES
from lab.machines import Box

FOLDER = "/opt/bench"
UNITS = "/run/systemd/system"

WORKERS = ("gthread", "leader")
"""Kinds of worker of our app."""

PEERS = {"express": "", "express-duties": "1"}
"""The peers, and their DUTIES."""

_OWN = {
    *("Type", "NotifyAccess", "ExecStart", "ExecReload", "KillMode", "TimeoutStopSec", "Restart", "RestartSec"),
    *("Environment", "EnvironmentFile", "RuntimeDirectory"),
}
"""What a unit of the bench says itself; the rest is as in the unit that it stands for."""


def port_of(backend: Box) -> int:
    """The port of whatever is measured on a backend."""
    return int(backend.role("app")["app_port"]) + 100


def proxy_port(frontend: Box, backends: int) -> int:
    """The port of the nginx that passes requests to so many backends."""
    return 8200 + backends


def unit(model: str, command: str, settings: Iterable[str], without: Collection[str] = ()) -> str:
    """A unit with the sandbox of the unit `model`; `settings` are further lines of its [Service]."""
    service = model.partition("[Service]\n")[2].partition("[Install]")[0].splitlines()
    kept = [line for line in service if "=" in line and line.partition("=")[0] not in {*_OWN, *without}]
    lines = ["[Unit]", "Description=A bench; it removes this unit", "[Service]", f"ExecStart={command}"]
    # Nobody waits for the last answers.
    return "\n".join([*lines, "KillSignal=SIGKILL", *settings, *(line for line in kept if line[0] != "#"), ""])


def app_units(backend: Box, counts: Iterable[int], workers: int) -> dict[str, str]:
    """Our app with each kind and number of workers, and the empty application: unit -> text."""
    model = backend.machine.role("app").render(ROLES / "app" / "templates" / "revezamento.service.j2")
    found = {}
    for kind in WORKERS:
        for count in counts:
            found[f"bench-{kind}-{count}.service"] = _gunicorn(backend, model, kind, count, "revezamento:create_app()")
    kind = backend.role("app")["app_worker"]
    bare = f"--pythonpath {FOLDER} bare:app"
    return found | {f"bench-bare-{workers}.service": _gunicorn(backend, model, kind, workers, bare)}


def _gunicorn(backend: Box, model: str, kind: str, workers: int, app: str) -> str:
    metrics = f"bench-{kind}-{workers}"
    # `env` because what EnvironmentFile sets wins over Environment.
    changes = f"REVEZAMENTO_WORKER={kind} REVEZAMENTO_WORKERS={workers} REVEZAMENTO_METRICS_DIR=/run/{metrics}"
    program = "/opt/revezamento/current/bin/python -m gunicorn --config python:revezamento.gunicorn_conf"
    return unit(
        model,
        f"/usr/bin/env {changes} {program} --bind {backend.address}:{port_of(backend)} {app}",
        [
            *("Type=notify", "NotifyAccess=main", f"RuntimeDirectory={metrics}"),
            "EnvironmentFile=/etc/revezamento/revezamento.env",
        ],
    )


def peer_units(backend: Box, counts: Iterable[int], redis: Box, mysql: Box, secret: str) -> dict[str, str]:
    """The peers with each number of workers: unit -> text."""
    role = backend.role("app")
    model = backend.machine.role("app").render(ROLES / "app" / "templates" / "revezamento.service.j2")
    settings = {
        "NODE_ENV": "production",
        "SERVER_NAME": role["app_server_name"],
        "BACKEND": role["app_node"],
        "TRUSTED_PROXIES": ",".join(role["app_trusted_proxies"]),
        "REDIS": f"{redis.address}:{redis.role('redis')['redis_port']}",
        "REDIS_USER": "revezamento",
        "MYSQL": f"{mysql.address}:{mysql.role('mysql')['mysql_port']}",
        "MYSQL_USER": "revezamento",
        "MYSQL_DATABASE": "revezamento",
        "SESSION_SECRET": secret,
        "ADDRESS": backend.address,
        "PORT": str(port_of(backend)),
    }
    return {
        f"bench-{peer}-{count}.service": unit(
            model,
            f"/usr/bin/node {FOLDER}/peer/server.js",
            ["Type=exec", *_environment(settings | {"DUTIES": duties, "WORKERS": str(count)})],
            without=["MemoryDenyWriteExecute"],  # V8 compiles to memory
        )
        for peer, duties in PEERS.items()
        for count in counts
    }


def _environment(settings: Mapping[str, str]) -> list[str]:
    return [f'Environment="{name}={value}"' for name, value in settings.items()]


def proxy_files(frontend: Box, backends: Sequence[Box]) -> dict[str, str]:
    """nginx as the frontend runs it, on a port of its own, for what is measured on the backends: path -> text."""
    number = len(backends)
    role = frontend.machine.role(
        "nginx",
        nginx_addresses=[frontend.address],
        nginx_port=proxy_port(frontend, number),
        nginx_tls="off",
        nginx_backends={backend.name: backend.address for backend in backends},
        nginx_backend_port=port_of(backends[0]),
        nginx_backend_weights={},
        nginx_draining=[],
        nginx_persistence="none",
        nginx_floating_addresses={},
    )
    config = role.render(ROLES / "nginx" / "templates" / "nginx.conf.j2")
    for old, new in {
        "pid /run/nginx.pid;": f"pid /run/bench-nginx-{number}.pid;",
        "error_log /var/log/nginx/error.log": "error_log /var/log/nginx/bench-error.log",
        "access_log /var/log/nginx/access.log": "access_log /var/log/nginx/bench-access.log",
        "        location / {": "        location = /bench {\n            return 200;\n        }\n        location / {",
    }.items():
        assert config.count(old) == 1, f"{old!r} is not once in nginx.conf any more: adapt bench/units.py"
        config = config.replace(old, new)
    path = f"{FOLDER}/nginx-{number}.conf"
    command = f"/usr/sbin/nginx -c {path} -g 'daemon off;'"
    model = str(frontend.role("nginx")["__nginx_drop_in"])
    return {path: config, f"{UNITS}/bench-nginx-{number}.service": unit(model, command, ["Type=exec"])}
