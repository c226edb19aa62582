"""The app answers as `openapi.yml` says, on every route and with every status; data is in memory."""

import copy
from collections.abc import Callable
from dataclasses import replace
from time import time
from typing import Any

import pytest
import yaml
from flask import Flask
from werkzeug.test import TestResponse

from revezamento import MAX_BODY_BYTES, create_app
from revezamento.errors import DependencyDown
from revezamento.remembered import Remembered
from revezamento.services import EXTENSION
from revezamento.session_list import ListedSession
from revezamento.session_store import Origin, StoredSession
from revezamento.sessions import RedisSessions
from revezamento.settings import Settings
from revezamento.users import User
from tests.contract import FILE, Contract, Documented

ANA = User(1, "ana", "Ana", "ana@example.com", "hash", ativo=True)
RIGHT = {"usuario": "ana", "senha": "senha-da-ana"}
SID, OTHER = "s" * 43, "0123abcd"
CONTRACT = Contract.read()
SEVERAL = {"redis": {"primary": 2, "replicas": [1, 3]}, "mysql": {"used": 1, "members": [1, 2, 3]}}


class Data:
    """What Redis and MySQL would hold: one user with two sessions, `SID` and one with the fingerprint `OTHER`."""

    lifetime = idle = 1800

    def __init__(self) -> None:
        self.is_down = self.is_limited = False

    def find(self, usuario: str) -> User | None:
        return ANA if usuario == ANA.usuario else None

    def verify(self, senha_hash: str | None, senha: str, wait_seconds: float) -> bool:
        return senha_hash is not None and senha == RIGHT["senha"]

    def needs_rehash(self, senha_hash: str) -> bool:
        return False

    def wait_seconds(self, *_: Any) -> int:
        self._call()
        return 300 if self.is_limited else 0

    def failed(self, *_: Any) -> None:
        self._call()

    succeeded = failed

    def create(self, user: dict[str, Any], origin: Origin, replaces: str | None) -> tuple[str, StoredSession]:
        return SID, self.read(SID)

    def read(self, sid: str, visits: int = 0) -> StoredSession:
        self._call()
        now = int(time())
        return StoredSession({**ANA.for_session(), "created": now}, visits, now + self.idle)

    def delete(self, *_: Any) -> None:
        self._call()

    def of(self, user_id: int, current: str) -> tuple[int, list[ListedSession]]:
        return 2, [
            ListedSession("digest", OTHER, 1_800_000_000, 1_800_000_001, "192.0.2.1", "Firefox, Linux"),
            ListedSession("older", "89ef0123", 1_800_000_000, 1_800_000_000, None, None),
        ]

    def end(self, user_id: int, fingerprint: str) -> bool:
        return fingerprint == OTHER

    def end_all(self, user_id: int, but: str | None = None) -> int:
        return 1

    def is_ready(self) -> bool:
        return not self.is_down

    def _call(self) -> None:
        if self.is_down:
            raise DependencyDown("redis")


@pytest.fixture
def data() -> Data:
    return Data()


@pytest.fixture
def app(make_settings: Callable[..., Settings], data: Data) -> Flask:
    """An app with its data in memory."""
    settings = make_settings()
    app = create_app(settings)
    fakes: Any = dict.fromkeys(("sessions", "session_list", "users", "passwords", "login_limit", "readiness"), data)
    app.extensions[EXTENSION] = replace(app.extensions[EXTENSION], **fakes)
    app.session_interface = RedisSessions(data, settings)  # type: ignore[arg-type]
    return app


def ask(app: Flask, data: Data, documented: Documented) -> TestResponse:
    """Send the request that gets this answer."""
    method, path, status, content = documented
    client = app.test_client()
    options: dict[str, Any] = {"headers": {"Accept": content} if content == "text/html" else {}}
    if path == "/login":
        options["json"] = RIGHT if status != "401" else {**RIGHT, "senha": "errada"}
    elif status != "401":
        client.set_cookie("sessao", SID)
    if status == "400":
        options["json"] = {"usuario": "ana"}
    if status == "403":
        options["headers"]["Sec-Fetch-Site"] = "cross-site"
    if status == "413":
        options["json"] = {**RIGHT, "senha": "x" * MAX_BODY_BYTES}
    data.is_limited, data.is_down = status == "429", status == "503"
    fingerprint = OTHER if status != "404" else "fedcba98"
    return client.open(path.replace("{impressao}", fingerprint), method=method, **options)


@pytest.mark.parametrize("documented", sorted(CONTRACT.documented()), ids=" ".join)
def test_every_documented_answer_is_real(app: Flask, data: Data, documented: Documented) -> None:
    """With its status, content, and headers."""
    method, path, _, _ = documented
    assert CONTRACT.check(method, path, ask(app, data, documented)) == documented


def test_every_route_is_documented(app: Flask) -> None:
    """Flask adds HEAD and OPTIONS by itself."""
    routes = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(method, path) for method, path, _ in CONTRACT.operations()} == routes


@pytest.mark.parametrize("several", [{"redis": {}, "mysql": {}}, SEVERAL, {"redis": {}, "mysql": {"members": []}}])
@pytest.mark.parametrize("health", [{"ok": True, "ms": 0.4}, {"ok": False, "ms": None}])
def test_the_status_is_as_documented(app: Flask, several: dict[str, Any], health: dict[str, Any]) -> None:
    """With one machine of each or with several, up or down."""
    healths: Any = {
        "redis_health": Remembered(lambda: health | several["redis"], 0),
        "mysql_health": Remembered(lambda: health | several["mysql"], 0),
    }
    app.extensions[EXTENSION] = replace(app.extensions[EXTENSION], **healths)
    assert CONTRACT.check("GET", "/status", app.test_client().get("/status"))[2] == "200"


def test_bodies_of_other_types_are_as_documented(offline: Any) -> None:
    """The answers that test_wire.py gets."""
    for body, content_type in ((b"{", "application/json"), (b"a", "text/plain"), (b"x=1", "multipart/form-data")):
        answer = offline.post("/login", data=body, content_type=content_type)
        assert CONTRACT.check("POST", "/login", answer)[2] == "400"


def without(change: Callable[[dict[str, Any]], object]) -> Contract:
    document = copy.deepcopy(yaml.safe_load(FILE.read_text()))
    change(document)
    return Contract(document)


PROFILE = ("GET", "/perfil", "200", "application/json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it["paths"]["/perfil"]["get"]["responses"].pop("200"), "not documented"),
        (lambda it: it["paths"]["/perfil"]["get"]["responses"]["200"].pop("content"), "undocumented application/json"),
        (lambda it: it["components"]["schemas"]["Profile"]["properties"].pop("email"), "'email' was unexpected"),
        (lambda it: it["components"]["schemas"]["Profile"]["required"].append("idade"), "'idade' is a required"),
        (lambda it: it["components"]["schemas"]["Fingerprint"].update(pattern="^x$"), "does not match"),
        (lambda it: it["components"]["headers"]["X-Frontend"].pop("x-answered-by"), "has no X-Frontend"),
    ],
)
def test_a_difference_is_found(
    app: Flask, data: Data, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    """The comparison can fail."""
    with pytest.raises(AssertionError, match=message):
        without(change).check("GET", "/perfil", ask(app, data, PROFILE))
