"""What lines are taken to cost, by rule: low, likely, and at most."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from batch.estimating.guess import MEDIUM
from batch.estimating.sums import ASKED_AGAIN, LIKELY_OUTPUT, SPARSE, Estimator
from batch.estimating.told import Estimated, Money, Part, Span, Taken, worth_asking
from batch.labeling.kinds import Labels
from batch.labeling.script import Labeling
from batch.pricing import Price, PriceBook, Rate
from batch.records import Row
from batch.script import AskOnce, Pack
from batch.usage import Meter
from batch.wire import Ask, formats

CHAT, EMBEDDINGS, IMAGES = "/v1/chat/completions", "/v1/embeddings", "/v1/images/generations"
NAMES = {CHAT: "chat", EMBEDDINGS: "embeddings", IMAGES: "images", "/v1/audio/speech": "speech"}
MILLION = Decimal(1_000_000)


def row(body: dict[str, Any], endpoint: str = CHAT, method: str = "POST") -> Row:
    """Return a line as it is read."""
    wire = formats()[NAMES.get(endpoint, "videos")]
    shaped = wire.shape(orjson.dumps(body), Ask(method, endpoint, "m"))
    return Row(
        *(1, 0, "r1", wire.name, shaped.model, shaped.body, "in.jsonl", 1),
        method=shaped.method,
        path=shaped.path,
        endpoint=shaped.endpoint,
        makes=shaped.makes,
        pack_key=shaped.pack_key,
    )


def chat(content: str = "hello", **more: Any) -> Row:
    return row({"model": "m", "messages": [{"role": "user", "content": content}], **more})


def price(**more: Any) -> Price:
    """Return a price of 2 a million tokens in and 8 out."""
    rates = {Meter.INPUT: Rate(2 / MILLION), Meter.OUTPUT: Rate(8 / MILLION)}
    return Price(**{"rates": rates, "source": "test", **more})


def rates(**amounts: str) -> dict[Meter, Rate]:
    return {Meter[name]: Rate(Decimal(amount)) for name, amount in amounts.items()}


def book(one: Price | None = None) -> PriceBook:
    return PriceBook((("*", one or price()),))


def estimated(
    *rows: Row, prices: PriceBook | None = None, script: Any = None, lines: int = 0, **taken: Any
) -> Estimated:
    one = Estimator(prices or book(), 0.0, script or AskOnce(), formats())
    for each in rows:
        one.add(each)
    return one.estimated(lines or len(rows), taken.get("taken", {}))


def alone(*rows: Row, **more: Any) -> Part:
    (part,) = estimated(*rows, **more).parts
    return part


def cost(*rows: Row, **more: Any) -> Money:
    found = estimated(*rows, **more).cost
    assert found is not None
    return found


# Tokens


def test_a_line_reads_a_token_for_three_bytes_and_at_most_one_for_each():
    line = chat("x" * 300, max_tokens=100)

    part = alone(line)

    size = len(line.body)
    assert part.input == Span(-(-(size // 3) // SPARSE), size // 3, size)
    assert part.output == Span(1, 100, 100)


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ({"max_tokens": 100}, Span(1, 100, 100)),
        ({"max_tokens": 4096}, Span(1, LIKELY_OUTPUT, 4096)),
        ({"max_tokens": 100, "n": 3}, Span(1, LIKELY_OUTPUT, 300)),
        ({}, Span(1, LIKELY_OUTPUT, None)),
        ({"max_tokens": 0}, Span(1, LIKELY_OUTPUT, None)),
    ],
)
def test_the_output_goes_by_the_limit_and_most_answers_end_before_a_high_one(body, output):
    assert alone(chat(**body)).output == output


def test_media_within_a_body_count_by_the_piece():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 300_000}}

    part = alone(row({"model": "m", "messages": [{"role": "user", "content": [picture]}]}))

    assert MEDIUM < part.input.likely < MEDIUM + 100
    assert part.input.high is None


# Requests


@pytest.mark.parametrize(
    ("votes", "retries", "requests"),
    [(1, 0, Span(2, 2, 2)), (1, 2, Span(2, 2, 6)), (3, 2, Span(6, 6, 10))],
)
def test_votes_are_asked_in_any_case_and_re_asks_at_most(votes, retries, requests):
    script = Labeling(Labels(("a", "b"), None), votes, retries)

    assert alone(chat(), chat(), script=script).requests == requests


def test_the_most_of_a_label_shows_each_re_ask_the_answer_before():
    line = chat(max_tokens=50)
    once = alone(line, script=Labeling(Labels(("a", "b"), None), 1, 0))
    assert once.input.high is not None

    part = alone(line, script=Labeling(Labels(("a", "b"), None), 3, 2))

    assert part.input.high == 5 * once.input.high + 2 * (50 + ASKED_AGAIN)
    assert part.output.high == 5 * 50


def test_a_pack_is_one_request_and_if_it_is_refused_each_line_is_one():
    lines = [row({"model": "m", "input": f"text {n}"}, EMBEDDINGS) for n in range(7)]

    part = alone(*lines, script=Pack(3, lambda name, bodies: b""))

    assert part.requests == Span(3, 3, 7)
    assert part.output == Span(0, 0, 0)


def test_what_was_not_looked_at_is_taken_to_be_like_the_rest():
    few, many = estimated(chat(max_tokens=9)), estimated(chat(max_tokens=9), lines=1000)

    assert many.requests == Span(1000, 1000, 1000)
    assert (many.cost or Money()).high == 1000 * ((few.cost or Money()).high or 0)
    assert (many.looked, many.lines) == (1, 1000)


def test_a_line_that_cannot_be_asked_costs_nothing():
    script = Labeling(Labels(("a", "b"), None))
    picture = row({"model": "m", "prompt": "a cat", "n": 1, "size": "1x1"}, IMAGES)

    found = estimated(chat(max_tokens=9), picture, script=script)

    assert (found.broken, found.lines, len(found.parts)) == (1, 2, 1)


# Money


def test_three_amounts_stand_for_what_nobody_knows_yet():
    line = chat("x" * 3000, max_tokens=100)
    size = len(line.body)

    found = cost(line)

    assert found == Money(
        low=2 * -(-(size // 3) // SPARSE) / MILLION + 8 / MILLION,
        likely=(2 * (size // 3) + 800) / MILLION,
        high=(2 * size + 800) / MILLION,
    )


def test_a_price_by_the_request_counts_for_each():
    line = chat(max_tokens=9)

    dear = cost(line, line, prices=book(price(per_request=Decimal(1))))
    plain = cost(line, line)

    assert dear == Money(plain.low + 2, plain.likely + 2, (plain.high or 0) + 2)


def test_a_discount_and_a_currency_hold_for_all_three():
    line = chat(max_tokens=9)
    euros = PriceBook(
        (("*", price(multiplier=Decimal("0.5"), per_request=Decimal(1))),),
        currency="EUR",
        per_base={"EUR": Decimal("0.9")},
    )
    plain = cost(line, prices=book(price(per_request=Decimal(1))))

    found = cost(line, prices=euros)

    share = Decimal("0.45")
    assert found == Money(plain.low * share, plain.likely * share, (plain.high or 0) * share)


TIERED = Price(
    {
        Meter.INPUT: Rate(Decimal(1), ((1000, Decimal(3)),)),
        Meter.OUTPUT: Rate(Decimal(10), ((1000, Decimal(20)),)),
    },
    source="test",
)


def test_the_worst_case_of_long_lines_is_at_the_price_of_long_ones():
    short, long = chat("x" * 100, max_tokens=7), chat("x" * 2000, max_tokens=7)

    found = cost(short, long, prices=book(TIERED))

    assert found.high == len(short.body) + 70 + 3 * len(long.body) + 140


def test_a_re_ask_may_be_long_where_the_first_request_is_not():
    script = Labeling(Labels(("a", "b"), None), 1, 1)
    line = chat("x" * 100, max_tokens=7)
    size = len(script.begin((line,)).requests[0].body)

    found = cost(line, prices=book(TIERED), script=script)

    assert found.high == (size + 70) + (3 * (size + 7 + ASKED_AGAIN) + 140)


@pytest.mark.parametrize(("longest", "floor"), [(2000, False), (4000, True)])
def test_only_a_line_that_is_likely_to_be_long_makes_the_likely_amount_a_floor(longest, floor):
    lines = [chat("x" * size, max_tokens=7) for size in (longest, 2000)]

    assert cost(*lines, prices=book(TIERED)).floor is floor


def test_a_line_without_a_bound_leaves_the_whole_without_one():
    found = estimated(chat(max_tokens=9), chat(max_tokens=9), chat())

    assert (found.limitless, found.unbounded, found.unpriced) == (1, 1, 0)
    assert found.cost is not None
    assert found.cost.high is None
    assert found.cost.likely > 0


def test_media_that_are_read_are_no_missing_limit():
    said = [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]
    line = row({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": said}]})

    part = alone(line)

    assert (part.limitless, part.boundless) == (0, 1)


def test_a_picture_lacks_no_limit_of_its_output():
    said = [{"role": "user", "content": "a cat"}]
    line = row({"model": "m", "modalities": ["image"], "messages": said})

    part = alone(line)

    assert (part.limitless, part.boundless) == (0, 1)
    assert part.cost is not None
    assert part.cost.floor


def test_an_unpriced_model_is_never_free():
    found = estimated(chat(max_tokens=9), prices=PriceBook())

    assert found.cost is None
    assert (found.unpriced, found.unbounded) == (1, 0)


def test_beside_a_priced_model_an_unpriced_one_makes_a_floor():
    prices = PriceBook((("m", price()),))
    other = row({"model": "other", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]})

    found = estimated(chat(max_tokens=9), other, prices=prices)

    assert found.cost is not None
    assert found.cost.floor
    assert found.unpriced == 1


def test_a_price_without_what_is_used_is_no_price_of_it():
    found = estimated(chat(max_tokens=9), prices=book(Price(rates(INPUT="1"), source="test")))

    assert found.unpriced == 1


@pytest.mark.parametrize(
    ("endpoint", "body", "meter", "amount"),
    [
        (IMAGES, {"prompt": "a cat", "n": 3}, "IMAGES", 3),
        (IMAGES, {"prompt": "a cat"}, "IMAGES", 1),
        ("/v1/audio/speech", {"input": "four", "voice": "v"}, "CHARACTERS", 4),
        ("/v1/videos", {"prompt": "a cat", "seconds": "8"}, "MILLISECONDS", 8100),
    ],
)
def test_what_is_no_token_is_known_beforehand(endpoint, body, meter, amount):
    line = row({"model": "m", **body}, endpoint)

    found = cost(line, prices=book(Price(rates(**{meter: "1"}), source="test")))

    assert found == Money(Decimal(amount), Decimal(amount), Decimal(amount))


def test_the_number_of_pictures_says_nothing_of_their_tokens():
    line = row({"model": "m", "prompt": "a cat", "n": 3}, IMAGES)

    found = estimated(line, prices=book(Price(rates(IMAGES="1"), source="test")))

    assert (found.unbounded, found.input.high, found.output.high) == (0, None, None)


def test_pictures_that_are_billed_by_tokens_have_no_bound():
    found = estimated(row({"model": "m", "prompt": "a cat", "n": 3}, IMAGES))

    assert found.unbounded == 1
    assert found.cost is not None
    assert found.cost.floor  # what they are likely to take nobody guesses
    assert found.output.high is None


def test_a_question_costs_nothing_even_of_a_model_without_a_price():
    found = estimated(row({}, "/v1/videos/v1", "GET"), prices=PriceBook())

    assert (found.unpriced, found.unbounded) == (0, 0)
    assert found.requests == Span(1, 1, 1)


# What a run's own answers say

LEARNED = {Meter.INPUT: 50, Meter.CACHED_INPUT: 30, Meter.OUTPUT: 15, Meter.REASONING: 5}


def learned(*rows: Row, done: int = 0, **more: Any) -> Part:
    told = {"lines": 10, "requests": 10, "unreported": 0, "counts": LEARNED, **more}
    one = Estimator(book(), 0.0, AskOnce(), formats())
    for each in rows:
        one.add(each)
    for _ in range(done):
        one.add_answered(chat("x" * 100, max_tokens=900))
    return one.estimated(len(rows), {("m", CHAT): Taken(**told)}).parts[0]


def test_likely_is_what_the_answers_so_far_took():
    part = learned(*[chat("x" * 100, max_tokens=900)] * 20, done=10)

    assert (part.input.likely, part.output.likely, part.requests.likely) == (160, 40, 20)
    assert part.learned == 10


def test_lines_that_are_longer_than_those_answered_are_taken_to_read_more():
    long = chat("x" * 1000, max_tokens=900)
    share = (len(long.body) // 3) / (len(chat("x" * 100, max_tokens=900).body) // 3)

    part = learned(*[long] * 10, done=10)

    assert abs(part.input.likely - 80 * share) <= 2
    assert part.output.likely == 20


def test_re_asks_so_far_are_taken_to_go_on():
    assert learned(*[chat(max_tokens=900)] * 20, requests=15).requests.likely == 30


def test_what_nobody_reported_is_taken_to_be_like_the_rest():
    part = learned(*[chat(max_tokens=900)] * 10, unreported=5)

    assert part.output.likely == 40


@pytest.mark.parametrize("few", [{"lines": 2, "requests": 2}, {"unreported": 10}])
def test_too_few_answers_say_nothing(few):
    part = learned(chat(max_tokens=9), **few)

    assert (part.output.likely, part.learned) == (9, 0)


def test_what_was_learned_never_leaves_the_three_numbers_out_of_order():
    part = learned(chat(max_tokens=1), counts={Meter.INPUT: 10**6, Meter.OUTPUT: 0})

    for span in (part.input, part.output, part.requests):
        assert span.low <= span.likely <= (span.high or 0)


# Whether a person is asked


def of(lines: int = 1, **cost: Any) -> Estimated:
    unbounded, unpriced = cost.pop("unbounded", 0), cost.pop("unpriced", 0)
    amounts = {name: Decimal(one) for name, one in cost.items()}
    money = Money(**{"low": Decimal(0), "likely": Decimal(0), **amounts}) if amounts else None
    part = Part(
        *("m", CHAT, "text", lines, Span(), Span(), Span(), money, None),
        *(unbounded, 0, unpriced, None, 0),
    )
    return Estimated((part,), lines, lines, 0, "USD")


@pytest.mark.parametrize(
    ("found", "most", "asked"),
    [
        (of(likely="1", high="5"), None, False),
        (of(likely="1", high="5.01"), None, True),
        (of(likely="4", unbounded=1), None, False),
        (of(likely="6", unbounded=1), None, True),
        (of(1000, likely="1", unbounded=1), None, False),
        (of(1001, likely="1", unbounded=1), None, True),
        (of(1001, likely="1", high="1", unpriced=1), None, True),
        (of(1001, unpriced=1), None, True),
        (of(1001, likely="1", high="1"), None, False),
        (of(likely="1", high="9"), "4", False),
        (of(likely="1", high="9"), "8", True),
        (of(likely="1", high="2"), "8", False),
        (of(2000, likely="1", unbounded=1), "4", False),
        (of(likely="1", unbounded=1), "8", True),
        (Estimated((), 1001, 0, 0, "USD"), None, True),
    ],
)
def test_a_person_is_asked_about_much_money_and_about_many_lines_in_the_dark(found, most, asked):
    limit = None if most is None else Decimal(most)

    assert worth_asking(found, Decimal(5), limit, 1000) is asked


def test_what_has_no_price_takes_nothing_from_what_the_rest_costs_at_most():
    hour = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    plain, kept = chat("x" * 300, max_tokens=100), chat("x" * 300, max_tokens=100, **hour)

    alone, both = cost(plain), cost(plain, kept)

    assert alone.high is not None
    assert both.high is not None
    assert both.high > 2 * alone.high
    assert (alone.floor, both.floor) == (False, True)


# Tiers


def test_lines_that_ask_for_a_tier_are_estimated_at_its_price_and_at_most_at_the_dearer_one():
    tiers = {"flex": Decimal("0.5"), "priority": Decimal(2)}
    prices = book(price(by_tier=tiers))
    usual, flex, priority = (
        cost(chat("x" * 300, max_tokens=100, service_tier=tier), prices=prices)
        for tier in ("default", "flex", "priority")
    )

    # The body that asks for it is a few bytes longer or shorter.
    assert abs(float(flex.likely / usual.likely) - 0.5) < 0.02
    assert abs(float(priority.likely / usual.likely) - 2) < 0.02
    assert flex.high is not None
    assert priority.high is not None
    assert abs(float(flex.high / usual.high) - 1) < 0.02
    assert abs(float(priority.high / usual.high) - 2) < 0.02


def test_lines_that_ask_for_a_tier_without_a_price_are_unpriced_and_others_are_not():
    found = estimated(chat(max_tokens=9), chat(max_tokens=9, service_tier="priority"))

    assert [part.unpriced for part in found.parts] == [0, 1]
    assert found.cost is not None
    assert found.cost.floor
