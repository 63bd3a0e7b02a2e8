"""What a usage costs, and what of it nobody can say."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batch.pricing import Gap, Price, PriceBook, Rate, Used
from batch.usage import Meter

MILLION = 1_000_000


def price(**more) -> Price:
    """Return a price of 2 a million tokens in and 8 out."""
    rates = {
        Meter.INPUT: Rate(Decimal(2) / MILLION),
        Meter.OUTPUT: Rate(Decimal(8) / MILLION),
    }
    return Price(**{"rates": rates, "source": "test", **more})


def book(one: Price, pattern: str = "*", **more) -> PriceBook:
    return PriceBook(((pattern, one),), **more)


def used(counts=None, **more) -> Used:
    told = {"counts": counts or {}, "model": "m", "at": 0.0, "requests": 1}
    return Used(**{**told, **more})


def rates(**amounts) -> dict[Meter, Rate]:
    return {Meter[name]: Rate(Decimal(amount)) for name, amount in amounts.items()}


# Amounts


@pytest.mark.parametrize(
    ("counts", "amount"),
    [
        ({Meter.INPUT: MILLION}, "2"),
        ({Meter.INPUT: 1, Meter.OUTPUT: 1}, "0.00001"),
        ({Meter.INPUT: 0, Meter.OUTPUT: 0}, "0"),
        ({Meter.INPUT: 10**15}, "2000000000"),
    ],
)
def test_each_unit_is_paid_exactly(counts, amount):
    cost = book(price()).cost(used(counts))

    assert (cost.amount, cost.gaps, cost.priced) == (Decimal(amount), frozenset(), True)


def test_tenths_do_not_drift():
    one = price(rates=rates(INPUT="0.1"))

    cost = sum((book(one).cost(used({Meter.INPUT: 1})).amount for _ in range(1000)), Decimal(0))

    assert cost == 100


@pytest.mark.parametrize(
    ("meter", "like"),
    [
        (Meter.CACHED_INPUT, 2),
        (Meter.CACHE_WRITE, 2),
        (Meter.REASONING, 8),
    ],
)
def test_kinds_of_tokens_cost_what_plain_ones_do_unless_it_is_said(meter, like):
    own = price(rates={**price().rates, meter: Rate(Decimal(1) / MILLION)})

    assert book(price()).cost(used({meter: MILLION})).amount == like
    assert book(own).cost(used({meter: MILLION})).amount == 1


def test_what_is_kept_for_an_hour_is_not_priced_as_what_is_kept_for_minutes():
    minutes = price(rates={**price().rates, Meter.CACHE_WRITE: Rate(Decimal(3) / MILLION)})
    hour = price(rates={**minutes.rates, Meter.CACHE_WRITE_1H: Rate(Decimal(5) / MILLION)})
    kept = used({Meter.CACHE_WRITE: MILLION, Meter.CACHE_WRITE_1H: MILLION})

    floor, whole = book(minutes).cost(kept), book(hour).cost(kept)

    assert (floor.amount, floor.gaps) == (6, {Gap("m", "no_meter_price", "cache_write_1h")})
    assert (whole.amount, whole.gaps) == (8, frozenset())


def test_searches_are_paid_beside_the_tokens():
    one = price(rates={**price().rates, Meter.SEARCHES: Rate(Decimal("0.01"))})
    searched = used({Meter.INPUT: MILLION, Meter.SEARCHES: 300})

    assert book(one).cost(searched).amount == 5
    assert book(price()).cost(searched).gaps == {Gap("m", "no_meter_price", "searches")}


def test_a_price_by_the_request_holds_the_search_too():
    one = price(per_request=Decimal("0.005"))

    assert book(one).cost(used({Meter.INPUT: 1, Meter.SEARCHES: 1})).gaps == frozenset()


def test_what_the_cache_saved_is_what_plain_input_would_have_cost_more():
    one = price(rates={**price().rates, Meter.CACHED_INPUT: Rate(Decimal("0.5") / MILLION)})

    cost = book(one).cost(used({Meter.INPUT: MILLION, Meter.CACHED_INPUT: 2 * MILLION}))

    assert (cost.amount, cost.saved) == (3, 3)


def test_a_price_by_the_request_is_paid_whatever_was_used():
    one = Price({}, source="test", per_request=Decimal("0.04"))

    cost = book(one).cost(used({Meter.INPUT: 500}, requests=3, unreported=3))

    assert (cost.amount, cost.gaps) == (Decimal("0.12"), frozenset())


@pytest.mark.parametrize(
    ("meter", "count", "rate"),
    [
        (Meter.IMAGES, 4, "0.5"),
        (Meter.MILLISECONDS, 4000, "0.0005"),
        (Meter.CHARACTERS, 2_000_000, "0.000001"),
    ],
)
def test_pictures_seconds_and_characters_have_their_own_prices(meter, count, rate):
    one = Price({meter: Rate(Decimal(rate))}, source="test")

    cost = book(one).cost(used({meter: count, Meter.INPUT: 7}))

    assert (cost.amount, cost.gaps) == (2, frozenset())


def test_a_multiplier_is_taken_of_the_list_price():
    cost = book(price(multiplier=Decimal("0.6"))).cost(used({Meter.INPUT: MILLION}))

    assert (cost.amount, cost.listed) == (Decimal("1.2"), 2)


# Tiers


@pytest.mark.parametrize(("tier", "amount"), [("", "2.5"), ("flex", "1.5"), ("priority", "4.5")])
def test_a_tier_multiplies_what_tokens_cost_and_no_search(tier, amount):
    by_tier = {"flex": Decimal("0.5"), "priority": Decimal(2)}
    one = price(rates={**price().rates, **rates(SEARCHES="0.5")}, by_tier=by_tier)

    cost = book(one).cost(used({Meter.INPUT: MILLION, Meter.SEARCHES: 1}, tier=tier))

    assert (cost.amount, cost.gaps) == (Decimal(amount), frozenset())


def test_what_was_served_at_a_tier_without_a_price_is_unpriced_and_not_at_the_usual_one():
    one = price(by_tier={"flex": Decimal("0.5")})

    cost = book(one).cost(used({Meter.INPUT: MILLION}, tier="priority"))

    assert not cost.priced
    assert cost.gaps == {Gap("m", "no_tier_price", "priority")}


def test_a_tier_has_no_part_in_a_price_by_the_request():
    one = Price({}, source="test", per_request=Decimal(1))

    assert book(one).cost(used({Meter.INPUT: 5}, tier="flex")).amount == 1


@pytest.mark.parametrize(("tier", "worst"), [("", 2), ("flex", 2), ("priority", 4)])
def test_the_worst_case_of_a_cheap_tier_is_to_be_served_at_the_usual_one(tier, worst):
    one = price(by_tier={"flex": Decimal("0.5"), "priority": Decimal(2)})

    assert one.worst({Meter.INPUT: MILLION}, tier) == worst
    assert price().worst({Meter.INPUT: MILLION}, "priority") is None


# Models


def test_the_first_name_or_pattern_that_fits_counts():
    names = ("odd[1]", "gpt-4o", "gpt-*", "*", "gpt-4*")
    known = PriceBook(tuple((name, price(source=name)) for name in names))

    models = ("gpt-4o", "gpt-4.1", "claude", "odd[1]")
    found = [known.price(model, 0.0).source for model in models]

    assert found == ["gpt-4o", "gpt-*", "*", "odd[1]"]


def test_the_list_is_asked_only_for_what_has_no_own_price():
    listed = {"b": price(source="list")}
    known = PriceBook((("a", price(source="own")),), lambda model, _at: listed.get(model))

    assert known.price("a", 0.0).source == "own"
    assert known.price("b", 0.0).source == "list"
    assert known.price("c", 0.0) is None


# Floors


def test_a_model_without_a_price_is_unpriced_and_not_free():
    cost = PriceBook().cost(used({Meter.INPUT: 5}))

    assert not cost.priced
    assert cost.gaps == {Gap("m", "no_price")}


@pytest.mark.parametrize(
    "meter", [Meter.INPUT_AUDIO, Meter.INPUT_IMAGE, Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE]
)
def test_tokens_of_sound_and_pictures_without_a_price_make_a_floor(meter):
    cost = book(price()).cost(used({Meter.INPUT: MILLION, meter: 5}))

    assert cost.amount == 2
    assert cost.gaps == {Gap("m", "no_meter_price", meter.value)}


def test_none_of_an_unpriced_meter_is_no_gap():
    assert book(price()).cost(used({Meter.INPUT: 1, Meter.INPUT_AUDIO: 0})).gaps == frozenset()


def test_pictures_are_a_gap_where_nothing_else_was_reported_to_price():
    cost = book(price()).cost(used({Meter.IMAGES: 2}))

    assert (cost.priced, cost.gaps) == (False, {Gap("m", "no_meter_price", "images")})


def test_usage_that_nobody_reported_makes_a_floor():
    cost = book(price()).cost(used({Meter.INPUT: MILLION}, requests=2, unreported=1))

    assert (cost.amount, cost.gaps) == (2, {Gap("m", "no_usage")})


def test_the_gaps_of_parts_are_those_of_their_sum():
    known = book(price(), "m")

    cost = known.cost(used({Meter.INPUT: MILLION})) + known.cost(used(model="other"))

    assert (cost.amount, cost.priced) == (2, True)
    assert cost.gaps == {Gap("other", "no_price")}


# Long contexts

TIERED = Price({Meter.INPUT: Rate(Decimal(1), ((100, Decimal(2)), (200, Decimal(3))))}, "test")


@pytest.mark.parametrize(("read", "each"), [(100, 1), (101, 2), (200, 2), (201, 3)])
def test_one_long_request_pays_for_all_its_tokens_what_its_length_costs(read, each):
    cost = book(TIERED).cost(used({Meter.INPUT: read}))

    assert (cost.amount, cost.gaps) == (read * each, frozenset())


def test_many_requests_of_which_none_is_long_cost_what_short_ones_do():
    cost = book(TIERED).cost(used({Meter.INPUT: 5000}, requests=90, longest=100))

    assert (cost.amount, cost.gaps) == (5000, frozenset())


@pytest.mark.parametrize("longest", [None, 101])
def test_requests_of_which_some_may_be_long_make_a_floor(longest):
    cost = book(TIERED).cost(used({Meter.INPUT: 5000}, requests=90, longest=longest))

    assert (cost.amount, cost.gaps) == (5000, {Gap("m", "long_context", "100")})


# Currencies


def test_a_price_in_another_currency_is_exchanged():
    per_base = {"CNY": Decimal(8), "EUR": Decimal("0.5")}
    yuan = price(currency="CNY")

    in_euro = book(yuan, currency="EUR", per_base=per_base).cost(used({Meter.INPUT: 8 * MILLION}))
    in_dollar = book(yuan, per_base=per_base).cost(used({Meter.INPUT: 8 * MILLION}))

    assert (in_euro.amount, in_dollar.amount) == (1, 2)


def test_without_a_rate_there_is_no_amount():
    cost = book(price(currency="CNY")).cost(used({Meter.INPUT: 1}))

    assert (cost.priced, cost.gaps) == (False, {Gap("m", "no_rate", "CNY to USD")})


# The worst case


@pytest.mark.parametrize(
    ("own", "bounds", "worst"),
    [
        ({}, {Meter.INPUT: MILLION, Meter.OUTPUT: MILLION}, "10"),
        ({"CACHE_WRITE": "0.000003"}, {Meter.INPUT: MILLION}, "3"),
        ({"CACHED_INPUT": "0.000001"}, {Meter.INPUT: MILLION}, "2"),
        ({"REASONING": "0.000009"}, {Meter.OUTPUT: MILLION}, "9"),
        # Only what asks for it is kept for an hour.
        ({"CACHE_WRITE_1H": "0.000004"}, {Meter.INPUT: MILLION}, "2"),
        ({"CACHE_WRITE_1H": "0.000004"}, {Meter.CACHE_WRITE: MILLION}, "2"),
        ({"CACHE_WRITE_1H": "0.000004"}, {Meter.CACHE_WRITE_1H: MILLION}, "4"),
        ({"SEARCHES": "0.01"}, {Meter.INPUT: MILLION, Meter.SEARCHES: 1}, "2.01"),
        ({}, {}, "0"),
    ],
)
def test_the_worst_case_takes_each_bound_for_its_dearest_kind(own, bounds, worst):
    one = price(rates={**price().rates, **rates(**own)})

    assert one.worst(bounds) == Decimal(worst)


def test_the_worst_case_of_a_long_request_is_at_the_price_of_long_ones():
    assert TIERED.worst({Meter.INPUT: 150}) == 300


@pytest.mark.parametrize(
    ("one", "bounds"),
    [
        (Price({}, source="test"), {Meter.INPUT: 1}),
        (Price(rates(INPUT="1"), source="test"), {Meter.OUTPUT: 1}),
        (price(), {Meter.IMAGES: 1}),
        (price(), {Meter.CACHE_WRITE_1H: 1}),
        (price(), {Meter.INPUT: 1, Meter.SEARCHES: 1}),
        # How many tokens a picture takes, its number does not say.
        (price(rates={**price().rates, **rates(IMAGES="1")}), {Meter.IMAGES: 1}),
        (price(per_request=Decimal(1)), {Meter.IMAGES: 1}),
    ],
)
def test_nobody_knows_the_worst_case_of_what_has_no_price(one, bounds):
    assert one.worst(bounds) is None


def test_no_cost_is_above_the_worst_case():
    one = price(multiplier=Decimal("0.6"), per_request=Decimal(1))
    counts = {Meter.INPUT: 70, Meter.CACHED_INPUT: 30, Meter.OUTPUT: 5, Meter.REASONING: 15}

    worst = one.worst({Meter.INPUT: 100, Meter.OUTPUT: 20})

    assert book(one).cost(used(counts)).amount <= worst
