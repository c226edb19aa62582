"""Content negotiation: a page or JSON, Portuguese or English."""

from typing import get_args

from flask import request

from revezamento.messages import MESSAGES, Language, Message


def wants_html() -> bool:
    """Return whether the client prefers a page; `Accept: */*` or no such header means JSON."""
    accept = request.accept_mimetypes
    return accept.quality("text/html") > accept.quality("application/json")


def language() -> Language:
    """Return the client's language: Portuguese unless `Accept-Language` prefers English."""
    best = request.accept_languages.best_match(get_args(Language), "pt")
    return "en" if best == "en" else "pt"


def text(message: Message) -> str:
    """Return a message in the client's language."""
    return MESSAGES[message][language()]
