"""What HTTPS changes for users: redirects, the cookie, and headers."""

from __future__ import annotations

from typing import Any

import pytest

from lab.machines import Box, Lab
from tests.testinfra.browser import Browser

pytestmark = pytest.mark.tls


def plain(client: Box, frontend: Box, host: str, path: str, *options: str) -> dict[str, str]:
    """The headers of an answer to plain HTTP, and its `status`."""
    port = frontend.vars["nginx_port"]
    connect = f"--connect-to {host}:{port}:{frontend.address}:{port}"
    command = f"curl --silent --include {' '.join(options)} {connect} http://{host}:{port}{path}"
    head, *lines = client.output(command).replace("\r", "").partition("\n\n")[0].splitlines()
    fields = (line.partition(":") for line in lines)
    return {"status": head.split()[1]} | {name.lower(): value.strip() for name, _, value in fields}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/perfil?a=b"), ("POST", "/login"), ("GET", "/conexao-nova/perfil"), ("GET", "/missing")],
)
def test_plain_http_is_redirected(client: Box, frontend: Box, lab: Lab, method: str, path: str) -> None:
    """308 keeps the method. No path is served in plain text, whether it exists or not."""
    answer = plain(client, frontend, lab.site_name, path, "--request", method)
    assert (answer["status"], answer["location"]) == ("308", f"{lab.site_url}{path}")
    assert answer["x-frontend"] == frontend.name


def test_a_redirect_never_leads_to_another_site(client: Box, frontend: Box, lab: Lab) -> None:
    """Whatever the Host header says."""
    answer = plain(client, frontend, "evil.example", "/")
    assert answer["location"] == f"{lab.site_url}/"


def test_machines_can_still_check_a_backend_in_plain_http(client: Box, frontend: Box, lab: Lab) -> None:
    """A deployment asks each frontend whether it reaches the backend, whatever the certificate is."""
    for name in lab.names("backends"):
        answer = plain(client, frontend, lab.site_name, f"/status/{name}")
        assert (answer["status"], answer["x-backend"]) == ("200", name)


def test_the_cookie_is_bound_to_the_host_and_to_https(
    browser: Browser, frontend: Box, demo_users: list[dict[str, str]]
) -> None:
    """`__Host-`: browsers accept it only with Secure, for all paths, and from this host itself."""
    user = demo_users[0]
    cookie = browser.login(user["usuario"], user["senha"], frontend=frontend).set_cookie("__Host-sessao")
    flags = {flag.strip().lower() for flag in cookie.split(";")[1:]}
    assert {"secure", "httponly", "path=/", "samesite=lax"} <= flags
    assert not [flag for flag in flags if flag.startswith("domain")]


def test_the_former_cookie_is_worth_nothing(ana: Browser) -> None:
    """A cookie that plain HTTP could have leaked is not read."""
    assert ana.get("/perfil").status == 200
    assert ana.get("/perfil", cookie=f"sessao={ana.cookie}").status == 401


def test_hsts_is_sent_where_the_inventory_says_so(browser: Browser, frontend: Box, nginx: Any) -> None:
    """Browsers remember it, so it is for public names only. Errors have it as well."""
    expected = f"max-age={nginx['nginx_hsts_seconds']}" if nginx["nginx_hsts_seconds"] else ""
    for path in ("/", "/perfil", "/missing"):
        assert browser.get(path, frontend=frontend).header("Strict-Transport-Security") == expected


def test_http_2_is_spoken_where_the_inventory_says_so(client: Box, frontend: Box, lab: Lab, nginx: Any) -> None:
    """The lab speaks HTTP/1.1, whose connections a frontend can close."""
    resolve = f"--resolve {lab.site_name}:{lab.site_port}:{frontend.address}"
    version = client.output(
        f"curl --silent --output /dev/null --write-out '%{{http_version}}' {resolve} {lab.site_url}/status"
    )
    assert version == ("2" if nginx["nginx_http2"] else "1.1")
