"""The page of a score in a real browser: nothing in it runs, nothing is asked of a network."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from batch.labeling.compare import compare
from batch.labeling.finished import Finished, Labeled
from batch.labeling.gold import Gold, GoldLine
from batch.labeling.page import page
from tests.compat.browser import Scheme, asked, complaints, dom, photograph

HOSTILE = (
    "<script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title = 'ran'\">",
    '"><svg onload="document.title = \'ran\'">',
    "</style><link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "=cmd|' /C calc'!A0",
    "a\x00b\x1b[2Jc\r\nd\x9be\u202ef",
    "\u05e9\u05dc\u05d5\u05dd \u202e\u0645\u0631\u062d\u0628\u0627",
    "long" * 5_000,
)
LABELS = (*HOSTILE, "plain")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    gold = {
        str(n): GoldLine(LABELS[n % 9], f"{HOSTILE[n % 8]} in a text of line {n}")
        for n in range(90)
    }
    lines = {
        str(n): Labeled(n + 1, "label", LABELS[n % 9 if n % 4 else 0], 0.75) for n in range(80)
    }
    found = compare(Gold(gold), Finished(LABELS, lines))
    path = tmp_path / "score.html"
    path.write_text(page(f"Labels of {HOSTILE[0]}", found, [(HOSTILE[1], False)]))
    return path


def test_no_label_and_no_text_runs_and_all_of_them_can_be_read(written: Path) -> None:
    shown = dom(written)

    title = shown[shown.index("<title>") :].partition("</title>")[0]
    assert title == "<title>Labels of &lt;script&gt;document.title = 'ran'&lt;/script&gt;"
    assert shown.count("<style>") == 1
    assert not any(f"<{tag}" in shown for tag in ("script", "img", "svg", "link"))
    assert "in a text of line 4" in shown
    assert "long" * 200 not in shown
    table = shown[shown.index("<table") : shown.index("Disagreements")]
    # They would turn around what stands beside them.
    assert not {"\u202e", "\x1b", "\x9b"} & set(table)
    assert "\u05e9\u05dc\u05d5\u05dd" in table
    assert shown.count('class="same"') == len(LABELS)
    assert complaints(written) == []


def test_the_page_asks_nothing_of_any_network(written: Path) -> None:
    assert asked(written) <= {written.as_uri()}


def test_it_is_drawn_by_day_and_by_night(written: Path) -> None:
    pictures = []
    for scheme in get_args(Scheme):
        picture = written.parent / f"{scheme}.png"
        photograph(written, picture, scheme, 1000, 1400)
        pictures.append(picture.read_bytes())

    assert all(picture.startswith(b"\x89PNG") and len(picture) > 20_000 for picture in pictures)
    assert pictures[0] != pictures[1]
