"""The documentation matches the repository: every link resolves, and every `make` target it names exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from lab.inventory import ROOT

PAGES = [ROOT / "README.md", ROOT / "README.pt-BR.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(rf"{FENCE.pattern}|`[^`\n]+`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"""\]\(([^)\s]+)\)|(?:src|href)="([^"]+)\"""")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
COMMAND = re.compile(r"\bmake +([a-z][a-z-]*)")
TARGET = re.compile(r"^([a-z][a-z-]*):(?!=)", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: set[str] = set()
    for title in HEADING.findall(FENCE.sub("", text)):
        visible = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", visible.lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def links(text: str) -> list[str]:
    """The targets of the links and images that stay inside the repository."""
    targets = [target or attribute for target, attribute in LINK.findall(CODE.sub("", text))]
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def broken_links(page: Path, text: str) -> Iterator[str]:
    """One sentence for each link of a page that does not resolve."""
    for target in links(text):
        name, _, anchor = target.partition("#")
        path = (page.parent / unquote(name)).resolve() if name else page
        if not path.is_relative_to(ROOT) or (path != page and not path.exists()):
            yield f"{target}: no such file"
        elif anchor and anchor not in anchors(text if path == page else path.read_text(encoding="utf-8")):
            yield f"{target}: no such heading"


@cache
def targets() -> frozenset[str]:
    """The targets of the Makefile."""
    return frozenset(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))


def unknown_targets(text: str) -> set[str]:
    """The targets of `make` commands in code that the Makefile does not have."""
    return {target for code in CODE.findall(text) for target in COMMAND.findall(code)} - targets()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_resolves(page: Path) -> None:
    """A reader who follows a link finds the file and the section."""
    assert list(broken_links(page, page.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    """A reader who copies a command can run it."""
    assert unknown_targets(page.read_text(encoding="utf-8")) == set()


def test_every_page_is_linked_from_the_readme() -> None:
    """Readers start at the README, so a page that is not linked from there, directly or indirectly, is not read."""
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            names = (target.partition("#")[0] for target in links(page.read_text(encoding="utf-8")))
            waiting += [(page.parent / name).resolve() for name in names if name]
    assert set(PAGES) - reached == set()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[x](missing.md)", "missing.md: no such file"),
        ("[x](../../outside.md)", "../../outside.md: no such file"),
        ("![x](screenshots/missing.png)", "screenshots/missing.png: no such file"),
        ('<img src="missing.png">', "missing.png: no such file"),
        ("# Here\n[x](#there)", "#there: no such heading"),
        ("[x](../README.md#there)", "../README.md#there: no such heading"),
        ("```sh\n# there\n```\n[x](#there)", "#there: no such heading"),
    ],
)
def test_a_broken_link_is_reported(text: str, problem: str) -> None:
    """The check can fail."""
    assert list(broken_links(ROOT / "docs" / "page.md", text)) == [problem]


@pytest.mark.parametrize(
    "text",
    [
        "# Why `nginx -t`?\n[x](#why-nginx--t)",
        "# Twice\n# Twice\n[x](#twice-1)",
        "# A [link](../README.md)\n[x](#a-link)",
        "`[x](missing.md)`",
        "[x](https://example.com/missing.md)",
    ],
)
def test_a_good_link_passes(text: str) -> None:
    """Anchors follow GitHub's rules; code and links to other sites are ignored."""
    assert list(broken_links(ROOT / "docs" / "page.md", text)) == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("`make upp`", {"upp"}),
        ("```sh\nLAB_SUBNET=192.168.57 make upp\n```", {"upp"}),
        ("`make up`, then make sure that it answers", set()),
        ("`sudo apt install git make`", set()),
    ],
)
def test_an_unknown_target_is_reported(text: str, unknown: set[str]) -> None:
    """Only code counts: the word `make` in prose is not a command."""
    assert unknown_targets(text) == unknown


def in_english(page: Path, target: str) -> str:
    """A link of a page as its English original has it. Headings of a page that is translated have other anchors."""
    name, _, anchor = target.partition("#")
    original = name.replace(".pt-BR.md", ".md")
    is_translated = (page.parent / original.replace(".md", ".pt-BR.md")).exists()
    return original if is_translated or not anchor else f"{original}#{anchor}"


def outline(page: Path) -> list[str]:
    """What a translation has in common with its original: levels of headings, commands, code, links and figures."""
    text = page.read_text(encoding="utf-8")
    fences = [re.sub(r" +#.*", "", block) for block in FENCE.findall(text)]
    prose = FENCE.sub("", text)
    levels = re.findall(r"^(#+) ", prose, re.MULTILINE)
    lists = re.findall(r"^(?:- |> )", prose, re.MULTILINE)
    figures = sorted(re.findall(r"\b\d+(?:\.\d+)*(?: [GM]B)?\b", CODE.sub("", prose)))
    targets = sorted(in_english(page, target) for target in links(text) if not target.startswith("README"))
    return [*fences, *levels, *lists, *figures, *targets, *sorted(set(re.findall(r"`[^`\n]+`", prose)))]


def test_the_translation_says_the_same() -> None:
    """Whoever changes the README changes the Portuguese one as well."""
    assert outline(ROOT / "README.pt-BR.md") == outline(ROOT / "README.md")
