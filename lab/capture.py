"""Records the packets of a machine with its own tcpdump, over SSH: `make capture`.

    python -m lab.capture frontend1 --filter 'port 80' --out .lab/captures/frontend1.pcap
    python -m lab.capture frontend1 --out - | wireshark -k -i -

Ends with Ctrl-C, after --seconds, or after --packets. The packets of SSH itself are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from lab.inventory import ROOT, Inventory
from lab.machines import Box, Lab
from lab.waiting import SLOW

FOLDER = ROOT / ".lab" / "captures"
END_SECONDS = 10 * SLOW
SSH = "tcp port 22"

# The end of stdin ends the capture, also if this program or its connection dies. Without the immediate mode, packets
# of the last second would be lost.
RECORD = """\
exec 3<&0
tcpdump -n -U --immediate-mode -w - -i {interface} {limit} {expression} & pid=$!
{{ cat <&3; kill -TERM $pid; }} >/dev/null 2>&1 & watcher=$!
wait $pid; code=$?
kill $watcher 2>/dev/null
exit $code"""

INSTALL = (
    "command -v tcpdump >/dev/null || { apt-get -qq update && "
    "DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends tcpdump >/dev/null; }"
)


class CaptureError(RuntimeError):
    """Nothing was recorded; the message says why, and what to do."""


def install(box: Box) -> None:
    """Install tcpdump unless it is there. No role does, and none removes it: few machines ever need it."""
    done = box.root(INSTALL)
    if done.failed:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise CaptureError(f"tcpdump cannot be installed on {box.name}: {reason}. Remedy: docs/troubleshooting.md")


def interface_of(box: Box) -> str:
    """The network interface that has the machine's address in the lab; virtual machines have two."""
    interfaces = json.loads(box.output("ip -json -4 address show"))
    for interface in interfaces:
        if any(entry.get("local") == box.address for entry in interface["addr_info"]):
            return str(interface["ifname"])
    raise CaptureError(f"{box.name} has no interface with {box.address}. Remedy: make up")


def command(interface: str, expression: str = "", packets: int = 0) -> str:
    """The shell command that writes packets to stdout as root, until the end of stdin."""
    wanted = f"({expression}) and not {SSH}" if expression else f"not {SSH}"
    limit = f"-c {packets}" if packets else ""
    script = RECORD.format(interface=shlex.quote(interface), limit=limit, expression=shlex.quote(wanted))
    return f"sudo -n sh -c {shlex.quote(script)}"


def record(box: Box, out: Path | None, expression: str = "", seconds: float = 0, packets: int = 0) -> None:
    """Write packets to a file, or to stdout, until Ctrl-C, or that many seconds or packets; 0 is no limit.

    Raises:
        CaptureError: tcpdump could not record; its own message is on stderr.
    """
    install(box)
    remote = command(interface_of(box), expression, packets)
    with contextlib.ExitStack() as stack:
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
        target = stack.enter_context(out.open("wb")) if out else None
        # A session of its own: Ctrl-C must reach this program only, which then ends the capture in order.
        process = box.start_command(remote, stdin=subprocess.PIPE, stdout=target, start_new_session=True)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(seconds or None)
        assert process.stdin
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        code = process.wait(END_SECONDS)
    if code:
        if out:
            out.unlink()
        raise CaptureError(f"tcpdump on {box.name} ended with {code}. Remedy: see above; FILTER='port 80' is a filter")


def main(arguments: Sequence[str] | None = None) -> int:
    """Record packets; return 0, or 2 if that was not possible."""
    parser = argparse.ArgumentParser(prog="make capture", description="Record the packets of a machine.")
    parser.add_argument("host", nargs="?", default="")
    parser.add_argument("--filter", default="", help="an expression of tcpdump, such as 'port 80'")
    parser.add_argument("--out", default="", help="a file, or - for stdout; default: a new file in .lab/captures")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--packets", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.seconds < 0 or options.packets < 0:
        parser.error("SECONDS and PACKETS must be positive, as in make capture HOST=frontend1 SECONDS=10")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = Lab(Inventory.load())
    try:
        names = lab.names("all")
        if options.host not in names:
            problem = f"there is no machine {options.host!r}" if options.host else "no machine given"
            raise CaptureError(f"{problem}. Remedy: make capture HOST=… with one of: {' '.join(names)}")
        default = FOLDER / f"{options.host}-{datetime.now():%Y%m%d-%H%M%S}.pcap"
        out = None if options.out == "-" else Path(options.out or default)
        if problem := lab[options.host].problem():
            raise CaptureError(f"{options.host} does not answer: {problem}. Remedy: make status")
        if out:
            end = f"after {options.seconds:g} s, or with" if options.seconds else "with"
            print(f"Recording {options.host} until it ends {end} Ctrl-C", file=sys.stderr, flush=True)
        record(lab[options.host], out, options.filter, options.seconds, options.packets)
        if out:
            shown = out.relative_to(ROOT) if out.is_relative_to(ROOT) else out
            read = f"make ssh HOST={options.host} CMD='tcpdump -n -A -r -' < {shown}"
            print(f"Written to {shown}. Open it with Wireshark, or: {read}", file=sys.stderr)
    except CaptureError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # before it recorded anything
    finally:
        lab.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
