"""Every frontend serves the same static pages, from its own disk, with the right headers."""

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
    """What the frontends were given to serve: content by path, compressed twins left out."""
    program = ROLES / "nginx" / "files" / "build_pages.py"
    command = [sys.executable, str(program), nginx["nginx_web_source"], nginx["nginx_web_cache"]]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    files: dict[str, bytes] = {}
    for archive in told["archives"]:
        with tarfile.open(archive) as tar:
            entries = ((entry.name, tar.extractfile(entry)) for entry in tar)
            files |= {f"/{name}": content.read() for name, content in entries if content and not name.endswith(".gz")}
    return files


@pytest.fixture(scope="session")
def lasting(pages: dict[str, bytes]) -> list[str]:
    """Paths that name their content."""
    return [path for path in pages if re.match(r"/assets/[0-9a-f]{12}/", path)]


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
    browser: Browser, frontend: Box, pages: dict[str, bytes], lasting: list[str]
) -> None:
    """A page names its assets: an old page may not stay, or a new version is never seen."""
    answers = browser.send([Request(path=path, method="HEAD", frontend=frontend) for path in ["/", *pages]])
    told = {path: answer.header("Cache-Control") for path, answer in zip(["/", *pages], answers, strict=True)}
    assert lasting
    assert {told.pop(path) for path in lasting} == {"public, max-age=31536000, immutable"}
    assert set(told.values()) == {"no-cache"}


def test_a_page_loads_only_what_is_there(front_page: Answer, lasting: list[str]) -> None:
    """A link to a file that is not there is a page without style or script."""
    assert set(re.findall(r'(?:href|src)="(/assets/[^"]+)"', front_page.body)) <= set(lasting)


def test_files_are_sent_compressed(browser: Browser, frontend: Box, pages: dict[str, bytes]) -> None:
    """Made when they were packed: nginx spends no time on it."""
    path = max((path for path in pages if path.endswith(".js")), key=lambda path: len(pages[path]))
    answer = browser.get(path, frontend=frontend, method="HEAD", headers={"Accept-Encoding": "gzip"})
    assert answer.header("Content-Encoding") == "gzip"
    assert 0 < int(answer.header("Content-Length")) < len(pages[path])
    assert "Accept-Encoding" in answer.header("Vary")


def test_the_page_shows_every_machine(browser: Browser, frontend: Box, lab: Lab) -> None:
    """A fourth backend appears on the map by itself."""
    answer = browser.get("/lab.json", frontend=frontend)
    assert answer.header("Cache-Control") == "no-cache"
    shown = {tier["name"]: [machine["name"] for machine in tier["machines"]] for tier in answer.json["tiers"]}
    assert shown == {tier: lab.names(tier) for tier in lab.tiers if tier != "clients"}


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
