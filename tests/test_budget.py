from __future__ import annotations

from decimal import Decimal

import pytest

from batch.budget import Budget
from batch.errors import BadConfig
from batch.ledger.state import History
from batch.pricing import Price, PriceBook, Rate
from batch.settings.tree import BudgetSettings, PriceSettings, Settings
from batch.spending import caps_of, spent_so_far
from batch.usage import Meter
from tests.report.kit import row

ONE = Decimal(1)


def test_a_request_fits_as_long_as_the_worst_of_all_under_way_does():
    budget = Budget(Decimal("2.5"), None)

    for _ in range(2):
        assert budget.fits(ONE)
        budget.reserve(ONE)

    assert not budget.fits(ONE)
    assert budget.fits(Decimal("0.5"))


def test_what_a_request_did_not_cost_is_free_for_the_next():
    budget = Budget(Decimal(1), None)
    kept = budget.reserve(ONE)
    budget.leaves(kept)

    budget.settle(kept, Decimal("0.25"))

    assert budget.gone == Decimal("0.25")
    assert budget.fits(Decimal("0.75"))
    assert not budget.fits(Decimal("0.76"))


def test_a_request_of_which_nobody_knows_counts_as_its_worst_case():
    budget = Budget(Decimal(2), None)
    kept = budget.reserve(ONE)
    budget.leaves(kept)

    budget.settle(kept, None)

    assert (budget.spent, budget.doubtful, budget.at_risk) == (0, 1, 1)
    assert budget.fits(ONE)
    assert not budget.fits(Decimal("1.01"))


def test_a_request_that_never_left_costs_nothing_whatever_is_said_of_it():
    budget = Budget(Decimal(1), 1)
    kept = budget.reserve(ONE)

    budget.settle(kept, None)

    assert budget.gone == 0
    assert budget.sent == 0
    assert budget.fits(ONE)


def test_nothing_is_refused_while_something_under_way_may_turn_out_cheaper():
    budget = Budget(Decimal(1), None)
    kept = budget.reserve(ONE)
    budget.leaves(kept)

    waits = budget.refuses(Decimal("0.5"))
    budget.settle(kept, Decimal("0.6"))
    refused = budget.refuses(Decimal("0.5"))

    assert waits is None
    assert refused is not None
    assert "--max-cost" in refused


def test_requests_are_counted_when_they_leave_and_those_that_wait_keep_their_place():
    budget = Budget(None, 2)
    first, second = budget.reserve(ONE), budget.reserve(ONE)

    full = budget.fits(ONE)
    budget.settle(second, None)  # it was sent away before it left
    free = budget.fits(ONE)
    both = first, budget.reserve(ONE)
    for one in both:
        budget.leaves(one)
    waits = budget.refuses(ONE)
    for one in both:
        budget.settle(one, ONE)

    assert (full, free, waits) == (False, True, None)
    assert budget.refuses(ONE) == "--max-requests 2 are sent"


def test_what_was_spent_before_counts():
    budget = Budget(Decimal(1), None, spent=Decimal("0.9"))

    assert budget.fits(Decimal("0.1"))
    assert budget.refuses(Decimal("0.11")) is not None


def test_without_a_limit_everything_fits():
    budget = Budget(None, None)

    budget.reserve(Decimal(10) ** 9)

    assert budget.fits(Decimal(10) ** 9)


def test_no_more_can_have_been_lost_than_there_was():
    settings = Settings(output="o.jsonl", budget=BudgetSettings(max_cost=1.0))
    history = History()
    history.reserved = {"first": ("0.8", "USD"), "second": ("0.7", "USD")}

    assert caps_of(settings, history, (), 0.0).budget.gone == 1


def test_a_rate_is_needed_only_for_what_an_earlier_session_left_in_the_dark():
    euros = PriceSettings(currency="EUR")
    settings = Settings(output="o.jsonl", budget=BudgetSettings(max_cost=1.0), prices=euros)
    history = History()
    history.reserved = {"first": ("0", "USD")}

    assert caps_of(settings, history, (), 0.0).budget.spent == 0

    history.reserved["second"] = ("0.1", "USD")
    with pytest.raises(BadConfig, match="counted in USD"):
        caps_of(settings, history, (), 0.0)


def spends(price: Price, counts: dict[str, int], tier: str = "") -> Decimal:
    return spent_so_far(PriceBook(own=(("m", price),)), [row(model="m", tier=tier, **counts)])


def test_what_was_spent_on_long_requests_at_a_tier_is_told_at_the_dearest_price_of_that_tier():
    # Given: above 100 tokens each costs 2 instead of 1, and twice that if it is served at once
    rates = {Meter.INPUT: Rate(ONE, ((100, Decimal(2)),)), Meter.OUTPUT: Rate(ONE)}
    price = Price(rates, "test", by_tier={"priority": Decimal(2), "flex": Decimal("0.5")})
    counts = {"num_model_requests": 2, "input_tokens": 300, "max_input_tokens": 200}

    assert spends(price, counts) == 600
    assert spends(price, counts, "priority") == 1200
    assert spends(price, counts, "flex") == 300


@pytest.mark.parametrize(
    ("counts", "tier", "said"),
    [
        ({"input_tokens": 3}, "scale", "costs at the tier scale.*tiers = { scale = ... }"),
        ({"input_tokens": 3, "searches": 1}, "", r'its searches cost.*\[prices.models."m"\]'),
    ],
)
def test_a_budget_says_what_of_what_was_spent_has_no_price(counts, tier, said):
    price = Price({Meter.INPUT: Rate(ONE), Meter.OUTPUT: Rate(ONE)}, "test")

    with pytest.raises(BadConfig, match=said):
        spends(price, counts, tier)


def test_what_a_run_asked_for_nothing_needs_no_price():
    price = Price({Meter.INPUT: Rate(ONE), Meter.OUTPUT: Rate(ONE)}, "test")
    asked = row(model="models", endpoint="/v1/models", input_tokens=None, output_tokens=None)

    assert spent_so_far(PriceBook(own=(("m", price),)), [row(model="m"), asked]) == 1_000_000
