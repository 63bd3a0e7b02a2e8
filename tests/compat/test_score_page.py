"""The page of a score in a real browser: nothing in it runs, nothing is asked of a network."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from batch.labeling.compare import compare
from batch.labeling.finished import Finished, Labeled
from batch.labeling.gold import Gold, GoldLine
from batch.labeling.page import page

BROWSER = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1000,1400")
HOSTILE = (
    "<script>document.title = 'ran'</script>",
    "<img src=x onerror=\"document.title = 'ran'\">",
    '"><svg onload="document.title = \'ran\'">',
    "</style><link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "=cmd|' /C calc'!A0",
)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    labels = (*HOSTILE, "plain")
    gold = {
        str(n): GoldLine(labels[n % 6], f"{HOSTILE[n % 5]} in a text of line {n}")
        for n in range(90)
    }
    lines = {
        str(n): Labeled(n + 1, "label", labels[n % 6 if n % 4 else 0], 0.75) for n in range(80)
    }
    found = compare(Gold(gold, 0), Finished(labels, lines))
    path = tmp_path / "score.html"
    path.write_text(page(f"Labels of {HOSTILE[0]}", found, [(HOSTILE[1], False)]))
    return path


def browse(folder: Path, *flags: str) -> str:
    command = [*BROWSER, f"--user-data-dir={folder / 'profile'}", *flags]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stdout.decode()


def test_no_label_and_no_text_runs_and_all_of_them_can_be_read(written: Path) -> None:
    dom = browse(written.parent, "--dump-dom", "--virtual-time-budget=3000", written.as_uri())

    title = dom[dom.index("<title>") :].partition("</title>")[0]
    assert title == "<title>Labels of &lt;script&gt;document.title = 'ran'&lt;/script&gt;"
    assert dom.count("<style>") == 1
    assert not any(f"<{tag}" in dom for tag in ("script", "img", "svg", "link"))
    assert "in a text of line 4" in dom
    assert dom.count('class="same"') == 6


def test_the_page_asks_nothing_of_any_network(written: Path) -> None:
    log = written.parent / "net.json"

    browse(written.parent, f"--log-net-log={log}", "--dump-dom", written.as_uri())

    events = json.loads(log.read_text())["events"]
    asked = {one["params"]["url"] for one in events if "url" in one.get("params", {})}
    # A browser asks its maker for updates whatever page it shows.
    assert not [url for url in asked if "127.0.0.1" in url or url.endswith(("/x", "x.css"))]


def test_it_is_drawn_by_day_and_by_night(written: Path) -> None:
    pictures = []
    for scheme in ("1", "0"):
        picture = written.parent / f"{scheme}.png"
        browse(
            written.parent,
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--screenshot={picture}",
            written.as_uri(),
        )
        pictures.append(picture.read_bytes())

    assert all(picture.startswith(b"\x89PNG") and len(picture) > 20_000 for picture in pictures)
    assert pictures[0] != pictures[1]
