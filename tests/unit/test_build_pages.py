"""Packing the static pages for the frontends."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab.inventory import ROLES

PAGE = '<link href="/assets/style.css"><script src="/assets/main.js"></script>'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A site with one page, which loads a style and a script."""
    folder = tmp_path / "web"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "assets" / "style.css").write_text("body { margin: 0 }\n" * 20)
    (folder / "assets" / "main.js").write_text("import './map.js'\n")
    (folder / "assets" / ".main.js.swp").write_text("an editor's backup")
    return folder


def build(source: Path) -> subprocess.CompletedProcess[str]:
    program = ROLES / "nginx" / "files" / "build_pages.py"
    command = [sys.executable, str(program), str(source), str(source.parent / "packed")]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def built(source: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The program's result, and every file that it packed."""
    result = json.loads(build(source).stdout)
    files: dict[str, bytes] = {}
    for archive in result["archives"]:
        with tarfile.open(archive) as tar:
            files |= {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}  # type: ignore[union-attr]
    return result, files


def test_a_page_loads_versioned_assets(source: Path) -> None:
    """Browsers may cache a versioned address forever, and see a new version at once."""
    result, files = built(source)
    page = files["index.html"].decode()
    assert f'href="/assets/{result["assets"]}/style.css"' in page
    assert files[f"assets/{result['assets']}/style.css"] == (source / "assets" / "style.css").read_bytes()


def test_assets_are_also_packed_under_their_own_names(source: Path) -> None:
    """Pages of the backends and nginx's error pages do not know the digest."""
    _, files = built(source)
    assert files["assets/main.js"] == (source / "assets" / "main.js").read_bytes()


def test_a_changed_asset_changes_the_version(source: Path) -> None:
    """A cached old asset must not appear under the new address."""
    before, _ = built(source)
    (source / "assets" / "main.js").write_text("import './other.js'\n")
    after, files = built(source)
    assert before["assets"] != after["assets"]
    assert not [name for name in files if before["assets"] in name]


def test_files_that_compress_well_have_a_compressed_copy(source: Path) -> None:
    """nginx sends the copy as it is; a file that would grow has none."""
    _, files = built(source)
    assert gzip.decompress(files["assets/style.css.gz"]) == files["assets/style.css"]
    assert len(files["assets/style.css.gz"]) < len(files["assets/style.css"])
    assert "assets/main.js.gz" not in files


def test_the_same_pages_give_the_same_archives(source: Path) -> None:
    """A second run of the playbook changes nothing."""
    first, _ = built(source)
    contents = [Path(archive).read_bytes() for archive in first["archives"]]
    shutil.rmtree(Path(first["archives"][0]).parent)
    second, _ = built(source)
    assert first == second
    assert [Path(archive).read_bytes() for archive in second["archives"]] == contents


def test_hidden_files_are_not_packed(source: Path) -> None:
    """Files of editors and of git must not be published."""
    _, files = built(source)
    assert not [name for name in files if "swp" in name]


def test_a_folder_without_a_page_is_refused(tmp_path: Path) -> None:
    """A wrong path would remove the pages from the frontends."""
    run = build(tmp_path / "web")
    assert run.returncode == 1
    assert "has no index.html" in run.stderr
    assert "nginx_web_source" in run.stderr
