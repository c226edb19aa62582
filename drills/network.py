"""Network partitions: a machine drops packets, by an nftables table of its own."""

from __future__ import annotations

from collections.abc import Sequence

from drills.fault import Fault, arm, disarm
from lab.machines import Box

PARTITION_SECONDS = 15.0
TABLE = "inet revezamento_drill"
CLAIMS_TABLE = "netdev revezamento_drill"
REMOVE = f"nft delete table {CLAIMS_TABLE} 2>/dev/null; nft delete table {TABLE}"


def rules(control: str, directions: Sequence[str], peers: Sequence[str] = ()) -> str:
    """The nftables table that drops packets from (`in`) or to (`out`) the peers, or everybody if there are none.

    Loopback and SSH from the control machine always pass, so that the partition can be undone.
    """
    chains = []
    for direction in directions:
        hook, side, device, port = {
            "in": ("input", "saddr", "iif", "dport"),
            "out": ("output", "daddr", "oif", "sport"),
        }[direction]
        family = "ip6" if ":" in control else "ip"
        selector = f"ip {side} {{ {', '.join(peers)} }} " if peers else ""
        chains.append(
            f"  chain {direction} {{\n"
            f"    type filter hook {hook} priority -300; policy accept;\n"
            f'    {device} "lo" accept\n'
            f"    {family} {side} {control} tcp {port} 22 accept\n"
            f"    {selector}counter drop\n"
            "  }\n"
        )
    return f"table {TABLE} {{\n{''.join(chains)}}}\n"


def claim_rules(own: str, device: str) -> str:
    """The table that keeps a machine from claiming addresses that float to it when it sees nobody else.

    keepalived writes its claims (gratuitous ARP) to a packet socket, which only the egress hook sees.
    """
    chain = f'type filter hook egress device "{device}" priority 0; policy accept; arp saddr ip != {own} counter drop'
    return f"table {CLAIMS_TABLE} {{\n  chain out {{\n    {chain}\n  }}\n}}\n"


class Partition(Fault):
    """A machine is cut off from all others or from some, in one direction or both.

    Args:
        directions: "in" drops what it receives, "out" what it sends.
        peers: the addresses to cut off; empty for all.
    """

    hold_seconds = PARTITION_SECONDS

    def __init__(self, box: Box, directions: Sequence[str] = ("in", "out"), peers: Sequence[str] = ()) -> None:
        super().__init__(box)
        self._directions, self._peers = directions, peers

    def inject(self) -> None:
        (box,) = self.boxes
        self.cut_off(box, self._peers)

    def cut_off(self, box: Box, peers: Sequence[str]) -> None:
        """Cut a machine off from others, or from all if no addresses are given."""
        control = box.output("echo ${SSH_CONNECTION%% *}")
        arm(box, self.undo_command(box))
        tables = rules(control, self._directions, peers)
        if "out" in self._directions and not peers:
            device = box.output(f"ip -o -4 address show to {box.address}").split()[1]
            tables += claim_rules(box.address, device)
        box.root_output("printf %s | nft -f -", tables)

    def undo_command(self, box: Box) -> str:
        """What the machine runs if the drill's process dies."""
        return REMOVE

    def undo(self) -> None:
        for box in self.boxes:
            box.root(REMOVE)
            left = box.root(f"nft list table {TABLE}").succeeded
            assert not left, f"{box.name} is still cut off. Next, there: {REMOVE}"
            disarm(box)
