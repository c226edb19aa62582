"""How gunicorn runs the app: `gunicorn -c python:revezamento.gunicorn_conf 'revezamento:create_app()'`.

There is no address here: systemd holds the listening socket, so a restart refuses no connection. The app is loaded
after the fork: each process has its own connections to Redis and MySQL.
"""

import gc
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
    """Logs Gunicorn's events as JSON lines in the app's format; the app logs the requests."""

    def setup(self, cfg: Config) -> None:
        """Log to stdout in the common format; the workers inherit this."""
        super().setup(cfg)
        logs.configure()
        for handler in self.error_log.handlers:
            handler.setFormatter(logs.json_formatter())
            handler.setStream(sys.stdout)


wsgi_app = "revezamento:create_app()"
worker_class = {"gthread": "gthread", "leader": "revezamento.leader.LeaderWorker"}[_settings.worker]
workers = _settings.workers
threads = _settings.threads
forwarded_allow_ips = ",".join(_settings.trusted_proxies)
logger_class = JsonLogger
control_socket_disable = True

keepalive = 75
"""Seconds; longer than nginx keeps idle connections, so that nginx always closes them first."""

timeout = 30
graceful_timeout = 15
"""Seconds; three times nginx's read timeout, and less than systemd's stop timeout."""

max_requests = 0
"""Never restart a worker: that would reset connections."""

GARBAGE_THRESHOLD = 20_000
"""How many more objects there are when Python looks for garbage; some MB."""


def on_starting(_: Arbiter) -> None:
    """Delete the metrics of an earlier run."""
    if _settings.metrics_dir:
        for stale in _settings.metrics_dir.glob("*.db"):
            stale.unlink(missing_ok=True)


def post_worker_init(_: Worker) -> None:
    """Look for garbage in cycles less often, and not among what stays until the end: 5 to 15 % of a request's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)


def child_exit(_: Arbiter, worker: Worker) -> None:
    """Delete the gauges of a worker that has exited."""
    if _settings.metrics_dir:
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
