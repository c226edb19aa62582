"""New secrets, beside the ones that they replace until no machine uses these any more: `make rotate`.

    python -m lab.new_secrets PATH           begins: makes new secrets, and keeps the present ones as previous_secrets
    python -m lab.new_secrets --done PATH    ends: forgets the ones before

PATH is the folder of the lab's secrets, or a vault that ansible-vault has decrypted for its editor:

    EDITOR='python -m lab.new_secrets' ansible-vault edit inventory/production/group_vars/all/vault.yml

Both can be repeated after an interruption: what has begun goes on, and no secret that a machine may use is forgotten.
"""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from pathlib import Path

import yaml

PREVIOUS = "previous_secrets"
SECRET = re.compile(r"secret_(\w+)")
RANDOM_BYTES = 24


class CannotBegin(Exception):
    """The file is not one whose secrets can be replaced; the message says why."""


def begin_text(text: str) -> str:
    """The vault with new secrets. One that has previous ones stays as it is."""
    content = yaml.safe_load(text)
    if not isinstance(content, dict):
        raise CannotBegin("it is no YAML mapping of variables")
    if content.get(PREVIOUS):
        return text
    present = {match[1]: value for name, value in content.items() if (match := SECRET.fullmatch(str(name))) and value}
    if not present:
        raise CannotBegin("it has no variable whose name begins with secret_")
    for name, value in present.items():
        text, count = re.subn(rf"(?m)^secret_{name}:.*$", f"secret_{name}: '{new()}'", text)
        if count != 1 or yaml.safe_load(text)[f"secret_{name}"] == value:
            raise CannotBegin(f"secret_{name} does not stand on a line of its own")
    return done_text(text).rstrip("\n") + "\n" + yaml.safe_dump({PREVIOUS: present}, sort_keys=False)


def done_text(text: str) -> str:
    """The vault without the secrets from before."""
    return re.sub(rf"(?m)^{PREVIOUS}:.*\n(?:[ \t]+.*\n?)*", "", text)


def begin_folder(folder: Path) -> None:
    """Replace the secrets in the files of a folder. The record of what they were is complete before any changes."""
    record = folder / "previous.yml"
    files = [path for path in folder.iterdir() if path.suffix == ""]
    if not record.exists():
        write(record, yaml.safe_dump({path.name: read(path) for path in files}))
    previous = yaml.safe_load(record.read_text(encoding="utf-8"))
    for path in files:
        if previous.get(path.name) == read(path):
            write(path, new() + "\n")


def new() -> str:
    """A random secret, of characters that need no quotes anywhere."""
    return secrets.token_hex(RANDOM_BYTES)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8").rstrip("\n")


def write(path: Path, text: str) -> None:
    """Write a file that only its owner may read, as a whole or not at all."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab.new_secrets", description="Make new secrets beside the present."
    )
    parser.add_argument("--done", action="store_true", help="forget the ones before")
    parser.add_argument("path", type=Path, help="the folder of the lab's secrets, or a decrypted vault")
    options = parser.parse_args()
    path: Path = options.path
    try:
        if not path.is_dir():
            text = path.read_text(encoding="utf-8")
            path.write_text(done_text(text) if options.done else begin_text(text), encoding="utf-8")
        elif options.done:
            (path / "previous.yml").unlink(missing_ok=True)
        else:
            begin_folder(path)
    except (CannotBegin, OSError, yaml.YAMLError) as error:
        reason = str(error) if isinstance(error, CannotBegin) else type(error).__name__  # YAML's has the line
        print(f"error: no secret was replaced: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
