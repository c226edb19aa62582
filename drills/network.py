"""Faults of the network: packets that a machine drops, in an nftables table of its own."""

from __future__ import annotations

from collections.abc import Sequence

from drills.fault import Fault, arm, disarm
from lab.machines import Box

CUT_SECONDS = 15.0
TABLE = "inet revezamento_drill"
REMOVE = f"nft delete table {TABLE}"


def rules(control: str, directions: Sequence[str], peers: Sequence[str] = ()) -> str:
    """The table for nft: drops what comes from (`in`) or goes to (`out`) the peers; without peers, everybody.

    The control side's SSH always passes, so that it can be taken back; so does loopback.
    """
    chains = []
    for direction in directions:
        hook, side, device, port = {
            "in": ("input", "saddr", "iif", "dport"),
            "out": ("output", "daddr", "oif", "sport"),
        }[direction]
        family = "ip6" if ":" in control else "ip"
        chosen = f"ip {side} {{ {', '.join(peers)} }} " if peers else ""
        chains.append(
            f"  chain {direction} {{\n"
            f"    type filter hook {hook} priority -300; policy accept;\n"
            f'    {device} "lo" accept\n'
            f"    {family} {side} {control} tcp {port} 22 accept\n"
            f"    {chosen}counter drop\n"
            "  }\n"
        )
    return f"table {TABLE} {{\n{''.join(chains)}}}\n"


class Cut(Fault):
    """A machine is cut off from the rest, or from some of it; both ways, or one.

    Args:
        directions: "in" it hears nothing, "out" nobody hears it.
        peers: addresses; none for everybody.
    """

    hold_seconds = CUT_SECONDS

    def __init__(self, box: Box, directions: Sequence[str] = ("in", "out"), peers: Sequence[str] = ()) -> None:
        super().__init__(box)
        self._directions, self._peers = directions, peers

    def inject(self) -> None:
        (box,) = self.boxes
        control = box.output("echo ${SSH_CONNECTION%% *}")
        arm(box, REMOVE)
        box.root_output("printf %s | nft -f -", rules(control, self._directions, self._peers))

    def undo(self) -> None:
        (box,) = self.boxes
        box.root(REMOVE)
        assert not box.root(f"nft list table {TABLE}").succeeded, f"{box.name} is still cut off: {REMOVE}"
        disarm(box)
