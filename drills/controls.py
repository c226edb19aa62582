"""Negative controls: something is wrong on purpose, and the oracle must notice.

An oracle that misses it proves nothing in the other drills.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drills.browser import Answer, Browser, Reply, Site
from drills.fault import Fault, arm, disarm
from drills.resolver import Resolve
from lab.machines import Box

CONF = "/etc/nginx/nginx.conf"
BACKUP = f"{CONF}.drill"
RESTORE = f"if [ -e {BACKUP} ]; then mv {BACKUP} {CONF} && systemctl reload nginx.service; fi"
DISABLE_NEXT_UPSTREAM = (
    f"sed -i 's/proxy_next_upstream error timeout.*;/proxy_next_upstream off;/' {CONF} && "
    f"grep -q 'proxy_next_upstream off;' {CONF} && ! grep -q 'proxy_next_upstream error' {CONF} && nginx -t -q"
)
CONTROL_SECONDS = 10.0
RESTORE_SECONDS = 180


class NoNextUpstream(Fault):
    """The frontends do not try another backend, and one backend is stopped."""

    hold_seconds = CONTROL_SECONDS

    def __init__(self, frontends: Sequence[Box], backend: Box) -> None:
        super().__init__(*frontends, backend)
        self._frontends, self._backend = frontends, backend

    def prepare(self) -> None:
        for box in self._frontends:
            arm(box, RESTORE, RESTORE_SECONDS)
            box.root_output(
                f"[ -e {BACKUP} ] || cp -a {CONF} {BACKUP}; {DISABLE_NEXT_UPSTREAM} && systemctl reload nginx.service"
            )

    def inject(self) -> None:
        self._backend.root_output(f"systemctl stop {' '.join(reversed(self._backend.units))}")

    def undo(self) -> None:
        self._backend.start(*self._backend.units)

    def clean_up(self) -> None:
        for box in self._frontends:
            box.root_output(RESTORE)
            disarm(box)


class FakeLogout(Fault):
    """A logout looks successful to the user but never reaches a backend."""

    hold_seconds = CONTROL_SECONDS

    def make_browser(self, site: Site, resolve: Resolve) -> Browser:
        return FakeLogoutBrowser(site, resolve)


class FakeLogoutBrowser(Browser):
    """Answers a logout itself."""

    async def ask(self, method: str, path: str, **options: Any) -> Reply:
        if path == "/logout":
            return Reply(Answer(204))
        return await super().ask(method, path, **options)


class SwappedSessions(Fault):
    """The first two users send each other's cookie."""

    hold_seconds = CONTROL_SECONDS

    def __init__(self) -> None:
        super().__init__()
        self._pair: list[Browser] = []

    def make_browser(self, site: Site, resolve: Resolve) -> Browser:
        if len(self._pair) == 2:
            return super().make_browser(site, resolve)
        self._pair.append(SwappedBrowser(site, resolve, self._pair))
        return self._pair[-1]


class SwappedBrowser(Browser):
    """Asks for the profile with the other browser's cookie while both users are logged in."""

    def __init__(self, site: Site, resolve: Resolve, pair: Sequence[Browser]) -> None:
        super().__init__(site, resolve)
        self._pair = pair

    async def ask(self, method: str, path: str, **options: Any) -> Reply:
        if path == "/perfil" and "cookies" not in options and all(browser.cookies for browser in self._pair):
            (other,) = (browser for browser in self._pair if browser is not self)
            options["cookies"] = other.cookies
        return await super().ask(method, path, **options)
