import json

import pytest

from batch.errors import BadConfig
from batch.inputs.envelope import Reader
from batch.inputs.lines import RawLine, line_sum
from batch.inputs.settings import InputSettings
from batch.records import BadLine, Row
from tests.inputs.toy import parse, toy_formats

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}'


def batch_line(**fields):
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat", "body": json.loads(BODY)}
    return json.dumps(line | fields).encode()


def without(*names):
    line = json.loads(batch_line())
    return json.dumps({k: v for k, v in line.items() if k not in names}).encode()


def body(inner):
    return b'{"custom_id":"a","url":"/v1/chat","body":' + inner + b"}"


def nested(depth):
    return body(b'{"model":"m","x":' + b"[" * depth + b"]" * depth + b"}")


BAD = [
    # The line is not JSON.
    ("cut off", b'{"custom_id": "a", "body": {', "invalid_json", "end of data"),
    ("text", b"hello", "invalid_json", "not JSON"),
    ("NUL block", b"\x00" * 8, "invalid_json", "character 1"),
    ("byte order mark", b"\xef\xbb\xbf" + batch_line(), "invalid_json", "byte order mark"),
    ("invalid UTF-8", body(b'{"x":"\xff"}'), "invalid_json", "not UTF-8: byte 48"),
    ("surrogate in UTF-8", body(b'{"x":"\xed\xa0\x80"}'), "invalid_json", "not UTF-8"),
    ("lone surrogate escape", body(b'{"x":"\\ud800"}'), "invalid_json", "surrogate"),
    ("NUL in a text", body(b'{"x":"\x00"}'), "invalid_json", "control character"),
    ("NaN", body(b'{"x":NaN}'), "invalid_json", "character 47"),
    ("Infinity", body(b'{"x":-Infinity}'), "invalid_json", "not JSON"),
    ("1e400", body(b'{"x":1e400}'), "invalid_json", "infinity"),
    ("number of 5,000 digits", body(b'{"x":' + b"9" * 5000 + b"}"), "invalid_json", "infinity"),
    ("nesting of 1,025", nested(1025), "invalid_json", "depth"),
    ("nesting of 1,010", nested(1010), "invalid_json", "nested too deeply"),
    ("trailing comma", body(b'{"x":1,}'), "invalid_json", "comma"),
    ("two documents", batch_line() + b" " + batch_line(), "invalid_json", "after document"),
    ("lone CR between two", batch_line() + b"\r" + batch_line(), "invalid_json", "after document"),
    ("comment", batch_line() + b" // c", "invalid_json", "after document"),
    ("pretty-printed piece", b"{", "invalid_json", "end of data"),
    ("CSV", b"1,hello", "invalid_json", "after document"),
    # The line is JSON, and no request.
    ("array", b"[1]", "invalid_request", "not an object"),
    ("string", b'"a"', "invalid_request", "not an object"),
    ("number", b"42", "invalid_request", "not an object"),
    ("null", b"null", "invalid_request", "not an object"),
    ("no body", without("body"), "invalid_request", 'no "body"'),
    ("only a method", b'{"method":"POST"}', "invalid_request", 'no "body"'),
    ("body is null", batch_line(body=None), "invalid_request", '"body" must be an object'),
    ("body is a text", batch_line(body="hello"), "invalid_request", '"body" must be an object'),
    ("body is an array", batch_line(body=[]), "invalid_request", '"body" must be an object'),
    ("GET", batch_line(method="GET"), "unknown_endpoint", 'only with "POST"'),
    ("PUT", batch_line(method="PUT"), "invalid_request", '"POST"'),
    ("post", batch_line(method="post"), "invalid_request", '"POST"'),
    ("method is a list", batch_line(method=["POST"]), "invalid_request", '"POST"'),
    ("headers", batch_line(headers={"authorization": "x"}), "invalid_request", '"headers"'),
    ("url is a number", batch_line(url=1), "invalid_request", '"url" must be a text'),
    ("other host", batch_line(url="https://h.test/v1/chat"), "invalid_request", "only a path"),
    ("other host, no scheme", batch_line(url="//h.test/v1/chat"), "invalid_request", "only a path"),
    ("local file", batch_line(url="file:///etc/passwd"), "invalid_request", "only a path"),
    ("almost a url", batch_line(url="/v1/cha"), "unknown_endpoint", "Was /v1/chat or"),
    ("unknown url", batch_line(url="/v1/no"), "unknown_endpoint", "/v1/no is not known. Known"),
    ("empty url", batch_line(url=""), "unknown_endpoint", "/v1/answers, /v1/chat, /v1/embed"),
    ("no shape", b'{"text":"a","label":"b"}', "unknown_endpoint", "does not tell which"),
    ("two shapes", b'{"input":"a","model":"m"}', "unknown_endpoint", "/v1/embed and /v1/answers"),
    ("no shape inside", b'{"body":{}}', "unknown_endpoint", "or all such lines --endpoint"),
    ("format says no", b'{"messages":[]}', "missing_model", "names no model"),
    # The id cannot be one.
    ("id is a float", batch_line(custom_id=1.5), "invalid_request", '"custom_id"'),
    ("id is true", batch_line(custom_id=True), "invalid_request", '"custom_id"'),
    ("id is an object", batch_line(custom_id={}), "invalid_request", '"custom_id"'),
    ("id is empty", batch_line(custom_id=""), "invalid_request", '"custom_id"'),
    ("id of 513 characters", batch_line(custom_id="x" * 513), "invalid_request", '"custom_id"'),
    ("id of 1 MB", batch_line(custom_id="x" * 1_000_000), "invalid_request", '"custom_id"'),
    (
        "id over 64 bits",
        body(b"{}")[:-1] + b',"custom_id":99999999999999999999}',
        "invalid_request",
        "id",
    ),
]


