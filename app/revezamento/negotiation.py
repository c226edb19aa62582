"""Content negotiation: a page or JSON, Portuguese or English."""

from functools import lru_cache
from typing import get_args

from flask import request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from revezamento.messages import MESSAGES, Language, Message


def wants_html() -> bool:
    """Return whether the client prefers a page; `Accept: */*` or no such header means JSON."""
    return _prefers_html(request.environ.get("HTTP_ACCEPT", ""))


@lru_cache(maxsize=100)  # parsing is slow, and clients send few different headers
def _prefers_html(header: str) -> bool:
    accept = parse_accept_header(header, MIMEAccept)
    return accept.quality("text/html") > accept.quality("application/json")


def language() -> Language:
    """Return the client's language: Portuguese unless `Accept-Language` prefers English."""
    best = request.accept_languages.best_match(get_args(Language), "pt")
    return "en" if best == "en" else "pt"


def text(message: Message) -> str:
    """Return a message in the client's language."""
    return MESSAGES[message][language()]
