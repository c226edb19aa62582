"""Every frontend serves the same static files from its own disk, with the right headers."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
import subprocess
import sys
import tarfile
from typing import Any

import pytest

from lab.inventory import ROLES
from lab.machines import Box, Lab
from tests.testinfra.browser import HTML, Answer, Browser, Request


@pytest.fixture(scope="session")
def pages(nginx: Any) -> dict[str, bytes]:
    """Content of the static files by path, without the precompressed copies."""
    program = ROLES / "nginx" / "files" / "build_pages.py"
    command = [sys.executable, str(program), nginx["nginx_web_source"], nginx["nginx_web_cache"]]
    output = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    files: dict[str, bytes] = {}
    for archive in output["archives"]:
        with tarfile.open(archive) as tar:
            entries = ((entry.name, tar.extractfile(entry)) for entry in tar)
            files |= {f"/{name}": content.read() for name, content in entries if content and not name.endswith(".gz")}
    return files


@pytest.fixture(scope="session")
def immutable_paths(pages: dict[str, bytes]) -> list[str]:
    """Paths that contain a hash of their content."""
    return [path for path in pages if re.match(r"/assets/[0-9a-f]{12}/", path)]


@pytest.fixture
def front_page(browser: Browser, frontend: Box) -> Answer:
    return browser.get("/", frontend=frontend, headers=HTML)


def test_front_page_is_served(front_page: Answer, pages: dict[str, bytes]) -> None:
    """The home page is a static file on each frontend."""
    assert front_page.status == 200
    assert front_page.header("Content-Type") == "text/html; charset=utf-8"
    assert front_page.body == pages["/index.html"].decode()


def test_response_names_the_frontend(front_page: Answer, frontend: Box) -> None:
    """X-Frontend makes the round robin visible."""
    assert front_page.frontend == frontend.name
    assert front_page.backend == ""


def test_every_file_is_served_unchanged(browser: Browser, frontend: Box, pages: dict[str, bytes]) -> None:
    """A frontend with stale files would serve some visitors an old version of the site."""
    expected = {path: hashlib.sha256(content).hexdigest() for path, content in pages.items()}
    assert browser.digests(list(pages), frontend) == expected


def test_every_file_has_the_right_content_type(browser: Browser, frontend: Box, pages: dict[str, bytes]) -> None:
    """With `nosniff`, browsers ignore scripts and styles of the wrong type."""
    answers = browser.send([Request(path=path, method="HEAD", frontend=frontend) for path in pages])
    for path, answer in zip(pages, answers, strict=True):
        expected = (mimetypes.guess_type(path)[0] or "").replace("application/javascript", "text/javascript")
        found = answer.header("Content-Type").split(";")[0].replace("application/javascript", "text/javascript")
        assert found == expected, path
        assert answer.header("X-Content-Type-Options") == "nosniff"


def test_pages_are_revalidated_and_assets_are_cached(
    browser: Browser, frontend: Box, pages: dict[str, bytes], immutable_paths: list[str]
) -> None:
    """Pages link to hashed assets, so a cached page would keep loading the old version."""
    answers = browser.send([Request(path=path, method="HEAD", frontend=frontend) for path in ["/", *pages]])
    cache_control = {path: answer.header("Cache-Control") for path, answer in zip(["/", *pages], answers, strict=True)}
    assert immutable_paths
    assert {cache_control.pop(path) for path in immutable_paths} == {"public, max-age=31536000, immutable"}
    assert set(cache_control.values()) == {"no-cache"}


def test_assets_linked_from_the_front_page_exist(front_page: Answer, immutable_paths: list[str]) -> None:
    """A broken link would leave the page without styles or scripts."""
    assert set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', front_page.body)) <= set(immutable_paths)


def test_files_are_served_precompressed(browser: Browser, frontend: Box, pages: dict[str, bytes]) -> None:
    """Files are compressed at build time to save nginx the work."""
    path = max((path for path in pages if path.endswith(".js")), key=lambda path: len(pages[path]))
    answer = browser.get(path, frontend=frontend, method="HEAD", headers={"Accept-Encoding": "gzip"})
    assert answer.header("Content-Encoding") == "gzip"
    assert 0 < int(answer.header("Content-Length")) < len(pages[path])
    assert "Accept-Encoding" in answer.header("Vary")


def test_lab_json_lists_every_machine(browser: Browser, frontend: Box, lab: Lab) -> None:
    """The map on the page must follow the inventory."""
    answer = browser.get("/lab.json", frontend=frontend)
    assert answer.header("Cache-Control") == "no-cache"
    shown = {tier["name"]: [machine["name"] for machine in tier["machines"]] for tier in answer.json["tiers"]}
    assert shown == {tier: lab.names(tier) for tier in lab.tiers if tier != "clients"}
    floating = [address["name"] for address in answer.json.get("floating", [])]
    assert floating == list(frontend.vars["nginx_floating_addresses"])


def test_etag_and_date_are_the_same_on_every_frontend(browser: Browser, lab: Lab, pages: dict[str, bytes]) -> None:
    """Browsers may revalidate a cached file with another frontend than the one that served it."""
    for path in pages:
        answers = browser.send(
            [Request(path=path, method="HEAD", frontend=frontend) for frontend in lab.tier("frontends")]
        )
        assert len({(answer.header("ETag"), answer.header("Last-Modified")) for answer in answers}) == 1, path


def test_content_security_policy_is_strict(front_page: Answer) -> None:
    """The policy is the last line of defense against injected code."""
    policy = front_page.header("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_server_version_is_hidden(front_page: Answer) -> None:
    """A version number helps attackers to find known vulnerabilities."""
    assert not any(character.isdigit() for character in front_page.header("Server"))


@pytest.mark.parametrize(
    "path",
    [
        "/missing",
        "/missing.css",
        "/.git/config",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/_error/503.pt.json",
    ],
)
def test_paths_outside_the_site_are_not_found(browser: Browser, frontend: Box, path: str) -> None:
    """Only the site's files are served, and path traversal is blocked."""
    answer = browser.get(path, frontend=frontend, options=["--path-as-is"])
    assert answer.status in (400, 404)
    assert "root:" not in answer.body


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/metrics", "/metrics/", "/livez?a=b", "//livez", "/status/../metrics"]
)
def test_internal_endpoints_are_not_exposed(browser: Browser, frontend: Box, path: str) -> None:
    """Health and metrics endpoints are internal, however the path is spelled."""
    answer = browser.get(path, frontend=frontend, options=["--path-as-is"])
    assert answer.status == 404
    assert answer.backend == "", "the request reached a backend"


def test_error_matches_the_clients_format_and_language(browser: Browser, frontend: Box) -> None:
    """Browsers get HTML and other clients JSON, in Portuguese or English."""
    english = {"Accept-Language": "en-GB,en;q=0.9"}
    json_error, html_error, english_error = browser.send(
        [Request(path="/missing", frontend=frontend, headers=headers) for headers in ({}, HTML, HTML | english)]
    )
    assert json_error.header("Content-Type").startswith("application/json")
    assert "não encontrada" in json_error.json["erro"]
    assert html_error.header("Content-Type").startswith("text/html")
    assert "não encontrada" in html_error.body
    assert "not found" in english_error.body
    assert {json_error.frontend, html_error.frontend, english_error.frontend} == {frontend.name}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_pages_are_read_only(browser: Browser, frontend: Box, method: str) -> None:
    """Static files accept no writes, and TRACE could expose cookies to scripts."""
    assert browser.get("/index.html", frontend=frontend, method=method).status == 405
