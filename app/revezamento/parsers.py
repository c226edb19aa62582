"""Parsers that turn an environment variable into a setting; their errors say what is valid."""

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from environs import ValidationError

Address = tuple[str, int]
"""Host name or IP address, and TCP port."""


def _name(value: str, *, example: str, allowed: str = ".{1,64}") -> str:
    if not value.isprintable() or not re.fullmatch(allowed, value):
        raise ValidationError(f"must match {allowed}, for example {example}")
    return value


def _whole(value: str, *, low: int, high: int) -> int:
    if not re.fullmatch("[0-9]{1,9}", value) or not low <= int(value) <= high:
        raise ValidationError(f"must be a whole number from {low} to {high}")
    return int(value)


def _flag(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValidationError("must be true or false")
    return value == "true"


def _addresses(value: str, *, example: str, optional: bool = False) -> tuple[Address, ...]:
    pairs = [item.strip().rpartition(":") for item in value.split(",") if value or not optional]
    if not all(
        re.fullmatch(r"[A-Za-z0-9.-]+", host) and re.fullmatch(r"[1-9]\d{0,4}", port) for host, _, port in pairs
    ):
        raise ValidationError(f"must be host:port, or several separated by commas, for example {example}")
    return tuple((host, int(port)) for host, _, port in pairs)


def _ip_addresses(value: str, *, example: str) -> tuple[str, ...]:
    try:
        return tuple(str(ip_address(item.strip())) for item in value.split(",") if value)
    except ValueError:
        raise ValidationError(f"must be IP addresses separated by commas, for example {example}") from None


PARSERS: dict[str, Callable[..., Any]] = {
    "name": _name,
    "whole": _whole,
    "flag": _flag,
    "addresses": _addresses,
    "proxies": _ip_addresses,
}
