"""The page: one file, still, small, and harmless whatever names are in it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.report.kit import DAY, PRICES, START, report, row, write

SCRIPT = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
FORMULA = "=cmd()"


class Reader(HTMLParser):
    """Notes elements, attributes and words."""

    def __init__(self):
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    handle_startendtag = handle_starttag

    def handle_data(self, data):
        self.words += data


def page(tmp_path, *rows, args=()) -> tuple[str, Reader]:
    write(tmp_path / "usage.jsonl", *rows)
    (tmp_path / "prices.toml").write_text(PRICES + "[prices.models.'*']\ninput_per_mtok = 1\n")
    target = tmp_path / "page.html"
    prices = ("--prices", tmp_path / "prices.toml")
    assert report(tmp_path, "--html", target, *prices, "--tz", "UTC", *args) == 0
    text = target.read_text()
    reader = Reader()
    reader.feed(text)
    return text, reader


HOSTILE = [
    row(model=name, tags={"team": name}, job=name, start_time=START + number * DAY)
    for number, name in enumerate((SCRIPT, FORMULA, "gpt-4o"))
]


@pytest.mark.parametrize("by", ["model", "tag:team", "job,tag"])
def test_no_name_becomes_an_element_or_an_attribute(tmp_path, by):
    _, read = page(tmp_path, *HOSTILE, args=("--by", by))

    assert not {"script", "img", "iframe", "object", "link"} & set(read.elements)
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert SCRIPT in read.words
    assert FORMULA in read.words


def test_nothing_is_asked_of_anybody(tmp_path):
    text, read = page(tmp_path, *HOSTILE)

    assert not [value for name, value in read.attributes if name in ("src", "href", "xlink:href")]
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "url(" not in text


def test_it_has_both_charts_and_is_light_or_dark_as_the_reader_likes(tmp_path):
    text, read = page(tmp_path, *HOSTILE)

    assert read.elements.count("svg") == 2
    assert "prefers-color-scheme: dark" in text


def test_a_year_of_twenty_models_stays_under_a_megabyte(tmp_path):
    rows = [
        row(start_time=START + day * DAY, model=f"model-{number}")
        for day in range(366)
        for number in range(20)
    ]

    text, _ = page(tmp_path, *rows, args=("--by", "day,model"))

    assert len(text) < 1_000_000


@pytest.mark.parametrize("rows", [[], [row(model="m", input_tokens=None)]])
def test_without_costs_or_without_anything_it_is_a_page_all_the_same(tmp_path, rows):
    _, read = page(tmp_path, *rows)

    assert "No price is known of anything here." in read.words
    assert "svg" not in read.elements
