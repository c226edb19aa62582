"""What answers of several routes have in common."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import cast

from flask import Response, redirect


def see_other(location: str) -> Response:
    """Send a browser on to a page after a form, so that a reload does not send the form again."""
    return cast("Response", redirect(location, HTTPStatus.SEE_OTHER))


def utc(seconds: int) -> str:
    """Return a time, in seconds since 1970, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00") + "Z"
