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
