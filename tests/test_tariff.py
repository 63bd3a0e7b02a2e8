from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from batch.pricing import Price, PriceBook, Rate
from batch.records import Request
from batch.tariff import Tariff
from batch.usage import Meter, Usage
from batch.wire import formats

CHAT = b'{"model":"%s","messages":[{"role":"user","content":"hi"}]%s}'
BOOK = PriceBook(
    own=(
        (
            "cheap",
            Price({Meter.INPUT: Rate(Decimal("0.1")), Meter.OUTPUT: Rate(Decimal(1))}, "test"),
        ),
        (
            "cheap-search-preview",
            Price({Meter.INPUT: Rate(Decimal(1)), Meter.OUTPUT: Rate(Decimal(1))}, "test"),
        ),
        ("dollar", Price({Meter.INPUT: Rate(Decimal(1))}, "test")),
        ("call", Price({}, "test", per_request=Decimal("0.3"))),
        ("abroad", Price({Meter.INPUT: Rate(Decimal(1))}, "test", currency="EUR")),
    )
)


def request(model: str, more: bytes = b"") -> Request:
    body = CHAT % (model.encode(), more)
    return Request((1,), ("a",), "chat", model, body)


def tariff() -> Tariff:
    return Tariff(BOOK, formats(), 0.0)


def test_the_worst_case_of_a_chat_is_its_bytes_and_its_limit_of_output():
    asked = request("cheap", b',"max_tokens":50')

    assert tariff().worst(asked) == len(asked.body) * Decimal("0.1") + 50


def test_what_costs_by_the_call_needs_no_bound():
    assert tariff().worst(request("call")) == Decimal("0.3")


def test_a_question_costs_nothing_and_needs_no_price():
    assert tariff().worst(msgspec.structs.replace(request("unheard"), method="GET")) == 0


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (request("cheap"), "max_tokens"),
        (request("unheard"), '[prices.models."unheard"]'),
        (request("abroad", b',"max_tokens":50'), "rates"),
        (
            request("dollar", b',"max_tokens":50'),
            "no price for all that it may use: none for output",
        ),
        (request("cheap", b',"max_tokens":5,"tools":[{"type":"web_search"}]'), "nothing bounds"),
        (
            request("cheap", b',"max_tokens":5,"cache_control":{"ttl":"1h"}'),
            "none for cache_write_1h",
        ),
        (request("cheap-search-preview", b',"max_tokens":5'), "none for searches"),
        (request("cheap", b',"max_tokens":5,"service_tier":"flex"'), "tiers = { flex = ... }"),
    ],
)
def test_a_worst_case_that_nobody_knows_says_what_to_write(asked, what):
    assert tariff().worst(asked) is None
    assert what in tariff().why_unknown(asked)


def test_what_a_call_cost_is_known_only_if_all_of_it_is():
    known = Usage({Meter.INPUT: 10, Meter.CACHED_INPUT: 5, Meter.OUTPUT: 2})

    assert tariff().cost("cheap", known) == Decimal("3.5")
    assert tariff().cost("cheap", Usage()) is None
    assert tariff().cost("cheap", Usage({Meter.INPUT: 10})) is None
    assert tariff().cost("cheap", Usage({Meter.OUTPUT: 2})) is None
    assert tariff().cost("call", Usage({Meter.OUTPUT: 2})) == Decimal("0.3")
    assert tariff().cost("dollar", known) is None
    assert tariff().cost("unheard", known) is None
