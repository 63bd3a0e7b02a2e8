"""Prices out of files, settings and the list, and what is refused of a file."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price

from batch.errors import BadConfig
from batch.pricing import Used
from batch.settings.pricelist import price_book, read_prices
from batch.settings.tree import PriceSettings, build
from batch.usage import Meter

NOW = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
GOOD = """
[prices]
currency = "CNY"
source = "price page"
as_of = "2026-11-01"
rates = { CNY = 7.1 }

[prices.models."gpt-4o-*"]
input_per_mtok = 0.15
output_per_mtok = 1

[prices.models.painter]
per_image = 0.04
currency = "USD"
as_of = "2026-11-20"
"""


@pytest.fixture
def file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "prices.toml"
        path.write_text(text)
        return str(path)

    return write


def books(*layers: tuple[str, PriceSettings], currency: str | None = None, **settings):
    return price_book(layers, PriceSettings(**{"listed": False, **settings}), currency)


def test_amounts_are_as_they_were_written_with_source_and_date(file):
    prices = books(("prices.toml", read_prices(file(GOOD))))

    mini, painter = prices.price("gpt-4o-mini", NOW), prices.price("painter", NOW)

    assert mini.rate(Meter.INPUT).base == Decimal("0.15") / 1_000_000
    assert (mini.source, mini.as_of, mini.currency) == ("price page", "2026-11-01", "CNY")
    assert (painter.source, painter.as_of, painter.currency) == ("price page", "2026-11-20", "USD")
    assert painter.rate(Meter.IMAGES).base == Decimal("0.04")


@pytest.mark.parametrize(
    ("setting", "meter", "count"),
    [
        ("input_per_mtok", Meter.INPUT, 1_000_000),
        ("cached_input_per_mtok", Meter.CACHED_INPUT, 1_000_000),
        ("cache_write_per_mtok", Meter.CACHE_WRITE, 1_000_000),
        ("cache_write_1h_per_mtok", Meter.CACHE_WRITE_1H, 1_000_000),
        ("input_audio_per_mtok", Meter.INPUT_AUDIO, 1_000_000),
        ("input_image_per_mtok", Meter.INPUT_IMAGE, 1_000_000),
        ("output_per_mtok", Meter.OUTPUT, 1_000_000),
        ("reasoning_per_mtok", Meter.REASONING, 1_000_000),
        ("output_audio_per_mtok", Meter.OUTPUT_AUDIO, 1_000_000),
        ("output_image_per_mtok", Meter.OUTPUT_IMAGE, 1_000_000),
        ("per_image", Meter.IMAGES, 1),
        ("per_second", Meter.MILLISECONDS, 1000),
        ("per_million_characters", Meter.CHARACTERS, 1_000_000),
        ("per_thousand_searches", Meter.SEARCHES, 1000),
    ],
)
def test_each_amount_is_of_the_unit_in_its_name(file, setting, meter, count):
    prices = books(("f", read_prices(file(f"[prices.models.m]\n{setting} = 0.3"))))

    cost = prices.cost(Used("m", NOW, {meter: count}, 1))

    assert (cost.amount, cost.gaps) == (Decimal("0.3"), frozenset())


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[prices.models.m]\ninput_per_mtoc = 1", 2, "Did you mean prices.models.m.input_per_mtok"),
        ("[prices.models.m]\ninput_per_mtok = '1'", 2, "takes a number"),
        ("[prices.models.m]\ninput_per_mtok = -1", 2, "takes a number of at least 0"),
        ("[prices.models.m]\n\ninput_per_mtok = nan", 3, "takes a number"),
        ("[prices.models.m]\ninput_per_mtok = inf", 2, "takes a number"),
        ("[prices.models.m]\nas_of = '2026'", 1, "at least one amount"),
        ("[prices]\ncurrency = 'dollars'", 1, "three letters"),
        ("[prices]\nrates = { CNY = 0 }", 1, "the rate of CNY"),
        ("[prices]\ntiers = { flexx = 1 }", 1, "flexx is no tier; they are flex, priority"),
        ("[prices]\n[gateway]\nallow_http = true", 2, "has no place in a price file"),
        ("[prices", 1, "this is no TOML"),
    ],
)
def test_what_is_wrong_in_a_price_file_is_named_with_its_line(file, text, line, what):
    path = file(text)

    with pytest.raises(BadConfig, match=re.escape(what)) as refused:
        read_prices(path)

    assert str(refused.value).startswith(f"{path}:{line}: ")


def test_a_file_without_prices_is_refused(file):
    with pytest.raises(BadConfig, match=r"no \[prices\]"):
        read_prices(file(""))


def test_the_first_file_goes_before_the_next_and_both_before_the_settings(file):
    def says(amount: float) -> PriceSettings:
        return build({"models": {"m": {"per_request": amount}}}, PriceSettings)

    settings = {"models": says(3).models}

    first = books(("a", says(1)), ("b", says(2)), **settings).price("m", NOW)
    second = books(("b", says(2)), **settings).price("m", NOW)
    last = books(**settings).price("m", NOW)

    assert [one.per_request for one in (first, second, last)] == [1, 2, 3]
    assert last.source == "settings"


def test_names_go_before_patterns_but_not_before_another_file(file):
    def says(**models: float) -> PriceSettings:
        return build({"models": {n: {"per_request": a} for n, a in models.items()}}, PriceSettings)

    one, two = says(**{"*": 1, "gpt": 2}), says(claude=3)

    found = [books(("a", one), ("b", two)).price(model, NOW) for model in ("gpt", "claude")]

    assert [price.per_request for price in found] == [2, 1]


def test_totals_are_in_the_currency_that_is_asked_for_else_in_that_of_the_prices(file):
    layer = ("f", read_prices(file(GOOD)))

    assert books(layer).currency == "CNY"
    assert books(layer, currency="usd").currency == "USD"
    assert books().currency == "USD"


def test_tiers_of_a_model_go_before_those_of_all(file):
    path = file("[prices]\ntiers = { flex = 0.5, priority = 2 }\n[prices.models.m]\n"
                "input_per_mtok = 1\ntiers = { priority = 1.5 }")  # fmt: skip
    prices = price_book([("f", read_prices(path))], PriceSettings(), None)

    def cost(model: str, tier: str) -> Decimal:
        return prices.cost(Used(model, NOW, {Meter.INPUT: 1_000_000}, 1, tier=tier)).amount

    assert [cost("m", tier) for tier in ("", "flex", "priority")] == [1, Decimal("0.5"), 1.5]
    usual = cost("gpt-4o-mini", "")
    assert [cost("gpt-4o-mini", tier) for tier in ("flex", "priority")] == [usual / 2, usual * 2]
    assert prices.price("gpt-4o-mini", NOW) is prices.price("gpt-4o-mini", NOW)


# The list

LISTED = ("gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash", "text-embedding-3-small")


@pytest.mark.parametrize("model", LISTED)
def test_the_list_knows_what_makers_take(model):
    price = price_book([], PriceSettings(), None).price(model, NOW)

    assert price.source.startswith("genai-prices ")
    assert price.rate(Meter.INPUT).base > 0


def test_the_list_costs_what_its_own_library_says():
    counts = {Meter.INPUT: 700, Meter.CACHED_INPUT: 300, Meter.OUTPUT: 50}
    theirs = calc_price(
        Usage(input_tokens=1000, cache_read_tokens=300, output_tokens=50),
        "claude-sonnet-4-5",
        provider_id="anthropic",
        genai_request_timestamp=datetime.fromtimestamp(NOW, UTC),
    )

    ours = price_book([], PriceSettings(), None).cost(Used("claude-sonnet-4-5", NOW, counts, 1))

    assert ours.amount == theirs.total_price


def test_the_list_knows_what_is_kept_for_an_hour_and_what_a_search_costs():
    counts = {Meter.INPUT: 700, Meter.CACHE_WRITE: 200, Meter.CACHE_WRITE_1H: 100, Meter.OUTPUT: 50}
    prices = price_book([], PriceSettings(), None)
    theirs = calc_price(
        Usage(
            input_tokens=1000,
            cache_write_tokens=300,
            cache_write_1h_tokens=100,
            output_tokens=50,
            web_searches=4,
        ),
        "claude-sonnet-4-5",
        provider_id="anthropic",
        genai_request_timestamp=datetime.fromtimestamp(NOW, UTC),
    )

    ours = prices.cost(Used("claude-sonnet-4-5", NOW, {**counts, Meter.SEARCHES: 4}, 1))

    assert (ours.amount, ours.gaps) == (theirs.total_price, frozenset())


def test_the_list_is_left_aside_where_it_is_not_wanted():
    assert price_book([], PriceSettings(listed=False), None).price("gpt-4o-mini", NOW) is None


def test_a_multiplier_is_of_the_list_and_not_of_own_prices():
    own = build({"multiplier": 0.5, "models": {"mine": {"per_request": 1}}}, PriceSettings)
    prices = price_book([], own, None)
    whole = price_book([], PriceSettings(), None)
    listed = Used("gpt-4o-mini", NOW, {Meter.INPUT: 1_000_000}, 1)

    assert prices.cost(Used("mine", NOW, {}, 1)).amount == 1
    assert prices.cost(listed).amount * 2 == whole.cost(listed).amount


def test_a_model_that_nobody_lists_has_no_price():
    assert price_book([], PriceSettings(), None).price("of-my-own", NOW) is None