@pytest.mark.parametrize(("raw", "code", "words"), [r[1:] for r in BAD], ids=[r[0] for r in BAD])
def test_a_bad_line_says_why_and_costs_nothing(raw, code, words):
    bad = parse(raw)

    assert isinstance(bad, BadLine)
    assert bad.code == code
    assert words in bad.message
    assert len(bad.message) <= 500
    assert (bad.ordinal, bad.sum, bad.where) == (7, line_sum(raw), "in.jsonl:7")


def test_a_bad_line_keeps_its_id_if_it_has_one():
    assert parse(batch_line(method="PUT")).custom_id == "a"
    assert parse(batch_line(custom_id="", method="PUT")).custom_id == "line-7"
    assert parse(b"hello").custom_id == "line-7"


@pytest.mark.parametrize("url", ["/v1/no?key=secret", "https://secret@h.test/v1/chat?key=secret"])
def test_a_message_never_repeats_what_may_be_a_key_or_a_prompt(url):
    raw = batch_line(url=url, headers=None, body={"messages": "secret"})

    bad = parse(raw.replace(b', "headers": null', b""))

    assert isinstance(bad, BadLine)
    assert "secret" not in bad.message


def test_a_line_over_the_cap_is_a_bad_line_with_an_identity():
    line = RawLine(3, 2, "in.jsonl", None, 99, long_sum=12345)

    bad = Reader(toy_formats(), InputSettings(max_line_bytes=50)).parse(line)

    assert isinstance(bad, BadLine)
    assert (bad.code, bad.sum, bad.custom_id) == ("line_too_long", 12345, "line-3")
    assert "99 bytes" in bad.message
    assert "50" in bad.message


GOOD = [
    ("batch line", batch_line(), "a"),
    ("no method", without("method"), "a"),
    ("no url", without("url"), "a"),
    ("no method, no url", without("method", "url"), "a"),
    ("nothing but a body", without("method", "url", "custom_id"), "line-7"),
    ("nulls", batch_line(custom_id=None, method=None, url=None), "line-7"),
    ("bare body", BODY, "line-7"),
    ("carriage return at the end", batch_line() + b"\r", "a"),
    ("blanks around", b" \t" + batch_line() + b"  ", "a"),
    ("integer id", batch_line(custom_id=12), "12"),
    ("negative id", batch_line(custom_id=-1), "-1"),
    ("id of 512 characters", batch_line(custom_id="x" * 512), "x" * 512),
    ("id with a path", batch_line(custom_id="../../etc"), "../../etc"),
    ("id with NUL and newline", batch_line(custom_id="a\x00\nb"), "a\x00\nb"),
    ("id for a spreadsheet", batch_line(custom_id="=cmd|' /C calc'!A0"), "=cmd|' /C calc'!A0"),
    ("id with HTML and emoji", batch_line(custom_id="<b>🙂"), "<b>🙂"),
    ("own columns beside", batch_line(metadata={"row": 1}), "a"),
    ("escaped key", batch_line().replace(b'"body"', b'"bo\\u0064y"'), "a"),
]


