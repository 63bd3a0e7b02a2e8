import orjson
import pytest

from batch.ledger.entries import (
    Counts,
    Entry,
    decode_entry,
    decode_mark,
    decode_marks,
    encode_entry,
    encode_error,
    encode_result,
    record_id,
    timestamp,
)
from batch.records import Answer, Fault, Saved, Timing
from batch.usage import FIELDS, Meter, Usage, fields
from tests.ledger.kit import (
    AT,
    ENDPOINT,
    HOUR,
    MODEL,
    RUN,
    USAGE,
    answered,
    billed,
    entry,
    failed,
    part,
    sum_of,
)


def written(result, synced=0):
    encode = encode_result if isinstance(result.outcome, Answer) else encode_error
    line = encode(result, RUN, synced)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    return line.removesuffix(b"\n")


@pytest.mark.parametrize("result", [answered(3), failed(3)], ids=["result", "error"])
def test_a_record_begins_with_x_run_and_that_with_its_line(result):
    assert written(result).startswith(b'{"x_run":{"line":3,"sum":"')


def test_a_result_has_the_shape_of_an_openai_batch_output_line():
    line = orjson.loads(written(answered(3)))

    assert list(line) == ["x_run", "id", "custom_id", "response", "error"]
    assert line["custom_id"] == "row-3"
    assert line["response"] == {"status_code": 200, "request_id": None, "body": {"said": 3}}
    assert line["error"] is None


def test_the_x_run_of_a_result_says_what_was_asked_when_and_what_it_used():
    head = orjson.loads(written(answered(3, attempts=2, maybe_billed=1), synced=2048))["x_run"]

    assert head == {
        "line": 3,
        "sum": f"{sum_of(3):016x}",
        "synced": 2048,
        "run_id": RUN,
        "model": MODEL,
        "endpoint": ENDPOINT,
        "key": "default",
        "attempts": 2,
        "started_at": "2026-11-22T02:00:03.000Z",
        "ms": 840,
        "maybe_billed": 1,
        "model_answered": None,
        "usage": fields(USAGE),
        "finish": "stop",
    }


def test_what_a_result_does_not_have_is_absent():
    head = orjson.loads(written(answered(3)))["x_run"]

    assert not {"files", "pack", "maybe_billed", "class", "message"} & set(head)


def test_files_and_pack_are_written():
    saved = Saved("1.png", 512, "ab" * 32, "image/png")
    answer = Answer(b"{}", None, "stop", None, files=(saved,))

    head = orjson.loads(written(answered(3, outcome=answer, pack=(1, 4))))["x_run"]

    assert head["files"] == [
        {"path": "1.png", "bytes": 512, "sha256": "ab" * 32, "type": "image/png"}
    ]
    assert head["pack"] == [1, 4]
    assert head["usage"] is None


def test_a_body_stands_in_its_record_byte_for_byte():
    body = b'{"n":12345678901234567890123, "x":1.0e5,  "t":"\\u00e9"}'

    assert body in written(answered(3, outcome=Answer(body, None, "stop", None)))


HTTP = Fault("refused", "HTTP 400: too long", 400, "r-1", b'{"error":{"code":"long"}}')
TEXT = Fault("server_error", "HTTP 502", 502, None, b"<html>\xff</html>", retryable=True)
EMPTY = Fault("server_error", "HTTP 503", 503)
NO_ANSWER = Fault("invalid_response", "no choices", 200, "r-2", b'{"choices":[]}')
NO_REPLY = Fault("timeout", "no answer in time", retryable=True)
FLAW = Fault("schema", "not what was asked", retryable=True)
REJECTED = Answer(b'{"a":1}', "x", "stop", USAGE, request_id="r-3")


@pytest.mark.parametrize(
    ("fault", "flawed", "response", "error", "message"),
    [
        (HTTP, None, (400, "r-1", {"error": {"code": "long"}}), None, "HTTP 400: too long"),
        (TEXT, None, (502, None, "<html>\ufffd</html>"), None, "HTTP 502"),
        (EMPTY, None, (503, None, None), None, "HTTP 503"),
        (NO_ANSWER, None, (200, "r-2", {"choices": []}), "no choices", None),
        (FLAW, REJECTED, (200, "r-3", {"a": 1}), "not what was asked", None),
        (NO_REPLY, None, None, "no answer in time", None),
    ],
    ids=["http", "http-text", "http-empty", "no-answer", "rejected", "no-reply"],
)
def test_an_error_has_the_shape_of_what_happened(fault, flawed, response, error, message):
    line = orjson.loads(written(failed(3, outcome=fault, flawed=flawed)))

    names = ("status_code", "request_id", "body")
    assert line["response"] == (dict(zip(names, response, strict=True)) if response else None)
    assert line["error"] == ({"code": fault.code, "message": error} if error else None)
    assert line["x_run"].get("message") == message
    assert line["x_run"]["class"] == fault.code
    assert line["x_run"]["retryable"] == fault.retryable
    assert "usage" not in line["x_run"]


@pytest.mark.parametrize(
    "body",
    [b"[" * 300 + b"]" * 300, b'{\n  "big": 123456789012345678901234,\r\n  "f": 1.10\n}'],
    ids=["deep", "several-lines"],
)
def test_the_body_of_a_failure_is_kept_as_one_line_whatever_its_depth_and_numbers(body):
    line = written(failed(3, outcome=Fault("refused", "no", 400, None, body)))

    assert body.replace(b"\n", b"").replace(b"\r", b"") in line
    assert decode_mark(line).line == 3


