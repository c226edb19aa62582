"""Negative controls: the system with one thing wrong on purpose. An oracle that sees nothing there proves nothing
elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from drills.fault import Fault, arm, disarm
from lab.machines import Box

CONF = "/etc/nginx/nginx.conf"
KEPT = f"{CONF}.drill"
RESTORE = f"if [ -e {KEPT} ]; then mv {KEPT} {CONF} && systemctl reload nginx.service; fi"
SPOIL = (
    f"sed -i 's/proxy_next_upstream error timeout.*;/proxy_next_upstream off;/' {CONF} && "
    f"grep -q 'proxy_next_upstream off;' {CONF} && ! grep -q 'proxy_next_upstream error' {CONF} && nginx -t -q"
)
CONTROL_SECONDS = 10.0
RESTORE_SECONDS = 180


class NoNextUpstream(Fault):
    """The frontends ask no second backend, and one backend is stopped."""

    hold_seconds = CONTROL_SECONDS

    def __init__(self, frontends: Sequence[Box], backend: Box) -> None:
        super().__init__(*frontends, backend)
        self._frontends, self._backend = frontends, backend

    def prepare(self) -> None:
        for box in self._frontends:
            arm(box, RESTORE, RESTORE_SECONDS)
            box.root_output(f"[ -e {KEPT} ] || cp -a {CONF} {KEPT}; {SPOIL} && systemctl reload nginx.service")

    def inject(self) -> None:
        self._backend.root_output(f"systemctl stop {' '.join(reversed(self._backend.units))}")

    def undo(self) -> None:
        self._backend.start(*self._backend.units)

    def clean(self) -> None:
        for box in self._frontends:
            box.root_output(RESTORE)
            disarm(box)


class Hold(Fault):
    """Nothing is broken on any machine; what is wrong stands in the way (tamper.py)."""

    hold_seconds = CONTROL_SECONDS
