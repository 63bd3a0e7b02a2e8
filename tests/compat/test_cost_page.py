"""The page of ``wbatch report --html`` in a real browser, with names that mean harm in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.browser import asked, colors, complaints, dom, photograph
from tests.report.kit import DAY, PRICES, START, report, row, write

# Each is the name of a model, a job, a tag, an endpoint and a key.
HOSTILE = (
    "<script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title = 'ran'\">",
    "</title></style></svg><svg onload=\"document.title = 'ran'\">",
    '"><link rel=stylesheet href=http://127.0.0.1:9/x.css>',
    "=cmd|' /C calc'!A0",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&#x202e;",
    "a\x00b\x1b[2Jc\r\nd\x9be\u202ef\u2028g",
    "\u05e9\u05dc\u05d5\u05dd \u202e\u0645\u0631\u062d\u0628\u0627",
    "long" * 5_000,
)
BLUE, ORANGE = bytes.fromhex("2f6db5"), bytes.fromhex("d9822b")  # the first two of a chart
PAPER = {"light": bytes.fromhex("fbfbfa"), "dark": bytes.fromhex("15181b")}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("costs")
    rows = [
        row(
            model=name,
            job=name,
            tags={name: name},
            endpoint=name,
            key=name,
            start_time=START + day * DAY,
            input_tokens=(n + 1) * 1_000_000,
            input_cached_tokens=200_000,
            output_tokens=(n + 1) * 50_000,
            num_wasted=n % 2,
            num_maybe_billed=n % 3,
        )
        for day in range(3)
        for n, name in enumerate(HOSTILE)
    ]
    write(folder / "usage.jsonl", *rows)
    (folder / "prices.toml").write_text(
        PRICES + "[prices.models.'*']\ninput_per_mtok = 1\noutput_per_mtok = 4\n"
    )
    page = folder / "page.html"
    by = ("--by", "day,model,job,tag,endpoint,key", "--tz", "UTC")
    assert report(folder, "--html", page, "--prices", folder / "prices.toml", *by) == 0
    return page


def test_no_name_runs_and_all_of_them_can_be_read(written: Path) -> None:
    shown = dom(written)

    title = shown[shown.index("<title>") :].partition("</title>")[0]
    assert title == "<title>Costs, 2026-11-01 to 2026-11-03"
    assert shown.count("<style") == 1 + 2  # the page's, and one in each chart
    assert shown.count("<svg") == 2
    assert not any(f"<{tag}" in shown for tag in ("script", "img", "link", "iframe", "object"))
    assert "&lt;script&gt;document.title" in shown
    assert "=cmd|" in shown
    assert "{{ 7 * 7 }}" in shown
    assert "longlong" in shown
    assert "long" * 100 not in shown
    # They would turn around what stands beside them, or end a line of a script.
    assert not {"\u202e", "\u2028", "\x1b", "\x9b"} & set(shown)
    assert "\u05e9\u05dc\u05d5\u05dd" in shown
    assert complaints(written) == []


def test_the_page_asks_nothing_of_any_network(written: Path) -> None:
    assert asked(written) <= {written.as_uri()}


def test_a_browser_that_is_asked_for_something_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<img src=http://127.0.0.1:9/x.png><img src=https://files.example/y.png>"
        "<script>nonsense()</script>"
    )

    assert {"http://127.0.0.1:9/x.png", "https://files.example/y.png"} <= asked(page)
    assert any("nonsense" in line for line in complaints(page))


def test_both_charts_are_drawn_by_day_and_by_night(written: Path) -> None:
    found = {}
    for scheme in ("light", "dark"):
        picture = written.parent / f"{scheme}.png"
        photograph(written, picture, scheme, 800, 1800)
        found[scheme] = colors(picture.read_bytes())

    assert all(found[scheme].most_common(2)[0][1] > 100_000 for scheme in found)
    assert found["light"][PAPER["light"]] > 50_000
    assert found["dark"][PAPER["dark"]] > 50_000
    assert min(found["light"][BLUE], found["light"][ORANGE]) > 1_000