@pytest.mark.parametrize(("raw", "custom_id"), [r[1:] for r in GOOD], ids=[r[0] for r in GOOD])
def test_a_good_line_becomes_a_row(raw, custom_id):
    row = parse(raw)

    assert isinstance(row, Row), row
    assert (row.custom_id, row.format, row.model) == (custom_id, "chat", "m")
    assert (row.ordinal, row.sum, row.where) == (7, line_sum(raw), "in.jsonl:7")
    assert json.loads(row.body) == json.loads(BODY)


@pytest.mark.parametrize(
    "inner",
    [
        b'{ "model" : "m",\t"messages":[ ] , "seed":18446744073709551617 }',
        b'{"model":"m","x":1.0000000000000000000001,"y":1E2,"z":-0}',
        b'{"model":"m","x":"\\u00e9\\/ \xe2\x80\xa8 \\u0000"}',
        b'{"model":"m","x":1,"x":2}',
        b'{"model":"m","x":' + b"[" * 300 + b"]" * 300 + b"}",
    ],
    ids=["spaces and a big number", "spelling of numbers", "escapes", "repeated keys", "depth"],
)
def test_the_body_goes_out_byte_for_byte(inner):
    assert parse(body(inner)).body == inner
    assert parse(inner, InputSettings(endpoint="/v1/chat")).body == inner


def test_the_id_is_taken_out_of_a_bare_body_and_the_rest_stays():
    inner = b'{"messages":[ 1.0, 18446744073709551617],"custom_id":"b","model":"m"}'

    row = parse(inner)

    assert row.custom_id == "b"
    assert row.body == b'{"messages":[ 1.0, 18446744073709551617],"model":"m"}'


def test_the_url_outranks_the_shape_and_the_shape_outranks_the_setting():
    settings = InputSettings(endpoint="/v1/embed")

    assert parse(batch_line(url="/v1/answers"), settings).format == "answers"
    assert parse(BODY, settings).format == "chat"
    assert parse(b'{"input":"a","model":"m"}', settings).format == "embed"
    assert parse(b'{"prompt":"a","model":"m"}', settings).format == "embed"
    assert (
        parse(b'{"input":"a","model":"m"}', InputSettings(endpoint="answers")).format == "answers"
    )


def test_an_endpoint_that_nobody_serves_is_refused_at_once():
    with pytest.raises(BadConfig, match="/v1/chat"):
        Reader(toy_formats(), InputSettings(endpoint="/v1/no"))
    with pytest.raises(BadConfig):
        Reader(toy_formats(), InputSettings(endpoint="https://h.test/v1/chat"))


def test_the_format_is_told_the_url_and_what_to_fill_in():
    formats = toy_formats()
    settings = InputSettings(model="x", override_model="y", add_usage=False)
    reader = Reader(formats, settings)

    for raw in (batch_line(), BODY):
        reader.parse(RawLine(1, 1, "in", raw, len(raw)))

    first, second = formats["chat"].asked
    assert (first.url, second.url) == ("/v1/chat", None)
    assert {(a.model, a.override_model, a.add_usage) for a in (first, second)} == {
        ("x", "y", False)
    }


def test_more_urls_than_are_remembered_still_find_their_format():
    reader = Reader(toy_formats(), InputSettings())

    for number in range(600):
        raw = batch_line(url=f"/v1/none/{number}")
        assert isinstance(reader.parse(RawLine(1, 1, "in", raw, len(raw))), BadLine)
    raw = batch_line()

    assert isinstance(reader.parse(RawLine(1, 1, "in", raw, len(raw))), Row)


@pytest.mark.parametrize("body", [b"", b',"body":{}'])
def test_a_line_may_ask_with_get_and_without_a_body(body):
    raw = b'{"custom_id":"a","method":"GET","url":"/v1/tasks/t%201?key=secret"' + body + b"}"

    row = parse(raw, InputSettings(model="m"))

    assert (row.method, row.path, row.endpoint) == ("GET", "/v1/tasks/t%201", "/v1/tasks/{id}")
    assert row.body == b"{}"


def test_a_line_of_a_vendors_own_batch_file_is_taken_as_it_is():
    row = parse(b'{"key":"k-1","request":{"model":"m","n":123456789012345678901}}')

    assert (row.custom_id, row.format) == ("k-1", "tasks")
    assert row.body == b'{"model":"m","n":123456789012345678901}'


def test_a_vendors_word_for_an_id_is_none_in_other_lines():
    assert parse(b'{"key":"k-1","messages":[],"model":"m"}').custom_id == "line-7"


def test_what_an_id_of_a_vendors_batch_line_must_be_is_said():
    bad = parse(b'{"key":[],"request":{"model":"m"}}')

    assert (bad.code, bad.custom_id) == ("invalid_request", "line-7")
    assert '"key"' in bad.message
