"""The pages of the documentation lead to one another, and nowhere else than to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import DOCS, READMES, ROOT

PAGES = [*(ROOT / name for name in READMES), *sorted(DOCS.glob("*.md"))]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def text_of(path: Path) -> str:
    """Return a page without its blocks, in which brackets are no links and signs no headings."""
    return re.sub(
        r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def links(path: Path) -> list[tuple[Path, str]]:
    """Return where a page leads within this project: file and heading."""
    found = [link for link in LINK.findall(text_of(path)) if "://" not in link]
    parts = [link.partition("#") for link in found]
    return [((path.parent / to).resolve() if to else path, head) for to, _, head in parts]


def anchors(path: Path) -> set[str]:
    """Return the names of the headings of a page, as GitHub makes them."""
    plain = [re.sub(r"[^\w\- ]", "", head.lower()) for head in HEADING.findall(text_of(path))]
    return {head.strip().replace(" ", "-") for head in plain}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_link_leads_to_a_file_and_a_heading_that_are_there(path: Path) -> None:
    missing = [
        (to.name, head)
        for to, head in links(path)
        if not to.exists() or (head and head not in anchors(to))
    ]

    assert missing == []


@pytest.mark.parametrize("readme", READMES)
def test_every_page_is_reached_from_the_readme(readme: str) -> None:
    reached: set[Path] = set()
    ahead = [ROOT / readme]
    while ahead:
        path = ahead.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        ahead += [to for to, _ in links(path) if to.exists()]

    assert set(DOCS.glob("*.md")) <= reached
