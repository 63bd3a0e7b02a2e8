"""JSON taken apart without touching how its values are spelled."""

from __future__ import annotations

import msgspec
import pytest

from batch.wire._spelled import bare, decode_fields, decode_items


def test_no_number_passes_through_a_float() -> None:
    body = b'{"n":1.10,"m":123456789012345678901234567890,"far":1e400,"s":"\\u00e9\\/"}'

    assert msgspec.json.encode(decode_fields(body)) == body
    assert [bytes(one) for one in decode_items(b"[1.10, 1e400]")] == [b"1.10", b"1e400"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b'"a\\u00e9 \\"b\\""', 'a\u00e9 "b"'),
        (b"1.10", "1.10"),
        (b"true", "true"),
        (b'{"a":1}', '{"a":1}'),
    ],
)
def test_in_a_form_a_text_stands_bare_and_all_else_as_in_json(value: bytes, text: str) -> None:
    assert bare(value) == text
