"""``wbatch report`` as people and programs meet it."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys

import orjson
import pytest

from tests.report.kit import DAY, PRICES, START, report, row, write

SCRIPT = "<script>alert(1)</script>"
FORMULA = "=cmd()|' /C calc'!A0"


@pytest.fixture
def here(tmp_path):
    (tmp_path / "prices.toml").write_text(PRICES)
    write(
        tmp_path / "runs" / "usage.jsonl",
        row(input_cached_tokens=400_000),
        row(
            start_time=START + DAY,
            output_tokens=500_000,
            num_model_requests=2,
            num_wasted=1,
            wasted={"output_tokens": 250_000},
            num_maybe_billed=3,
        ),
        row(model=SCRIPT),
        row(model=FORMULA, tags={"team": FORMULA}),
    )
    return tmp_path


def run(here, *args, **environ):
    prices = ("--prices", here / "prices.toml", "--tz", "UTC")
    return report(here / "runs", *prices, *args, **environ)


def test_json_has_rows_total_gaps_and_where_prices_are_from(here, capsys):
    code = run(here, "--by", "day,model", "--json")

    told = orjson.loads(capsys.readouterr().out)
    first = next(one for one in told["rows"] if one["model"] == "gpt-4o")
    assert code == 0
    assert (first["day"], first["cost"], first["cached_savings"]) == ("2026-11-01", 1.4, 0.6)
    assert (told["total"]["cost"], told["total"]["wasted_cost"]) == (7.4, 2)
    assert told["total"]["is_floor"]
    assert {gap["model"] for gap in told["gaps"]} == {SCRIPT, FORMULA}
    assert told["price_sources"] == {"gpt-4o": "prices.toml"}


def test_what_is_unpriced_is_null_and_never_zero(here, capsys):
    run(here, "--format", "json")

    rows = {one["model"]: one for one in orjson.loads(capsys.readouterr().out)["rows"]}
    assert (rows[SCRIPT]["cost"], rows[SCRIPT]["is_floor"]) == (None, True)


def test_a_table_says_what_it_does_not_know(here, capsys):
    run(here)

    said = capsys.readouterr().out
    assert "total at least 7.4000 USD, 2026-11-01 to 2026-11-02" in said
    assert f"{SCRIPT}: no price is known (1 request)" in said
    assert "cached input saved 0.6000 USD" in said
    assert "1 paid attempt was no line's answer: 2.0000 USD, in the total" in said
    assert "3 attempts broke off unanswered and may be billed" in said
    assert "unpriced" in said


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_table_is_no_wider_than_the_terminal_and_names_what_has_no_room(here, capsys, width):
    run(here, "--by", "day,tag:team", COLUMNS=str(width))

    table = capsys.readouterr().out.split("\ntotal ")[0]
    assert max(map(len, table.split("\n"))) <= width
    assert "USD" in table


@pytest.mark.parametrize("mark", [{"NO_COLOR": "1"}, {}])
def test_what_goes_into_a_file_or_a_pipe_has_no_colors(here, capsys, mark):
    run(here, **mark)

    assert "\x1b" not in capsys.readouterr().out


def test_csv_holds_no_cell_that_a_spreadsheet_computes(here, capsys):
    run(here, "--by", "model,tag:team", "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    cells = [cell for one in rows for cell in one.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert f"'{FORMULA}" in cells
    assert {one["model"]: one["cost"] for one in rows}["gpt-4o"] == "7.4"


def test_markdown_holds_no_markup_of_others(here, capsys):
    run(here, "--format", "md")

    said = capsys.readouterr().out
    assert "<" not in said
    assert "&lt;script&gt;" in said
    assert {line.replace("\\|", "").count("|") for line in said.split("\n") if line[:1] == "|"} == {
        said.split("\n")[0].count("|")
    }


def test_names_from_files_say_nothing_to_a_terminal(tmp_path, capsys):
    write(tmp_path / "usage.jsonl", row(model="a\x1b[31mb\x07"))

    report(tmp_path)

    assert "\x1b" not in capsys.readouterr().out


def test_days_are_counted_from_since_to_until_with_both(here, capsys):
    run(here, "--since", "2026-11-02", "--until", "2026-11-02", "--json")

    assert orjson.loads(capsys.readouterr().out)["total"]["num_model_requests"] == 2


def test_a_span_that_ends_before_it_begins_is_refused(here, capsys):
    assert run(here, "--since", "2026-11-02", "--until", "2026-11-01") == 2
    assert "is after --until" in capsys.readouterr().err


def test_totals_are_in_the_currency_that_is_asked_for(here, capsys):
    (here / "prices.toml").write_text(PRICES.replace("listed", "rates = { CNY = 7 }\nlisted"))

    run(here, "--currency", "cny", "--json")

    total = orjson.loads(capsys.readouterr().out)["total"]
    assert (total["currency"], total["cost"]) == ("CNY", 51.8)


def test_without_a_rate_nothing_has_a_price(here, capsys):
    run(here, "--currency", "CNY")

    assert "no rate is known from USD to CNY" in capsys.readouterr().out


def test_rehearsals_cost_nothing_unless_they_are_asked_for(tmp_path, capsys):
    write(tmp_path / "usage.jsonl", row(mock=True))

    report(tmp_path, "--json")
    left_out = capsys.readouterr()
    report(tmp_path, "--json", "--mock")
    counted = capsys.readouterr()

    assert orjson.loads(left_out.out)["total"]["num_model_requests"] == 0
    assert "1 run was a rehearsal" in left_out.err
    assert orjson.loads(counted.out)["total"]["num_model_requests"] == 1


def test_a_file_that_is_none_is_named_and_makes_the_report_partial(here, capsys):
    (here / "runs" / "b.usage.jsonl").write_text("{")

    code = run(here, "--json")

    told = capsys.readouterr()
    assert code == 3
    assert "b.usage.jsonl:1: " in told.err
    assert orjson.loads(told.out)["total"]["cost"] == 7.4


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("torn",), 65, "none of the files"),
        (("missing",), 66, "there is no such file"),
        (("empty",), 66, "no usage.jsonl in this folder"),
        (("runs", "--by", "mood"), 2, "--by takes"),
        (("runs", "--tz", "Nowhere"), 2, "--tz"),
        (("runs", "--currency", "dollar"), 2, "--currency"),
        (("runs", "--prices", "no.toml"), 78, "no.toml"),
        (("runs", "-o", "nowhere/x.csv"), 73, "nowhere"),
        ((), 2, "Missing argument"),
    ],
)
def test_each_refusal_has_its_code_and_says_why(here, capsys, args, code, said):
    (here / "empty").mkdir()
    (here / "torn").mkdir()
    (here / "torn" / "usage.jsonl").write_text("{")
    placed = [here / one if one in os.listdir(here) else one for one in args]
    placed = [here / one if "." in one or one == "missing" else one for one in map(str, placed)]

    assert report(*placed) == code
    assert said in capsys.readouterr().err


def test_a_price_file_is_refused_with_its_line(here, capsys):
    (here / "prices.toml").write_text("[prices.models.m]\ninput = 1\n")

    assert run(here) == 78
    assert "prices.toml:2: " in capsys.readouterr().err


def test_prices_of_the_users_settings_count_after_those_of_files(here, capsys):
    (here / "config.toml").write_text(
        f'[prices]\nlisted = false\n[prices.models."{SCRIPT}"]\nper_request = 5\n'
        '[prices.models."gpt-4o"]\nper_request = 1000\n'
    )

    run(here, "--config", here / "config.toml", "--json")

    rows = {one["model"]: one for one in orjson.loads(capsys.readouterr().out)["rows"]}
    assert (rows[SCRIPT]["cost"], rows["gpt-4o"]["cost"]) == (5, 7.4)


def test_nobody_is_asked_over_the_network(here):
    code = """
