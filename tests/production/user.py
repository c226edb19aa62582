"""A user of the site: where DNS sends them, and what they ask for over HTTPS."""

from __future__ import annotations

import json
import ssl
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

import dns.resolver

from tests.production.conftest import DOMAIN, Site


def www(site: Site, nameserver: str) -> list[str]:
    """The addresses of the site, as this name server gives them."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [site.address(nameserver)]
    return [record.address for record in resolver.resolve(f"www.{DOMAIN}", "A")]


class Browser:
    """One user, who opens the page over HTTPS at an address that DNS gave, and trusts the ACME server's authority."""

    def __init__(self, site: Site) -> None:
        context = ssl.create_default_context(cafile=site.home / "root.crt")
        context.check_hostname = False  # the address is in the URL
        handlers = (ProxyHandler({}), HTTPSHandler(context=context), HTTPCookieProcessor(CookieJar()))
        self._opener: OpenerDirector = build_opener(*handlers)

    def open(self, address: str, path: str, form: dict[str, str] | None = None) -> tuple[int, Any, str]:
        """Status, JSON, and the backend that answered. The name in the cookie jar is the address."""
        data = urlencode(form).encode() if form else None
        request = Request(f"https://{address}{path}", data, {"Host": f"www.{DOMAIN}", "Accept": "application/json"})
        try:
            with self._opener.open(request, timeout=15) as answer:
                return answer.status, json.load(answer), answer.headers["X-Backend"]
        except HTTPError as error:
            return error.code, None, error.headers["X-Backend"]
