"""Which models the lines name, at a glance."""

from __future__ import annotations

import pytest

from batch.inputs.lines import RawLine
from batch.inputs.named import LONGEST, MOST, Named


def named(*lines: bytes | None) -> Named:
    noted = Named()
    for number, raw in enumerate(lines, 1):
        noted.visit(RawLine(number, number, "in.jsonl", raw, len(raw or b"")))
    return noted


PLACES = [
    ("in a bare body", b'{"model":"a-1","messages":[]}', {"a-1"}),
    ("in the body of a batch line", b'{"url":"/x","body":{"n":1,"model":"a-1"}}', {"a-1"}),
    ("in another vendor's body", b'{"custom_id":"1","params":{"model":"a-1"}}', {"a-1"}),
    ("in the body rather than beside it", b'{"model":"b","body":{"model":"a-1"}}', {"a-1"}),
    ("beside what is no body", b'{"model":"a-1","body":"text","params":[1]}', {"a-1"}),
    ("with signs that JSON escapes", b'{"model":"\\u0061-1"}', {"a-1"}),
    ("nowhere", b'{"messages":[]}', {""}),
    ("nowhere in the body", b'{"url":"/v1/x","body":{}}', {""}),
    ("deeper than a model stands", b'{"tools":[{"model":"a-1"}]}', {""}),
    ("as what is no name", b'{"model":7}', {""}),
    ("as no UTF-8", b'{"model":"\xff"}', {""}),
    ("at great length", b'{"model":"%b"}' % (LONGEST * b"x"), {""}),
    ("in a broken line, which asks nothing", b'{"model":"a-1"', set()),
    ("in no object", b'"a-1"', set()),
    ("under a mountain", b'{"a":' + 100_000 * b"[", set()),
]  # fmt: skip


@pytest.mark.parametrize(("place", "raw", "models"), PLACES, ids=[place for place, *_ in PLACES])
def test_a_model_is_found_where_it_is_named(place: str, raw: bytes, models: set[str]) -> None:
    assert named(raw).models() == models


def test_every_name_is_noted_once() -> None:
    a, b = b'{"model":"a"}', b'{"model":"b"}'

    assert named(a, b, a, None, b).models() == {"a", "b"}


def test_of_too_many_names_none_is_known() -> None:
    lines = [b'{"model":"m-%d"}' % number for number in range(MOST + 1)]

    assert len(named(*lines[:-1]).models() or ()) == MOST
    assert named(*lines).models() is None
