"""Photographs the pages for the documentation: ``python -m tests.compat.screenshots``.

The figures are made up, and the same each time: a month of three jobs, and labels of the mock.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Final, get_args

from batch.cli import answer
from batch.cli.caller import Caller
from tests.compat.browser import Scheme, photograph
from tests.report.kit import DAY, START, row, write

ROOT: Final = Path(__file__).parents[2]
PICTURES: Final = ROOT / "docs" / "pictures"
LARGEST: Final = 200_000  # bytes
WIDTH: Final = 1100
# Job, model, team, requests a day, tokens in and out of each.
USES: Final = (
    ("label_reviews", "gpt-4o-mini", "search", 9_000, 420, 12),
    ("nightly_triage", "claude-haiku-4-5", "support", 2_600, 900, 35),
    ("nightly_triage", "gpt-4o", "support", 300, 1_100, 60),
    ("weekly_digest", "claude-sonnet-4-5", "editors", 140, 6_500, 700),
    ("weekly_digest", "in-house-70b", "editors", 200, 2_000, 150),
)
PRICES: Final = """
[prices]
source = "the gateway's price page"
as_of = "2026-11-01"
listed = false
[prices.models.gpt-4o-mini]
input_per_mtok = 0.15
cached_input_per_mtok = 0.075
output_per_mtok = 0.6
[prices.models.gpt-4o]
input_per_mtok = 2.5
cached_input_per_mtok = 1.25
output_per_mtok = 10
[prices.models.claude-haiku-4-5]
input_per_mtok = 1
cached_input_per_mtok = 0.1
output_per_mtok = 5
[prices.models.claude-sonnet-4-5]
input_per_mtok = 3
cached_input_per_mtok = 0.3
output_per_mtok = 15
"""
COPIES: Final = 15  # of each review, which differ by a number


def main() -> None:
    """Make both pages, and photograph each by day and by night."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, page, height in (
            ("costs", costs(Path(folder)), 1580),
            ("score", score(Path(folder)), 1000),
        ):
            for scheme in get_args(Scheme):
                picture = PICTURES / f"{name}-{scheme}.png"
                photograph(page, picture, scheme, WIDTH, height)
                size = picture.stat().st_size
                if size > LARGEST:
                    raise SystemExit(f"{picture}: {size:,} bytes are too many")


def costs(folder: Path) -> Path:
    """Write the page about the costs of four weeks."""
    chance = Random(5)
    rows = []
    for day in range(28):
        weekend = day % 7 in (0, 6)
        for number, (job, model, team, count, read, made) in enumerate(USES):
            if job == "weekly_digest" and day % 7 != 1:
                continue
            calls = round(count * chance.uniform(0.7, 1.3) * (0.4 if weekend else 1))
            wasted = calls // 400
            rows.append(
                row(
                    start_time=START + day * DAY,
                    run_id=f"run-{job}-{day}",
                    job=job,
                    model=model,
                    tags={"team": team},
                    key=("GPT_KEY", "CLAUDE_KEY")[number % 2],
                    num_model_requests=calls,
                    num_succeeded=calls - wasted,
                    num_wasted=wasted,
                    num_maybe_billed=wasted // 3,
                    input_tokens=calls * read,
                    input_cached_tokens=calls * read * chance.randint(25, 45) // 100,
                    output_tokens=calls * made,
                    wasted={"input_tokens": wasted * read, "output_tokens": wasted * made},
                    wasted_tokens=wasted * (read + made),
                )
            )
    write(folder / "usage.jsonl", *rows)
    (folder / "prices.toml").write_text(PRICES)
    page = folder / "costs.html"
    flags = ["--prices", str(folder / "prices.toml"), "--by", "job,model", "--tz", "UTC"]
    clock = lambda: START + 28.3 * DAY  # noqa: E731
    caller = Caller(environ={}, clock=clock)
    _done(answer(["report", str(folder / "usage.jsonl"), "--html", str(page), *flags], caller))
    return page


def score(folder: Path) -> Path:
    """Label the reviews of jobs/, each of them several times, and write the page of the score."""
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    for kind in ("inputs", "gold"):
        path = folder / "jobs" / kind / "reviews.csv"
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(head)
            for copy in range(1, COPIES + 1):
                # The product is named in the prompt, so that the mock throws its dice anew.
                told = [(f"{id_}-{copy}", *rest) for id_, *rest in rows]
                if kind == "inputs":
                    told = [(id_, f"{product} {copy}", text) for id_, product, text in told]
                writer.writerows(told)
    jobs, page = folder / "jobs", folder / "score.html"
    job = str(jobs / "label_reviews.toml")
    _done(answer(["run", job, "--mock", "--votes", "3", "--mock-fail", "label=8%", "-q"], Caller()))
    gold = ["--gold", str(jobs / "gold" / "reviews.csv")]
    _done(answer(["score", job, *gold, "--html", str(page), "--min-accuracy", "0.7"], Caller()))
    return page


def _done(code: int) -> None:
    if code not in (0, 3):
        raise SystemExit(f"a command ended with {code}")


if __name__ == "__main__":
    main()
