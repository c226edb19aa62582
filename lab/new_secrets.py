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
from typing import Any

import yaml

PREVIOUS = "previous_secrets"
SECRET = re.compile(r"secret_(\w+)")
RANDOM_BYTES = 24


class Refused(Exception):
    """The file is not one whose secrets can be replaced; the message says why."""


def begin_text(text: str) -> str:
    """The vault with new secrets. One that has previous ones stays as it is."""
    content = content_of(text)
    if content.get(PREVIOUS):
        print(f"It has {PREVIOUS} already, so no secret was replaced: the rotation that made them goes on.")
        return text
    present = {match[1]: value for name, value in content.items() if (match := SECRET.fullmatch(str(name))) and value}
    if not present:
        raise Refused("it has no variable whose name begins with secret_")
    replaced = {f"secret_{name}": new() for name in present}
    changed = done_text(text).rstrip("\n") + "\n" + yaml.safe_dump({PREVIOUS: present}, sort_keys=False)
    for name, value in replaced.items():
        changed = re.sub(rf"(?m)^{name}:.*$", f"{name}: '{value}'", changed)
    return checked(changed, content | replaced | {PREVIOUS: present})


def done_text(text: str) -> str:
    """The vault without the secrets from before."""
    content = content_of(text)
    content.pop(PREVIOUS, None)
    return checked(re.sub(rf"(?m)^{PREVIOUS}:.*(?:\n[ \t]+.*)*(?:\n|\Z)", "", text), content)


def content_of(text: str) -> dict[str, Any]:
    content = yaml.safe_load(text)
    if not isinstance(content, dict):
        raise Refused("it is no YAML mapping of variables")
    return content


def checked(text: str, expected: dict[str, Any]) -> str:
    """The text, if it says what it should: it is changed by lines, to keep its comments, and YAML has other forms."""
    try:
        if yaml.safe_load(text) == expected:
            return text
    except yaml.YAMLError:
        pass
    raise Refused(f"each secret_… has to stand on a line of its own, and {PREVIOUS} in the form `name: value` below it")


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
    except (Refused, OSError, yaml.YAMLError) as error:
        reason = str(error) if isinstance(error, Refused) else type(error).__name__  # YAML's has the line
        print(f"error: no secret was replaced: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
