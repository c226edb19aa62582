"""Chromium on the client machine, driven from here: it uses the client's resolver.

with chromium(lab["client"]) as browser:
    page = browser.new_page()
    page.goto("http://www.meutrabalho.com.br")
"""

from __future__ import annotations

import shlex
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from lab.machines import Box
from lab.waiting import wait_until

UNIT = "revezamento-browser"
DEBUGGING_PORT = 9222
LIFETIME_SECONDS = 1800
"""The browser exits after this time, even if the test that started it is gone."""

START_SECONDS = 60


@contextmanager
def chromium(client: Box) -> Iterator[Browser]:
    """A headless browser on that machine, running as its login user."""
    with _running(client), client.forwarded(DEBUGGING_PORT) as port, sync_playwright() as playwright:
        endpoint = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(f"{endpoint}/json/version"), "Chromium on the client answers", START_SECONDS)
        yield playwright.chromium.connect_over_cdp(endpoint)


@contextmanager
def _running(client: Box) -> Iterator[None]:
    assert client.run("command -v chromium").succeeded, "the client has no browser. Next: make verify"
    user = client.vars["ansible_user"]
    unit = ["--quiet", "--collect", f"--unit={UNIT}", f"--uid={user}", f"--property=RuntimeMaxSec={LIFETIME_SECONDS}"]
    command = [
        "chromium",
        "--headless=new",
        "--hide-scrollbars",
        f"--remote-debugging-port={DEBUGGING_PORT}",
        "--no-first-run",
    ]
    command += ["--disable-background-networking", f"--user-data-dir=/tmp/{UNIT}", "about:blank"]
    stop = f"systemctl stop {UNIT} 2>&1; rm -rf /tmp/{UNIT}"
    client.root(stop)  # left over from an interrupted run
    client.root_output(shlex.join(["systemd-run", *unit, *command]))
    try:
        yield
    finally:
        client.root(stop)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
