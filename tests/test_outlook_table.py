"""An estimate as a table, in whatever room there is."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batch.estimating.told import Estimated, Money, Part, Span
from batch.outlook.table import as_table


def of(*parts: Part) -> Estimated:
    return Estimated(parts, sum(one.lines for one in parts), 1, 0, "EUR")


def part(model: str, cost: Money | None) -> Part:
    tokens = (Span(2, 2, 2), Span(1, 100, 2000), Span(1, 50, None))
    return Part(
        *(model, "/v1/chat/completions", "text", 2, *tokens, cost, None),
        *(0, 0, 0 if cost else 2, None, 0),
    )


COST = Money(Decimal("0.5"), Decimal("1.25"), Decimal(3))


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (200, "model endpoint lines tokens in tokens out low EUR likely at most"),
        (90, "model lines tokens in tokens out low EUR likely at most"),
        (60, "model lines low EUR likely at most"),
        (20, "model lines low EUR likely at most"),
    ],
)
def test_the_costs_are_what_has_room_in_any_case(width: int, heads: str) -> None:
    lines = as_table(of(part("gpt-4o-mini", COST)), width, styled=False)

    assert " ".join(lines[0].split()) == heads
    assert lines[-1].split()[-3:] == ["0.50", "1.25", "3.00"]
    assert max(map(len, lines)) <= max(width, 60)


def test_several_models_have_a_sum_and_one_has_none() -> None:
    one, two = (as_table(of(*[part("m", COST)] * n), 200, styled=False) for n in (1, 2))

    assert not any("total" in line for line in one)
    assert two[-1].split()[:2] == ["total", "4"]
    assert two[-1].split()[-3:] == ["1.00", "2.50", "6.00"]


def test_what_has_no_price_is_never_a_number() -> None:
    lines = as_table(of(part("m", COST), part("other", None)), 200, styled=False)

    (row,) = (line.split() for line in lines if "other" in line)
    assert row[-3:] == ["unpriced"] * 3
    assert "≥ 1.25" in lines[-1]
