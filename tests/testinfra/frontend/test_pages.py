"""Every frontend serves the same static pages, from its own disk, with the right headers."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import Any

import pytest

from tests.testinfra.browser import HTML, Answer, Browser, Request
from tests.testinfra.lab import Box, Lab


@pytest.fixture(scope="session")
def pages(nginx: Any) -> dict[str, bytes]:
    """What the frontends were given to serve: content by path."""
    source = Path(nginx["nginx_web_source"])
    return {f"/{file.relative_to(source)}": file.read_bytes() for file in source.rglob("*") if file.is_file()}


@pytest.fixture
def front_page(browser: Browser, frontend: Box) -> Answer:
    return browser.get("/", frontend=frontend, headers=HTML)


def test_the_front_page_is_there(front_page: Answer, pages: dict[str, bytes]) -> None:
    """This is what a user sees first."""
    assert front_page.status == 200
    assert front_page.header("Content-Type") == "text/html; charset=utf-8"
    assert front_page.body == pages["/index.html"].decode()


def test_an_answer_tells_which_frontend_gave_it(front_page: Answer, frontend: Box) -> None:
    """Whoever demonstrates the round robin reads it here."""
    assert front_page.frontend == frontend.name
    assert front_page.backend == ""


def test_every_file_is_served_as_it_was_written(browser: Browser, frontend: Box, pages: dict[str, bytes]) -> None:
    """A frontend with an older copy shows another site on every third visit."""
    expected = {path: hashlib.sha256(content).hexdigest() for path, content in pages.items()}
    assert browser.digests(list(pages), frontend) == expected


def test_every_file_has_its_type(browser: Browser, frontend: Box, pages: dict[str, bytes]) -> None:
    """With `nosniff` a browser runs no script and applies no style of the wrong type."""
    answers = browser.send([Request(path=path, method="HEAD", frontend=frontend) for path in pages])
    for path, answer in zip(pages, answers, strict=True):
        expected = (mimetypes.guess_type(path)[0] or "").replace("application/javascript", "text/javascript")
        found = answer.header("Content-Type").split(";")[0].replace("application/javascript", "text/javascript")
        assert found == expected, path
        assert answer.header("X-Content-Type-Options") == "nosniff"


def test_pages_are_asked_for_again_and_assets_are_kept(
    browser: Browser, frontend: Box, pages: dict[str, bytes]
) -> None:
    """A page names its assets: an old page may not stay, or a new version is never seen."""
    page, *assets = browser.send(
        [
            Request(path=path, method="HEAD", frontend=frontend)
            for path in ["/", *(p for p in pages if not p.endswith(".html"))]
        ]
    )
    assert page.header("Cache-Control") == "no-cache"
    assert all("max-age=" in asset.header("Cache-Control") for asset in assets)


def test_frontends_agree_on_what_identifies_a_file(browser: Browser, lab: Lab, pages: dict[str, bytes]) -> None:
    """A browser that kept a file of one frontend asks the next whether it changed: one file, one ETag and date."""
    for path in pages:
        answers = browser.send(
            [Request(path=path, method="HEAD", frontend=frontend) for frontend in lab.tier("frontends")]
        )
        assert len({(answer.header("ETag"), answer.header("Last-Modified")) for answer in answers}) == 1, path


def test_a_page_runs_no_foreign_code(front_page: Answer) -> None:
    """The content security policy is what stands when everything else has failed."""
    policy = front_page.header("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_it_does_not_tell_its_version(front_page: Answer) -> None:
    """A version tells which holes to try."""
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
def test_what_is_no_page_is_not_found(browser: Browser, frontend: Box, path: str) -> None:
    """Nothing beside the pages is on offer, and the way up out of their folder is closed."""
    answer = browser.get(path, frontend=frontend, options=["--path-as-is"])
    assert answer.status in (400, 404)
    assert "root:" not in answer.body


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/metrics", "/metrics/", "/livez?a=b", "//livez", "/status/../metrics"]
)
def test_the_inside_is_not_shown_outside(browser: Browser, frontend: Box, path: str) -> None:
    """Health and metrics are for machines of the inside, however their path is written."""
    answer = browser.get(path, frontend=frontend, options=["--path-as-is"])
    assert answer.status == 404
    assert answer.backend == "", "a backend was asked"


def test_an_error_speaks_the_clients_format_and_language(browser: Browser, frontend: Box) -> None:
    """A person gets a page and a program gets JSON, in Portuguese or in English."""
    english = {"Accept-Language": "en-GB,en;q=0.9"}
    program, person, foreigner = browser.send(
        [Request(path="/missing", frontend=frontend, headers=headers) for headers in ({}, HTML, HTML | english)]
    )
    assert program.header("Content-Type").startswith("application/json")
    assert "não encontrada" in program.json["erro"]
    assert person.header("Content-Type").startswith("text/html")
    assert "não encontrada" in person.body
    assert "not found" in foreigner.body
    assert {program.frontend, person.frontend, foreigner.frontend} == {frontend.name}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
def test_pages_are_only_read(browser: Browser, frontend: Box, method: str) -> None:
    """A page has nothing to be changed; TRACE would show cookies to scripts."""
    assert browser.get("/index.html", frontend=frontend, method=method).status == 405