def test_a_line_that_was_never_sent_has_no_time():
    mark = decode_mark(written(failed(3, timing=Timing(0.0, 0, 0), key=None)))

    assert mark.started_at is None
    assert mark.key is None
    assert mark.attempts == 0


@pytest.mark.parametrize(
    "result",
    [
        answered(3, attempts=2, pack=(0, 2), maybe_billed=3),
        failed(3, "refused"),
        answered(3, model='","id":"batch_req_'),
        failed(3, outcome=Fault("x", '}},"id":"batch_req_1"', 400)),
    ],
    ids=["result", "error", "model-that-ends-x_run", "message-that-ends-x_run"],
)
def test_a_mark_is_what_was_written(result):
    mark = decode_mark(written(result, synced=77))

    assert (mark.line, int(mark.sum, 16), mark.synced) == (3, sum_of(3), 77)
    assert (mark.model, mark.endpoint, mark.key) == (result.model, ENDPOINT, "default")
    assert (mark.attempts, mark.pack) == (result.timing.attempts, result.pack)
    assert mark.maybe_billed == result.maybe_billed
    if isinstance(result.outcome, Answer):
        assert mark.usage == Counts(**fields(result.outcome.usage))
        assert mark.class_ is None
    else:
        assert (mark.class_, mark.retryable) == (result.outcome.code, result.outcome.retryable)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"x_run":{"line":3}',
        b'{"x_run":{"line":3},"id":"batch_req_1"}',
        b' {"x_run":{}}',
        b'{"custom_id":"row-3","response":{},"error":null}',
    ],
)
def test_what_is_no_record_of_ours_is_a_value_error(line):
    with pytest.raises(ValueError):
        decode_mark(line)


def test_many_marks_are_what_each_is_alone():
    lines = [written(one, synced=9) for one in (answered(1), failed(2), answered(3, pack=(0, 2)))]

    marks = decode_marks([line + b"\n" for line in lines])

    assert marks == [decode_mark(line) for line in lines]


def broken():
    """Lines with one in the middle that takes a closer look, or is no record."""
    odd = written(answered(2, model='","id":"batch_req_'))
    twice = odd.replace(b',"model":', b'},{"line":3,"model":')
    yield from (odd[1:], odd[:-1], b" " + odd, odd.replace(b'"sum":', b'"sum";'), b"", twice)
    yield odd.replace(b',"id":"batch_req_', b',"id":"', 1)
    yield written(answered(2)).replace(b'{"x_run":', b'{"x_ran":', 1)
    yield odd.replace(b'"key":', b'"label":{"value":{"a":1,"id":"batch_req_"}},"key":')


@pytest.mark.parametrize("odd", list(broken()))
def test_marks_are_not_read_together_if_one_line_is_not_as_we_write_it(odd):
    lines = [line + b"\n" for line in (written(answered(1)), odd, written(answered(4)))]

    with pytest.raises(ValueError):
        decode_marks(lines)


def test_a_usage_is_read_back_with_each_of_its_fields():
    assert Counts.__struct_fields__ == (*FIELDS, "tier")


def test_keys_of_later_versions_are_passed_over():
    line = written(answered(3)).replace(b'{"line":3,', b'{"line":3,"new":{"a":[1]},')

    assert decode_mark(line).line == 3


ENTRIES = [
    Entry(kind="header", run={"version": 1, "inputs": [{"path": "a", "bytes": 1}]}),
    Entry(kind="settings", synced=9, run={"identity": {"model": None}}),
    entry("intent", 3, synced=412),
    entry("void", 3, 2),
    entry("task", 3, state={"id": "video_1", "step": 2, "url": None}),
    part(3, 0, 1),
    billed(3),
    Entry(
        kind="part",
        line=4,
        answer=Answer(
            b'{"a":"\\n"}',
            None,
            "length",
            Usage({Meter.IMAGES: 1}),
            files=(Saved("a.png", 1, "00", "image/png"),),
            shares=(Answer(b"1", "é", "stop", None),),
        ),
    ),
]


@pytest.mark.parametrize("one", ENTRIES, ids=lambda one: one.kind)
def test_a_journal_entry_comes_back_as_it_was(one):
    line = encode_entry(one)

    assert line.startswith(b'{"kind":"%s"' % one.kind.encode())
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert decode_entry(line) == one


def test_what_an_entry_does_not_use_is_absent():
    assert encode_entry(Entry(kind="void", line=7, attempt=1)) == (
        b'{"kind":"void","line":7,"attempt":1}\n'
    )


@pytest.mark.parametrize("line", [b"", b"{}", b'{"kind":"other"}', b'{"kind":"void","line":"7"}'])
def test_what_is_no_entry_is_a_value_error(line):
    with pytest.raises(ValueError):
        decode_entry(line)


def test_an_answer_is_not_written_as_an_error_nor_an_error_as_an_answer():
    with pytest.raises(TypeError):
        encode_result(failed(3), RUN, 0)
    with pytest.raises(TypeError):
        encode_error(answered(3), RUN, 0)


def test_a_record_has_the_same_id_in_every_session():
    assert record_id(RUN, 9) == "batch_req_7f3a9c0000000009"
    assert orjson.loads(written(answered(9)))["id"] == orjson.loads(written(failed(9)))["id"]


def test_times_are_written_in_utc_to_the_millisecond():
    assert timestamp(HOUR) == "2026-11-22T02:00:00.000Z"
    assert timestamp(HOUR + 3.1209) == AT
    assert timestamp(0.0) == "1970-01-01T00:00:00.000Z"
