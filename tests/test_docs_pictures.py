"""The pictures of the documents are there, by day and by night, and are not too large to load."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = {one.name: one.read_bytes() for one in (DOCS / "pictures").iterdir()}


def test_each_picture_is_shown_by_a_page_and_each_that_is_shown_is_there() -> None:
    pages = "".join(one.read_text(encoding="utf-8") for one in DOCS.glob("*.md"))

    assert set(re.findall(r"pictures/([\w-]+\.png)", pages)) == set(PICTURES)


def test_each_is_there_by_day_and_by_night() -> None:
    names = {name.removesuffix("-light.png").removesuffix("-dark.png") for name in PICTURES}

    assert {f"{name}-{scheme}.png" for name in names for scheme in ("light", "dark")} == set(
        PICTURES
    )


def test_each_is_a_picture_of_less_than_200_kilobytes() -> None:
    for name, data in PICTURES.items():
        assert data.startswith(b"\x89PNG"), name
        assert len(data) < 200_000, name