import sys
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise SystemExit(99)
sys.addaudithook(hook)
from batch.cli import answer
from batch.cli.caller import Caller
sys.exit(answer(sys.argv[1:], Caller()))
"""
    args = ["report", "runs", "--html", "page.html", "--format", "table"]

    done = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=here, check=False, timeout=60, capture_output=True
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert (here / "page.html").stat().st_size > 10_000


def test_of_many_copies_only_some_are_named(tmp_path, capsys):
    rows = [row(run_id=f"run-{number}") for number in range(9)]
    write(tmp_path / "a" / "usage.jsonl", *rows)
    write(tmp_path / "b" / "usage.jsonl", *rows)

    report(tmp_path, "--json")

    told = capsys.readouterr()
    assert told.err.count("note: ") == 4
    assert "so are 6 more" in told.err
    assert len(orjson.loads(told.out)["notes"]) == 9


def test_a_page_alone_leaves_stdout_empty(here, capsys):
    assert run(here, "--html", here / "page.html") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("flag", ["-o", "--html"])
def test_a_report_replaces_no_file_of_a_run(here, capsys, flag):
    usage = next((here / "runs").rglob("usage.jsonl"))
    before = usage.read_bytes()

    code = report(usage, flag, usage)

    assert code == 2
    assert "Choose another file" in capsys.readouterr().err
    assert usage.read_bytes() == before


def test_a_report_replaces_no_job(here, capsys):
    (here / "job.toml").write_text('output = "out.jsonl"\n')

    code = run(here, "-o", here / "job.toml")

    assert code == 2
    assert "holds settings" in capsys.readouterr().err
    assert (here / "job.toml").read_text() == 'output = "out.jsonl"\n'


@pytest.mark.parametrize(
    ("name", "begins"), [("costs.csv", "model,"), ("costs.json", "{"), ("costs.md", "| ")]
)
def test_the_ending_of_a_file_tells_the_format(here, name, begins):
    assert run(here, "-o", here / name) == 0
    assert (here / name).read_text().startswith(begins)


def test_a_file_called_dash_is_standard_output(here, monkeypatch, capsys):
    monkeypatch.chdir(here)

    assert run(here, "-o", "-", "--format", "md") == 0
    assert capsys.readouterr().out.startswith("| ")
    assert not (here / "-").exists()
