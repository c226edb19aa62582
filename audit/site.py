"""What the scanners look at: the lab that is up, and the ways to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audit.finding import ScanError
from lab.machines import Box, Lab


@dataclass(frozen=True)
class Site:
    """The lab, and a folder for what the scanners print."""

    lab: Lab
    raw: Path

    def keep(self, name: str, text: str) -> str:
        """Write a scanner's output to a file, for people; return it."""
        (self.raw / name).write_text(text, encoding="utf-8")
        return text

    @property
    def client(self) -> Box:
        """The user's computer from which the network and the site are scanned."""
        clients = self.lab.tier("clients")
        if not clients:
            raise ScanError("the inventory has no machine in `clients` to scan from")
        return clients[0]

    @property
    def is_https(self) -> bool:
        return bool(self.lab.vars["site_is_https"])

    @property
    def address(self) -> str:
        """The first of the site's addresses. This computer does not ask the lab's DNS."""
        return self.lab.www_addresses[0]

    @property
    def url(self) -> str:
        """The site by that address."""
        return f"{self.lab.vars['site_scheme']}://{self.address}:{self.lab.site_port}"
