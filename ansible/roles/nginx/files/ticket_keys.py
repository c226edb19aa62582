#!/usr/bin/env python3
"""The keys of TLS session tickets. All frontends derive the same ones from a secret and the time, without a message.

    ticket_keys.py start FOLDER HOURS < SECRET    writes the first keys, unless they come from this secret already
    ticket_keys.py next FOLDER HOURS              writes the keys of the present period of HOURS, counted from 1970

Each period has a value, the hash of the one before, and its key is derived from that value. FOLDER keeps the value of
the present period alone: no earlier key can be computed from it, nor the secret.

    tickets.current, tickets.previous    the two keys for nginx
    tickets.chain                        the present period and its value
    tickets.id                           tells whether the secret is another one

Prints `changed` or `unchanged`.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path

KEY_BYTES = 80  # nginx's: a name, and keys for AES-256 and HMAC-SHA256


def derive(purpose: str, value: bytes, size: int = 32) -> bytes:
    return hashlib.shake_256(purpose.encode() + b"\0" + value).digest(size)


def advance(value: bytes, periods: int) -> bytes:
    for _ in range(periods):
        value = derive("next", value)
    return value


def replace(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, as a whole or not at all."""
    temporary = path.with_suffix(path.suffix + ".new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_bytes(content)
    temporary.rename(path)


def write(folder: Path, period: int, before: bytes) -> None:
    """The files of a period, from the value of the one before."""
    value = advance(before, 1)
    replace(folder / "tickets.previous", derive("key", before, KEY_BYTES))
    replace(folder / "tickets.current", derive("key", value, KEY_BYTES))
    replace(folder / "tickets.chain", f"{period} {value.hex()}\n".encode())


def start(folder: Path, hours: int, period: int, secret: bytes) -> bool:
    identity = derive(f"id {hours}", secret).hex().encode() + b"\n"
    file = folder / "tickets.id"
    if file.exists() and file.read_bytes() == identity:
        return False
    write(folder, period, advance(derive("start", secret), period - 1))
    replace(file, identity)
    return True


def follow(folder: Path, period: int) -> bool:
    last, value = (folder / "tickets.chain").read_text().split()
    if period <= int(last):
        return False
    write(folder, period, advance(bytes.fromhex(value), period - 1 - int(last)))
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the keys of TLS session tickets.")
    parser.add_argument("action", choices=["start", "next"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("hours", type=int)
    options = parser.parse_args()
    period = int(time.time()) // (3600 * options.hours)
    if options.action == "start":
        changed = start(options.folder, options.hours, period, sys.stdin.buffer.read())
    else:
        changed = follow(options.folder, period)
    print("changed" if changed else "unchanged")


if __name__ == "__main__":
    main()
