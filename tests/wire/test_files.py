"""A body that names files is taken apart into bytes that stay as they are, and the files."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import BadFile
from batch.records import FileRef, Spliced
from batch.wire._files import Wants, attached

WANTS: Wants = {"url": "data_uri", "data": "base64", "source.bytes": "base64"}
TYPES = {"data": "type", "source.bytes": "type"}
NUMBERS = b'"n":1.10,"m":123456789012345678901234567890,"far":1e400,"s":"\\u00e9\\/"'


def parts(body: bytes, **how: Any) -> list[bytes | tuple[str, str]]:
    """Take a body apart; a file is what it names and how it is written."""
    got = attached(body, WANTS, **how)
    pieces = got.pieces if isinstance(got, Spliced) else (got,)
    return [one if isinstance(one, bytes) else (one.source, one.encoding) for one in pieces]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"url":"https://h/a.png"}',
        b'{"url":"data:image/png;base64,AAAA"}',
        b'{"text":"file:a.png"}',
        b'{"text":"see \\"file:a.png\\""}',
        b'{"url":"a file:a.png"}',
        b'{"url":7,"data":null,"text":"file:a"}',
        b'{"bytes":"file:a.png"}',
        b'{"other":{"bytes":"file:a.png"}}',
        b'{"file:url":"url"}',
        b'["file:a.png"]',
    ],
)
def test_a_body_that_names_no_file_is_the_same_object(body: bytes) -> None:
    assert attached(body, WANTS) is body


def test_a_file_takes_the_place_of_its_name_between_the_quotes() -> None:
    assert parts(b'{"a":[{"url":"file:a.png"},{"data":"file://b.wav"}]}') == [
        b'{"a":[{"url":"',
        ("file:a.png", "data_uri"),
        b'"},{"data":"',
        ("file://b.wav", "base64"),
        b'"}]}',
    ]


def test_what_is_no_file_keeps_its_bytes() -> None:
    before, after = b'{"a":{' + NUMBERS + b',"x":[ 1 ,2 ]},"url":"', b'",' + NUMBERS + b"}"

    assert parts(before + b"file:a" + after) == [before, ("file:a", "data_uri"), after]


@pytest.mark.parametrize(
    ("spelled", "source"),
    [
        (rb"file:\/\/a.png", "file://a.png"),
        (rb"file:\u00e9 \"1\".png", 'file:é "1".png'),
        ("file:图.png".encode(), "file:图.png"),
        (b"file:../../etc/passwd", "file:../../etc/passwd"),  # judged where it is read
        (b"file:", "file:"),
    ],
)
def test_a_name_is_read_as_json_however_it_is_spelled(spelled: bytes, source: str) -> None:
    assert parts(b'{"url":"' + spelled + b'"}') == [b'{"url":"', (source, "data_uri"), b'"}']


def test_a_list_under_a_key_of_files_holds_files_and_other_things() -> None:
    body = b'{"data":["file:a",{"text":"file:b"},"c",{"url":"file:d"}],"text":["file:e"]}'

    assert parts(body) == [
        b'{"data":["',
        ("file:a", "base64"),
        b'",{"text":"file:b"},"c",{"url":"',
        ("file:d", "data_uri"),
        b'"}],"text":["file:e"]}',
    ]


def test_a_key_may_be_meant_only_under_another() -> None:
    body = b'{"source":{"bytes":"file:a"},"other":{"bytes":"file:b"},"bytes":"file:c"}'
    listed = b'{"source":[{"bytes":"file:a"}]}'

    assert parts(body)[1:] == [
        ("file:a", "base64"),
        b'"},"other":{"bytes":"file:b"},"bytes":"file:c"}',
    ]
    assert parts(listed)[1] == ("file:a", "base64")


@pytest.mark.parametrize(
    ("beside", "filled"),
    [
        (b"", True),
        (b',"type":""', True),
        (b',"type":null', True),
        (b',"type":"audio/wav"', False),
        (b',"type":"\\u0061"', False),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_content_type_is_filled_in_where_it_is_missing(
    beside: bytes, filled: bool, first: bool
) -> None:
    file = b'"data":"file:a.wav"'
    fields = [beside[1:], file] if first and beside else [file + beside]
    body = b'{"a":{' + b",".join(fields) + b"}}"

    got = parts(body, types=TYPES)

    assert got.count(("file:a.wav", "base64")) == 1
    assert got.count(("file:a.wav", "type")) == filled
    written = b"".join(one if isinstance(one, bytes) else b"FILLED" for one in got)
    asked, told = json.loads(body)["a"], json.loads(written)["a"]
    assert told == {"data": "FILLED", "type": "FILLED" if filled else asked["type"]}
    assert written.count(b'"type"') == 1


def test_what_is_no_file_gets_no_content_type() -> None:
    body = b'{"a":{"data":"AAAA"},"b":{"data":"file:b","type":"x/y"}}'

    assert parts(body, types=TYPES) == [
        b'{"a":{"data":"AAAA"},"b":{"data":"',
        ("file:b", "base64"),
        b'","type":"x/y"}}',
    ]


CONVERTED = [
    ("url", "https://h/a.png", True),
    ("url", r"http:\/\/h\/a.png", True),
    ("url", "data:image/png;base64,AAAA", False),  # it is one already
    ("data", "https://h/a.png", True),
    ("data", "data:image/png;base64,AAAA", True),
    ("data", "AAAA", False),
    ("data", "httpd", False),
    ("text", "https://h/a.png", False),
]


@pytest.mark.parametrize(("key", "value", "read"), CONVERTED)
def test_other_spellings_are_read_only_where_the_vendor_takes_none_of_them(
    key: str, value: str, read: bool
) -> None:
    body = b'{"x":{"%b":"%b"}}' % (key.encode(), value.encode())

    assert attached(body, WANTS) is body
    got = attached(body, WANTS, convert=True)

    if read:
        encoding = WANTS[key]
        ref = FileRef(json.loads(body)["x"][key], encoding)
        assert got == Spliced((b'{"x":{"%b":"' % key.encode(), ref, b'"}}'))
    else:
        assert got is body


def test_names_far_below_are_texts() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * levels + b'{"url":"file:a"}' + b"}" * levels

    assert len(parts(nested(50))) == 3
    assert len(parts(nested(70))) == 1
    assert len(parts(nested(400))) == 1


def test_a_body_that_is_nested_beyond_reason_is_a_failure_of_its_line() -> None:
    body = b'{"url":"file:a","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"

    with pytest.raises(BadFile, match="nested"):
        attached(body, WANTS)


KEYS = st.sampled_from(
    ["url", "data", "source", "bytes", "text", "type", 'a"\\b', "\0wbatch\0", ""]
)
TEXTS = st.sampled_from(["file:a", 'file:é/\\"', "https://h/a", "data:x;base64,AA", "t", "\0", ""])
VALUES = st.recursive(
    TEXTS | st.none() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
)


def untyped(value: Any) -> Any:
    """The value without any content types."""
    if isinstance(value, list):
        return [untyped(one) for one in value]
    if isinstance(value, dict):
        return {key: untyped(one) for key, one in value.items() if key != "type"}
    return value


@given(st.dictionaries(KEYS, VALUES), st.booleans(), st.booleans())
def test_with_its_names_put_back_a_body_is_what_it_was(
    body: dict[str, Any], convert: bool, typed: bool
) -> None:
    raw = json.dumps(body).encode()

    got = attached(raw, WANTS, types=TYPES if typed else None, convert=convert)

    pieces = got.pieces if isinstance(got, Spliced) else (got,)
    written = b"".join(
        one if isinstance(one, bytes) else json.dumps(one.source)[1:-1].encode() for one in pieces
    )
    told = json.loads(written)
    assert untyped(told) == untyped(body)
    assert typed or told == body
    assert all(isinstance(one, FileRef) == bool(place % 2) for place, one in enumerate(pieces))
