"""A name server answers nobody as fast as they ask: forged questions must not flood a third party."""

from __future__ import annotations

import pytest

from lab.machines import Box, Lab

pytestmark = pytest.mark.disruptive

BURST = """
import json, socket, struct, sys, time
address, port, name, count = json.load(sys.stdin)
question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\\0" + struct.pack("!HH", 1, 1)
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.settimeout(2)
whole = truncated = 0
for number in range(count):
    link.sendto(struct.pack("!HHHHHH", number, 0, 1, 0, 0, 0) + question, (address, port))
try:
    while True:
        flags = link.recv(4096)[2]
        truncated += bool(flags & 2)
        whole += not flags & 2
except TimeoutError:
    print(json.dumps([whole, truncated]))
"""


def test_a_burst_of_equal_questions_is_limited(client: Box, nameserver: Box, lab: Lab) -> None:
    """What is left out is dropped, or sent back with the invitation to ask by TCP, which cannot be forged."""
    limit = int(nameserver.role("bind")["bind_responses_per_second"])
    asked = 10 * limit
    port = int(lab.vars["bind_port"])
    whole, truncated = client.python(BURST, [nameserver.address, port, lab.site_name, asked])
    assert 0 < whole < asked / 2
    assert truncated > 0
    by_tcp = client.output(f"dig @{nameserver.address} +tcp +short {lab.site_name} A").split()
    assert set(by_tcp) == set(lab.www_addresses)
