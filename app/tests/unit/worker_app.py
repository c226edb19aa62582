"""A WSGI application that does what a worker has to cope with; no Flask, Redis or MySQL."""

import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from revezamento import long_work

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BIG_BYTES = 8_000_000


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer `/<what>?<argument>`."""
    what, argument = environ["PATH_INFO"], environ["QUERY_STRING"]
    body = b"ok"
    match what:
        case "/announced":
            long_work.announce()
            time.sleep(float(argument))
        case "/slow":
            time.sleep(float(argument))
        case "/echo":
            body = environ["wsgi.input"].read()
        case "/big":
            body = b"x" * BIG_BYTES
        case "/pid":
            body = str(os.getpid()).encode()
        case "/error":
            raise ZeroDivisionError
        case "/exit":
            sys.exit("told to")
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return broken(body) if what == "/broken" else [body]


def broken(body: bytes) -> Iterable[bytes]:
    """Fail in the middle of a response."""
    yield body[:1]
    raise ZeroDivisionError
