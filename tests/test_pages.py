"""What the pages name is there: files, places in other pages, targets, keys.

A page that no other page leads to is found as well.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = sorted(ROOT.glob("docs/*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
FENCE = re.compile(r"^( *)```.*?^\1```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.M)
FILE = re.compile(r"`((?:proxy|tests|config|docker|packaging|docs|\.ci)/[\w./-]+)`")
EXAMPLES = {"proxy/console/pages/catalogues/de.po"}
MAKE = re.compile(r"(?:^|`|^\| )make ([a-z][a-z-]*)", re.M)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.M)
KEY = re.compile(r"`\[([a-z_]+)\] ([a-z_]+)\b")


def anchor(heading: str) -> str:
    """The name that a heading gets on a page."""
    plain = re.sub(r"[^\w\- ]", "", heading.lower())
    return plain.strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(each) for each in HEADING.findall(FENCE.sub("", page.read_text()))}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Each link to a file of ours, and the place in it."""
    for found in LINK.finditer(FENCE.sub("", page.read_text())):
        target, _, place = (found[1] or found[2]).partition("#")
        if "://" not in target:
            yield (page.parent / target if target else page).resolve(), place


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_link_leads_to_a_file_and_to_a_heading(page: Path) -> None:
    for target, place in links(page):
        assert target.exists(), f"{page.name} leads to {target}"
        if place:
            assert place in anchors(target), f"{target.name} has no #{place}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            waiting += [x for x, _ in links(page) if x.suffix == ".md" and x.exists()]
    assert not set(DOCS) - seen
    pictures = set((ROOT / "docs/pictures").iterdir())
    shown = {target for page in PAGES for target, _ in links(page)}
    assert not pictures - shown, "nobody shows this picture"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_file_that_a_page_names_is_there(page: Path) -> None:
    for name in FILE.findall(page.read_text()):
        # ``config/reader`` is a module, as docs/architecture.md writes them.
        places = (ROOT / name, ROOT / f"{name}.py", ROOT / f"proxy/{name}.py")
        is_there = any(place.exists() for place in places) or name in EXAMPLES
        assert is_there, f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_target_that_a_page_names_is_there(page: Path) -> None:
    makefiles = (ROOT / "Makefile", ROOT / "docker/lab/lab.mk")
    known = {x for each in makefiles for x in TARGET.findall(each.read_text())}
    for name in MAKE.findall(page.read_text()):
        assert name in known, f"{page.name} names make {name}"


def keys() -> dict[str, set[str]]:
    """The keys of each section, as the shipped configuration has them, in comments too
    (``tests/config`` sees to it that it has all)."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in (ROOT / "config/waypost.toml").read_text().splitlines():
        if head := re.fullmatch(r"(?:# )?\[\[?(\w+)\]\]?", line):
            section = head[1]
        elif section and (key := re.match(r"(?:# )?(\w+) = ", line)):
            found.setdefault(section, set()).add(key[1])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_key_that_a_page_names_is_there(page: Path) -> None:
    known = keys()
    assert len(known) > 10
    for section, key in KEY.findall(page.read_text()):
        assert key in known.get(section, ()), f"{page.name} names [{section}] {key}"
