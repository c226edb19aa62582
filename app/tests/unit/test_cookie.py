"""Which session id a request has."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Request
from werkzeug.test import EnvironBuilder

from revezamento.sessions import RedisSessions
from revezamento.settings import Settings

SID = "aZ09-_" + "x" * 37


@pytest.mark.parametrize(
    ("header", "sid"),
    [
        (f"sessao={SID}", SID),
        (f"other=1; sessao={SID}", SID),
        (f"sessao={SID}; other=1", SID),
        (f"other=a=b; sessao={SID};", SID),
        (f'sessao="{SID}"', SID),
        (f" sessao={SID}", SID),
        (f"sessao={SID}; sessao={'y' * 43}", SID),
        (None, None),
        ("", None),
        ("sessao", None),
        ("sessao=", None),
        (f"sessao={SID}x", None),
        (f"sessao={SID[1:]}", None),
        (f"sessao=={SID}", None),
        (f"Sessao={SID}", None),
        (f"xsessao={SID}", None),
        (f"sessao={SID[1:]}é", None),
        (f"sessao={SID[1:]}\n", None),
    ],
)
def test_only_a_well_formed_id_counts(make_settings: Callable[..., Settings], header: str | None, sid: str) -> None:
    """A cookie of its own is the usual case, others beside it are valid as well."""
    environ = EnvironBuilder().get_environ() | ({} if header is None else {"HTTP_COOKIE": header})
    store: Any = None
    session = RedisSessions(store, make_settings()).open_session(Flask("x"), Request(environ))
    assert session.sid == sid
