"""What the page about costs shows is what there is."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.report.sources import NAME
from batch.settings.pricelist import price_book, read_prices
from batch.settings.tree import ModelPrice, PriceSettings
from tests.report.kit import report, row, write

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "costs.md").read_text(encoding="utf-8")
BEFORE = PAGE.partition("## Before it is spent")[2].split("```")[1].strip().splitlines()
COMMANDS = re.findall(r"^wbatch report (.+)$", PAGE, re.MULTILINE)
(PRICES,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_works(tmp_path, monkeypatch, command):
    write(tmp_path / "out.run" / NAME, row())
    write(tmp_path / "runs" / NAME, row(run_id="run-2"))
    (tmp_path / "prices.toml").write_text(PRICES)
    monkeypatch.chdir(tmp_path)

    assert report(*shlex.split(command)) == 0


def test_what_is_said_to_do_before_money_is_spent_works(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "sample_inputs", tmp_path, dirs_exist_ok=True)
    (tmp_path / "review.prompt.txt").rename(tmp_path / "prompt.txt")
    (tmp_path / "prices.toml").write_text(PRICES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WBATCH_MOCK", "1")  # as this test has no key

    for command in BEFORE:
        assert answer([*shlex.split(command)[1:], "-q"], Caller()) == 0, command


@pytest.mark.parametrize(
    ("model", "source"),
    [("gpt-4o-mini", "page"), ("claude-sonnet-4-5", "page"), ("mj_imagine", "page"), ("o3", "gen")],
)
def test_the_price_file_can_be_copied(tmp_path, model, source):
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)

    price = price_book([("f", read_prices(str(path)))], PriceSettings(), None).price(model, 0)

    assert source in price.source


def test_each_amount_that_a_price_can_have_is_described():
    amounts = {name for name in ModelPrice.__struct_fields__ if "per_" in name}

    assert amounts <= set(re.findall(r"`(\w+)`", PAGE))
