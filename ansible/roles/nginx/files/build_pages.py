#!/usr/bin/env python3
"""Pack the static pages for the frontends, on the control side.

    build_pages.py SOURCE OUTPUT

SOURCE holds the pages, and their scripts and styles in assets/. Every asset is packed
twice: under its own name, and in a folder named after a digest of all assets, which the
pages refer to. The content of such an address never changes, so browsers may cache it
forever. Files that compress well get a compressed copy (.gz), which nginx sends as it is.
Writes OUTPUT/<digest of all>/assets.tar and pages.tar, unless they exist.

Prints one JSON object: {"assets": "<digest of the assets>", "archives": [path, path],
"files": [names of all files except those in the folder named after the digest]}.
"""

import argparse
import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

COMPRESSIBLE = {".css", ".html", ".js", ".json", ".svg", ".txt"}
# The same everywhere, so that a page has the same modification time on every frontend.
FIXED_TIME = 1_000_000_000

Files = dict[str, bytes]


def digest(files: Files) -> str:
    """The first 12 hex digits of the SHA-256 of names and contents."""
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:12]


def read(source: Path) -> Files:
    """Every file of the folder by its relative name, except hidden ones."""
    names = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    visible = (name for name in names if not any(part.startswith(".") for part in name.parts))
    return {str(name): (source / name).read_bytes() for name in visible}


def gzip_file(content: bytes) -> bytes:
    """The same bytes on every control machine: the header names no time, and no system (Python 3.13 changed that)."""
    packed = bytearray(gzip.compress(content, mtime=0))
    packed[9] = 255
    return bytes(packed)


def with_compressed(files: Files) -> Files:
    """The files, and a compressed copy of each that gets smaller."""
    compressed = {
        f"{name}.gz": gzip_file(content) for name, content in files.items() if Path(name).suffix in COMPRESSIBLE
    }
    smaller = {name: copy for name, copy in compressed.items() if len(copy) < len(files[name[:-3]])}
    return files | smaller


def folders(files: Files) -> Iterator[str]:
    for name in files:
        yield from (str(folder) for folder in Path(name).parents if str(folder) != ".")


def pack(files: Files, archive: Path) -> None:
    with tarfile.open(archive, "w") as tar:
        for name in sorted({*folders(files), *files}):
            entry = tarfile.TarInfo(name)
            entry.mtime = FIXED_TIME
            if name in files:
                entry.mode, entry.size = 0o644, len(files[name])
                tar.addfile(entry, io.BytesIO(files[name]))
            else:
                entry.mode, entry.type = 0o755, tarfile.DIRTYPE
                tar.addfile(entry)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack the static pages for the frontends.")
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()

    files = read(options.source)
    if "index.html" not in files:
        raise SystemExit(f"error: {options.source} has no index.html: nginx_web_source is the folder of the pages")
    assets = {name: content for name, content in files.items() if name.startswith("assets/")}
    version = digest(assets)
    versioned = {name.replace("assets/", f"assets/{version}/", 1): content for name, content in assets.items()}
    pages = {
        name: content.replace(b'"/assets/', f'"/assets/{version}/'.encode()) if name.endswith(".html") else content
        for name, content in files.items()
        if name not in assets
    }

    assets, versioned, pages = (with_compressed(group) for group in (assets, versioned, pages))
    folder = options.output.resolve() / digest(assets | versioned | pages)
    if not folder.exists():
        options.output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=options.output) as temporary:
            unfinished = Path(temporary) / "pages"
            unfinished.mkdir()
            pack(assets | versioned, unfinished / "assets.tar")
            pack(pages, unfinished / "pages.tar")
            unfinished.rename(folder)
    archives = [str(folder / name) for name in ("assets.tar", "pages.tar")]
    print(json.dumps({"assets": version, "archives": archives, "files": sorted(assets | pages)}))


if __name__ == "__main__":
    main()
