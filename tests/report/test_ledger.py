"""What a report says against what the gateway billed, through faults and kills."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from tests.proofs.kills import LATENCY_MS, Loop, Scale
from tests.proofs.processes import FAULTS, finish, gateway
from tests.report.kit import report

SCALE: Final = Scale(lines=1500, kills=8)
PRICES: Final = """
[prices]
listed = false
[prices.models."gpt-4o-mini"]
input_per_mtok = 0.15
cached_input_per_mtok = 0.075
output_per_mtok = 0.6
reasoning_per_mtok = 0.7
"""


def price(tokens: Mapping[str, int]) -> Decimal:
    """Return what tokens cost, worked out without anything of the house."""
    cached, reasoning = tokens["input_cached_tokens"], tokens["output_reasoning_tokens"]
    plain, written = tokens["input_tokens"] - cached, tokens["output_tokens"] - reasoning
    parts = ((plain, "0.15"), (cached, "0.075"), (written, "0.6"), (reasoning, "0.7"))
    return sum((count * Decimal(each) for count, each in parts), Decimal(0)) / 1_000_000


def told(folder: Path, capsys: pytest.CaptureFixture[str], *args: object) -> dict[str, Any]:
    (folder / "prices.toml").write_text(PRICES)
    capsys.readouterr()
    assert report(folder / "out.jsonl", "--prices", folder / "prices.toml", "--json", *args) == 0
    total: dict[str, Any] = orjson.loads(capsys.readouterr().out)["total"]
    return total


def test_after_faults_and_kills_a_report_is_what_was_billed_but_for_what_was_cut(tmp_path, capsys):
    with gateway(tmp_path, "--latency", LATENCY_MS, "--fail", FAULTS, "--seed", 3) as mock:
        run = Loop(tmp_path, SCALE, mock).run()
    terms = run.terms

    total = told(tmp_path, capsys)

    for name, count in terms.totals.sums.items():
        assert total[name] == count
        lost = terms.cut.sums[name] + terms.killed.sums[name]
        assert count + lost == terms.billed.sums[name]
    lost = price(terms.cut.sums) + price(terms.killed.sums)
    assert Decimal(str(total["cost"])) == price(terms.billed.sums) - lost
    assert Decimal(str(total["wasted_cost"])) == price(terms.wasted.sums)
    assert terms.cut.count
    assert terms.wasted.count
    assert total["num_maybe_billed"] >= terms.cut.count - terms.cut_untold
    assert not total["is_floor"]


def test_a_report_from_the_logs_is_the_one_from_the_totals(tmp_path, capsys):
    with gateway(tmp_path, "--fail", FAULTS, "--seed", 5, "--latency", 1) as mock:
        run = Loop(tmp_path, Scale(lines=300, kills=4), mock).run()
    usage = tmp_path / "out.run" / "usage.jsonl"

    from_totals = told(tmp_path, capsys)
    usage.unlink()
    from_logs = told(tmp_path, capsys)

    assert from_totals == from_logs
    assert from_logs["num_model_requests"] == run.terms.totals.count


HOUR: Final = {"type": "ephemeral", "ttl": "1h"}
SEARCH: Final = {"type": "web_search_20250305", "name": "web_search"}
SONNET: Final = """
[prices]
listed = false
[prices.models."claude-*"]
input_per_mtok = 3
cached_input_per_mtok = 0.3
cache_write_per_mtok = 3.75
output_per_mtok = 15
"""


def test_what_a_cache_keeps_for_an_hour_and_searches_go_from_the_answer_into_every_report(
    tmp_path, capsys
):
    asked = {"model": "claude-sonnet-4-5", "max_tokens": 90, "tools": [SEARCH]}
    with (tmp_path / "in.jsonl").open("wb") as file:
        for game in range(8):
            text = {"type": "text", "text": f"Who won {game}? " * 500, "cache_control": HOUR}
            line = asked | {"messages": [{"role": "user", "content": [text]}]}
            file.write(orjson.dumps(line) + b"\n")
    whole = SONNET + "cache_write_1h_per_mtok = 6\nper_thousand_searches = 10\n"
    (tmp_path / "floor.toml").write_text(SONNET)
    (tmp_path / "whole.toml").write_text(whole)
    finish(tmp_path, "run", "in.jsonl", "-o", "out.jsonl", "--mock", "-q")
    (row,) = map(orjson.loads, (tmp_path / "out.run" / "usage.jsonl").read_bytes().splitlines())
    capsys.readouterr()

    def reported(prices: str, *more: str) -> str:
        out = ("out.jsonl", "--mock", "--prices", tmp_path / prices, *more)
        assert report(tmp_path / out[0], *out[1:]) == 0
        return capsys.readouterr().out

    floor = orjson.loads(reported("floor.toml", "--json"))
    total = orjson.loads(reported("whole.toml", "--json"))["total"]

    kept, cached = row["input_cache_write_1h_tokens"], row["input_cached_tokens"]
    assert kept == row["input_cache_write_tokens"] > 0
    assert row["searches"] == 8
    plain = row["input_tokens"] - kept - cached
    millionths = 3 * plain + Decimal("0.3") * cached + 6 * kept + 15 * row["output_tokens"]
    due = millionths / 1_000_000 + 8 * Decimal("0.01")
    assert (Decimal(str(total["cost"])), total["is_floor"]) == (due, False)
    assert (total["input_cache_write_1h_tokens"], total["searches"]) == (kept, 8)
    (gap,) = floor["gaps"]
    assert (gap["why"], gap["detail"]) == ("no_meter_price", "cache_write_1h, searches")
    less = Decimal("2.25") * kept / 1_000_000 + 8 * Decimal("0.01")
    assert Decimal(str(floor["total"]["cost"])) == due - less
    assert "no price is known of its cache_write_1h, searches" in reported("floor.toml")
    table = reported("whole.toml", "--format", "md")
    assert f"| {kept:,} |" in table
    assert "searches" in table
    assert ",searches," in reported("whole.toml", "--format", "csv").splitlines()[0]
    reported("whole.toml", "--html", str(tmp_path / "costs.html"))
    assert "searches" in (tmp_path / "costs.html").read_text()


def test_what_was_served_at_a_tier_goes_from_the_answer_into_the_report(tmp_path, capsys):
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
    lines = [asked, asked | {"service_tier": "flex"}, asked | {"service_tier": "flex"},
             asked | {"service_tier": "default"}, asked | {"service_tier": "priority"},
             asked | {"service_tier": "flex", "stream": True}]  # fmt: skip
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in lines))
    (tmp_path / "tiers.toml").write_text(f"{PRICES}tiers = {{ flex = 0.5 }}\n")
    finish(tmp_path, "run", "in.jsonl", "-o", "out.jsonl", "--mock", "-q")
    usage = tmp_path / "out.run" / "usage.jsonl"
    rows = [*map(orjson.loads, usage.read_bytes().splitlines())]
    flags = ("--mock", "--by", "tier", "--prices", tmp_path / "tiers.toml", "--json")

    assert report(tmp_path / "out.jsonl", *flags) == 0
    told = orjson.loads(capsys.readouterr().out)
    usage.unlink()
    assert report(tmp_path / "out.jsonl", *flags) == 0
    again = orjson.loads(capsys.readouterr().out)

    assert [(one.get("tier"), one["num_model_requests"]) for one in rows] == [
        (None, 2),
        ("flex", 3),
        ("priority", 1),
    ]
    by_tier = {one["tier"]: one for one in told["rows"]}
    plain, flex = by_tier["—"], by_tier["flex"]
    assert Decimal(str(plain["cost"])) == price(plain)
    assert Decimal(str(flex["cost"])) == price(flex) / 2
    assert by_tier["priority"]["cost"] is None
    assert told["gaps"] == [{"model": "gpt-4o-mini", "why": "no_tier_price", "detail": "priority"}]
    assert told["total"]["is_floor"]
    assert again["rows"] == told["rows"]
    columns = ("-o", "out.csv", "--columns", "custom_id,tier")
    assert finish(tmp_path, "export", "out.jsonl", *columns)[0] == 0
    exported = (tmp_path / "out.csv").read_text(encoding="utf-8-sig").splitlines()
    assert {"line-1,", "line-2,flex", "line-5,priority"} <= set(exported)


def test_tags_of_a_run_stay_with_its_usage(tmp_path):
    (tmp_path / "in.jsonl").write_text(
        '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}\n'
    )
    command = ("run", "in.jsonl", "-o", "out.jsonl", "--mock", "-q")

    finish(tmp_path, *command, "--tag", "team=search", "--tag", "for=a=b")
    finish(tmp_path, *command)
    first = (tmp_path / "out.run" / "usage.jsonl").read_bytes()
    finish(tmp_path, *command, "--tag", "team=shop")
    second = (tmp_path / "out.run" / "usage.jsonl").read_bytes()

    assert [orjson.loads(one)["tags"] for one in (first, second)] == [
        {"team": "search", "for": "a=b"},
        {"team": "shop", "for": "a=b"},
    ]
    manifest = orjson.loads((tmp_path / "out.run" / "run.json").read_bytes())
    assert manifest["metadata"] == {"team": "shop", "for": "a=b"}


@pytest.mark.parametrize(
    ("top", "flags", "name"),
    [
        ("", [], "triage"),
        ('name = "tickets"', [], "tickets"),
        ('name = "tickets"', ["--name", "by hand"], "by hand"),
    ],
)
def test_a_run_bears_the_name_of_its_job_also_where_it_goes_on_without_it(
    top, flags, name, tmp_path, capsys
):
    (tmp_path / "in.jsonl").write_text(
        '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}\n'
    )
    job = f'{top}\ninputs = ["in.jsonl"]\noutput = "out.jsonl"\nrun.mock = true\n'
    (tmp_path / "triage.toml").write_text(job)

    finish(tmp_path, "run", "triage.toml", "-q", *flags)
    (tmp_path / "out.run" / "usage.jsonl").unlink()
    finish(tmp_path, "run", "in.jsonl", "-o", "out.jsonl", "--mock", "-q")

    (row,) = map(orjson.loads, (tmp_path / "out.run" / "usage.jsonl").read_bytes().splitlines())
    assert row["job"] == name
    assert orjson.loads((tmp_path / "out.run" / "run.json").read_bytes())["x_run"]["job"] == name
    assert report(tmp_path, "--mock", "--by", "job", "--format", "csv") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith(f"{name},1,")


def test_a_run_without_a_job_has_no_name(tmp_path):
    (tmp_path / "in.jsonl").write_text(
        '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}\n'
    )

    finish(tmp_path, "run", "in.jsonl", "-o", "out.jsonl", "--mock", "-q")

    assert b'"job"' not in (tmp_path / "out.run" / "usage.jsonl").read_bytes()


@pytest.mark.parametrize("tag", ["search", "=search", " =x"])
def test_a_tag_without_a_name_or_a_value_is_refused(tmp_path, tag):
    (tmp_path / "in.jsonl").write_text("{}\n")

    code, said = finish(tmp_path, "run", "in.jsonl", "-o", "out.jsonl", "--mock", "--tag", tag)

    assert code == 2
    assert "--tag takes a name and a value, such as team=search" in said
