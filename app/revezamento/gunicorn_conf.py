"""How gunicorn runs the app: `gunicorn -c python:revezamento.gunicorn_conf 'revezamento:create_app()'`.

There is no address here: systemd holds the listening socket, so a restart refuses nobody. Nothing is loaded before the
fork: connections to Redis and MySQL belong to one process each.
"""

import sys

from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker
from prometheus_client import multiprocess

from revezamento import logs
from revezamento.settings import settings_or_exit

_settings = settings_or_exit()


class JsonLogger(Logger):  # type: ignore[misc]
    """Gunicorn's own events as the same JSON lines; the app itself logs the requests."""

    def setup(self, cfg: Config) -> None:
        """Take stdout and the common format; the workers inherit it."""
        super().setup(cfg)
        logs.configure()
        for handler in self.error_log.handlers:
            handler.setFormatter(logs.json_formatter())
            handler.setStream(sys.stdout)


wsgi_app = "revezamento:create_app()"
worker_class = "gthread"
workers = _settings.workers
threads = _settings.threads
forwarded_allow_ips = ",".join(_settings.trusted_proxies)
logger_class = JsonLogger
control_socket_disable = True

keepalive = 75
"""Seconds; longer than nginx keeps an idle connection, so that it is always nginx that closes one."""

timeout = 30
graceful_timeout = 15
"""Seconds; three times nginx's read deadline, and less than systemd's patience."""

max_requests = 0
"""Never: replacing a worker would reset connections."""


def on_starting(_: Arbiter) -> None:
    """Forget the measurements of an earlier run."""
    if _settings.metrics_dir:
        for stale in _settings.metrics_dir.glob("*.db"):
            stale.unlink(missing_ok=True)


def child_exit(_: Arbiter, worker: Worker) -> None:
    """Forget the gauges of a worker that is gone."""
    if _settings.metrics_dir:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
