"""The certificates that the frontends serve."""

from __future__ import annotations

from lab.machines import Box, Lab


def served(client: Box, lab: Lab, shown: str = "-serial") -> dict[str, str]:
    """What openssl shows of each frontend's certificate, by default its serial number."""
    command = f"openssl s_client -connect %s -servername %s </dev/null | openssl x509 -noout {shown}"
    return {
        box.name: client.output(command, f"{box.address}:{lab.site_port}", lab.site_name)
        for box in lab.tier("frontends")
    }
