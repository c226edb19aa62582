"""Revezamento: the user stays logged in, whichever server answers."""

from datetime import UTC, datetime

from flask import Flask, Response

from revezamento import cli, errors, logs, negotiation
from revezamento.database import Database
from revezamento.health import STATUS_SECONDS, health, probe
from revezamento.lean_flask import LeanFlask
from revezamento.login_limit import LoginLimit
from revezamento.messages import LABELS
from revezamento.metrics import Metrics
from revezamento.origin import refuse_cross_site
from revezamento.passwords import Passwords
from revezamento.proxy import TrustedProxyFix
from revezamento.readiness import Readiness
from revezamento.redis_link import RedisLink
from revezamento.remembered import Remembered
from revezamento.services import EXTENSION, Services
from revezamento.session_list import SessionList
from revezamento.session_store import SessionStore
from revezamento.session_views import own_sessions
from revezamento.sessions import RedisSessions
from revezamento.settings import Settings, settings_or_exit
from revezamento.users import Users
from revezamento.views import pages

MAX_BODY_BYTES = 16 * 1024
"""The largest valid body is a login."""


def create_app(settings: Settings | None = None) -> Flask:
    """Create the app of one backend; it does not connect to anything yet.

    Args:
        settings: None reads them from the environment, and exits with status 1 if they are invalid.
    """
    settings = settings or settings_or_exit()
    app = LeanFlask(__name__)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES)
    services = _make_services(settings)
    app.extensions[EXTENSION] = services
    app.session_interface = RedisSessions(services.sessions, settings)

    errors.init_app(app)
    app.register_blueprint(pages)
    app.register_blueprint(own_sessions)
    app.register_blueprint(health)
    app.cli.add_command(cli.users)
    app.before_request(refuse_cross_site)
    headers = {"X-Backend": settings.node, "Cache-Control": "no-store", "Vary": "Cookie, Accept, Accept-Language"}

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(headers)
        return response

    @app.context_processor
    def add_texts() -> dict[str, object]:
        lang = negotiation.language()
        return {"lang": lang, "label": LABELS[lang]}

    routes = frozenset(rule.rule for rule in app.url_map.iter_rules())
    logged = logs.RequestLog(app.wsgi_app, settings.node, routes, services.metrics)
    app.wsgi_app = TrustedProxyFix(logged, settings.trusted_proxies)  # type: ignore[method-assign]
    return app


def _make_services(settings: Settings) -> Services:
    metrics = Metrics(multiprocess=settings.metrics_dir is not None)
    down_log = logs.DownLog(metrics)
    link = RedisLink(settings, down_log)
    database = Database(settings, settings.mysql_user, settings.mysql_password, down_log)
    sessions = SessionStore(link, settings, metrics)
    return Services(
        settings=settings,
        metrics=metrics,
        redis=link,
        database=database,
        sessions=sessions,
        session_list=SessionList(link, sessions),
        users=Users(database),
        passwords=Passwords(settings.workers),
        login_limit=LoginLimit(link, settings),
        readiness=Readiness(link),
        redis_health=Remembered(lambda: probe(link), STATUS_SECONDS),
        mysql_health=Remembered(lambda: probe(database), STATUS_SECONDS),
        started=datetime.now(UTC),
    )
