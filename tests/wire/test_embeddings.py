"""Embeddings: what may be asked together, and what each line gets of the answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from batch import errors
from batch.inputs.envelope import Reader
from batch.inputs.lines import RawLine
from batch.inputs.settings import InputSettings
from batch.records import Answer, Call, Done, Reply, Request, Row
from batch.script import Pack, shared
from batch.usage import Meter, Usage, fields
from batch.wire import Ask, openai_chat
from batch.wire.embeddings import FORMAT
from tests.rig import Rig, Scripted, json_reply

TEXT = b'{"model":"m","input":"a"}'
FORMATS = {"embeddings": FORMAT, "chat": openai_chat.FORMAT}


def key(body: bytes) -> str:
    return FORMAT.shape(body, Ask(model="m")).pack_key


def asking(*bodies: bytes) -> Request:
    """Return a request for one line, or for a pack of several."""
    shaped = [FORMAT.shape(body, Ask(model="m")) for body in bodies]
    several = tuple(one.body for one in shaped)
    return Request(
        ordinals=tuple(range(1, len(bodies) + 1)),
        custom_ids=tuple("abcdefgh"[: len(bodies)]),
        format="embeddings",
        model="m",
        body=FORMAT.pack(several) if len(several) > 1 else several[0],
        bodies=several if len(several) > 1 else (),
        path=shaped[0].path,
    )


def answer(request: Request, body: bytes) -> Answer:
    step = FORMAT.next(request, None, Reply(200, {"x-oneapi-request-id": "gw-1"}, body))
    assert isinstance(step, Done)
    return step.answer


def failure(request: Request, data: Any) -> errors.CallFailed:
    body = orjson.dumps({"object": "list", "data": data, "usage": {"prompt_tokens": 3}})
    with pytest.raises(errors.CallFailed) as caught:
        FORMAT.next(request, None, Reply(200, {}, body))
    return caught.value


def item(index: Any, embedding: Any = (0.5,)) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": embedding}


@pytest.mark.parametrize("asked", ["", "null", '""', "[]", "[ \t]"])
def test_a_line_that_asks_for_nothing_is_refused(asked: str) -> None:
    body = f'{{"model":"m","input":{asked}}}' if asked else '{"model":"m"}'

    with pytest.raises(errors.BadBody, match="input"):
        FORMAT.shape(body.encode(), Ask())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TEXT, b'{"model":"m","input":"b"}'),
        (TEXT, b'{"input":["b","c"],"model":"m"}'),
        (TEXT, b'{"input":"b"}'),
        (b'{"input":"a","dimensions":8,"user":"u"}', b'{"user":"u","dimensions":8,"input":"b"}'),
        (b'{"input":"a","stream":false}', b'{"input":"b","stream":null}'),
    ],
)
def test_lines_that_differ_in_their_texts_alone_may_be_asked_together(
    one: bytes, other: bytes
) -> None:
    assert key(one)
    assert key(one) == key(other)


@pytest.mark.parametrize(
    "other",
    [
        b'{"model":"n","input":"a"}',
        b'{"model":"m","input":"a","dimensions":8}',
        b'{"model":"m","input":"a","dimensions":9}',
        b'{"model":"m","input":"a","encoding_format":"base64"}',
        b'{"model":"m","input":"a","user":"u"}',
        b'{"model":"m","input":"a","task":"query"}',
    ],
)
def test_lines_that_differ_in_anything_else_may_not(other: bytes) -> None:
    assert key(other)
    assert key(other) != key(TEXT)
    assert key(other) != key(b'{"model":"m","input":"a","dimensions":10}')


@pytest.mark.parametrize(
    "body",
    [
        b'{"input":[791,32903]}',
        b'{"input":[[791],[32903]]}',
        b'{"input":["a",7]}',
        b'{"input":["a",""]}',
        b'{"input":[{"type":"text","text":"a"}]}',
        b'{"input":{"texts":["a"]}}',
        b'{"input":"a","titles":["t"]}',
        b'{"input":"a","options":{"a":1}}',
        b'{"input":"a","stream":true}',
    ],
)
def test_a_line_of_another_shape_goes_alone(body: bytes) -> None:
    assert key(body) == ""


def test_a_pack_asks_for_every_text_as_it_was_written() -> None:
    bodies = [
        rb'{"model":"m","input":"caf\u00e9 \"1\"","dimensions":8}',
        rb'{"model":"m","dimensions":8,"input":[ "b", "\ud83d\ude00" ]}',
        b'{"model":"m","dimensions":8,"input":["' + "é".encode() + b'"]}',
    ]

    packed = FORMAT.pack(bodies)

    assert rb'"input":["caf\u00e9 \"1\"","b","\ud83d\ude00","' in packed
    assert orjson.loads(packed) == {
        "model": "m",
        "dimensions": 8,
        "input": ['café "1"', "b", "😀", "é"],
    }


def test_each_line_of_a_pack_gets_what_a_call_of_its_own_had_given() -> None:
    request = asking(TEXT, b'{"model":"m","input":["b","c"]}', b'{"model":"m","input":"d"}')
    body = (
        b'{"object":"list","data":['
        b'{"index":3,"object":"embedding","embedding":[1e-7,-0.10]},'
        b'{"index":1,"object":"embedding","embedding":[0.20]},'
        b'{"index":0,"object":"embedding","embedding":[12345678901234567890.5]},'
        b'{"index":2,"object":"embedding","embedding":[0.30]}],'
        b'"model":"m-1","id":"e","usage":{"prompt_tokens":7,"total_tokens":7}}'
    )

    whole = answer(request, body)

    first, second, third = (share.body for share in whole.shares)
    head, tail = b'{"object":"list","data":[', b'],"model":"m-1","id":"e"}'
    one = b'{"index":0,"object":"embedding","embedding":[%b]}'
    other = b'{"index":1,"object":"embedding","embedding":[%b]}'
    assert first == head + one % b"12345678901234567890.5" + tail
    assert second == head + one % b"0.20" + b"," + other % b"0.30" + tail
    assert third == head + one % b"1e-7,-0.10" + tail
    assert whole.usage == Usage({Meter.INPUT: 7, Meter.OUTPUT: 0})
    assert [share.usage.counts[Meter.INPUT] for share in shared(whole) if share.usage] == [3, 2, 2]
    assert {share.model for share in shared(whole)} == {"m-1"}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        [item(0)],
        [item(0), item(1), item(2)],
        [item(0), item(0)],
        [item(0), item(2)],
        [item(1), item(2)],
        [item(0), item(None)],
        [item("0"), item(1)],
        [item(True), item(0)],
        [item(0), {"embedding": [0.5]}],
        [item(0), item(1, [])],
        [item(0), item(1, "")],
        [item(0), item(1, None)],
        [item(0), {"index": 1}],
        [item(0), 7],
    ],
)
def test_vectors_that_are_not_all_there_are_no_answer(data: Any) -> None:
    pack, alone = asking(TEXT, TEXT), asking(b'{"input":["a","b"]}')

    for request in (pack, alone):
        caught = failure(request, data)
        assert type(caught) is errors.NotAnAnswer
        assert caught.usage == Usage({Meter.INPUT: 3, Meter.OUTPUT: 0})


@pytest.mark.parametrize(
    ("asked", "vectors"),
    [
        ('"a"', 1),
        ('["a"]', 1),
        ('["a","b","c"]', 3),
        ("[791,32903,12]", 1),
        ("[[791,32903],[12]]", 2),
        ('["a",[12]]', None),
        ('[{"text":"a"},{"image":"b"}]', None),
        ('{"texts":["a","b"]}', None),
    ],
)
def test_a_line_gets_as_many_vectors_as_it_asks_for(asked: str, vectors: int | None) -> None:
    request = asking(f'{{"input":{asked}}}'.encode())

    for sent in range(1, 5):
        data = [item(index) for index in range(sent)]
        if sent == vectors or vectors is None:
            answer(request, orjson.dumps({"data": data}))
        else:
            assert "instead of" in failure(request, data).message


def test_a_lone_vector_needs_no_number() -> None:
    body = b'{"data":[{"embedding":"AACAPw=="}]}'

    got = answer(asking(TEXT), body)

    assert (got.body, got.content, got.finish, got.shares, got.blobs) == (
        body,
        None,
        "stop",
        (),
        (),
    )
    assert (got.model, got.usage, got.request_id) == (None, None, "gw-1")


def test_an_answer_nested_deeper_than_any_real_one_is_none() -> None:
    deep = b'{"x":' + b"[" * 1000 + b"]" * 1000 + b"}"
    body = b'{"data":[{"index":0,"embedding":[1],"x":%b},{"index":1,"embedding":[1]}]}' % deep

    with pytest.raises(errors.NotAnAnswer):
        FORMAT.next(asking(TEXT, TEXT), None, Reply(200, {}, body))


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ({"prompt_tokens": 8, "total_tokens": 8}, 8),
        ({"prompt_tokens": 0, "input_tokens": 8, "total_tokens": 8}, 8),
        ({"prompt_tokens": 8, "completion_tokens": 0, "input_tokens": 0}, 8),
        ({"prompt_tokens": 8, "input_tokens": 8, "total_tokens": 8}, 8),
        ({"total_tokens": 8}, 8),
        ({"prompt_tokens": 8.0}, 8),
        ({"prompt_tokens": 0, "total_tokens": 0}, None),
        ({"prompt_tokens": "8"}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_usage_is_what_was_read_and_nothing_is_generated(told: Any, read: int | None) -> None:
    body = orjson.dumps({"data": [item(0)], "usage": told})

    used = fields(answer(asking(TEXT), body).usage)

    if read is None:
        assert used is None
    else:
        assert used == {
            "input_tokens": read,
            "input_cached_tokens": None,
            "output_tokens": 0,
            "output_reasoning_tokens": None,
        }


def test_texts_cannot_take_more_tokens_than_bytes() -> None:
    request = asking(TEXT)

    assert FORMAT.bound(request) == Usage({Meter.INPUT: len(TEXT), Meter.OUTPUT: 0})
    assert FORMAT.bound(asking(b'{"input":{"image":"https://a.example/b.png"}}')) is None


def test_a_prompt_becomes_the_input() -> None:
    assert orjson.loads(FORMAT.build("Hi.", None, None)) == {"input": "Hi."}
    for system, schema in (("Be brief.", None), (None, {"type": "object"})):
        with pytest.raises(errors.BadBody):
            FORMAT.build("Hi.", system, schema)


@pytest.mark.parametrize(
    ("body", "mine"),
    [
        ({"input": "a", "dimensions": 8}, True),
        ({"input": "a", "encoding_format": "float"}, True),
        ({"input": ["a", "b"]}, True),
        ({"input": [791, 32903]}, True),
        ({"input": [[791], [32903]]}, True),
        ({"model": "m", "input": "a"}, False),
        ({"input": "a", "voice": "alloy"}, False),
        ({"input": [{"role": "user", "content": "a"}]}, False),
        ({"input": [], "stream": True}, False),
        ({"encoding_format": "float"}, False),
        ({"input": None, "dimensions": 8}, False),
    ],
)
def test_a_body_is_known_by_its_shape(body: Mapping[str, Any], mine: bool) -> None:
    assert FORMAT.mine(body) is mine


# Packs over the real engine.


def rows(*bodies: Mapping[str, Any]) -> list[Row]:
    """Return lines as a run reads them: a chat where there are messages, else an embedding."""
    reader = Reader(FORMATS, InputSettings())
    read = []
    for number, body in enumerate(bodies, 1):
        url = "/v1/chat/completions" if "messages" in body else "/v1/embeddings"
        raw = orjson.dumps({"custom_id": f"row-{number}", "url": url, "body": body})
        row = reader.parse(RawLine(number, number, "in.jsonl", raw, len(raw)))
        assert isinstance(row, Row)
        read.append(row)
    return read


def text(number: int, **more: Any) -> dict[str, Any]:
    return {"model": "m", "input": f"text {number}", **more}


CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def body_of(call: Call) -> dict[str, Any]:
    assert isinstance(call.payload, bytes)
    body: dict[str, Any] = orjson.loads(call.payload)
    return body


def texts_of(call: Call) -> list[str]:
    asked = body_of(call).get("input", "a chat")
    return [asked] if isinstance(asked, str) else list(asked)


def gateway(refused: str = "", most: int = 100) -> Scripted:
    """Return a gateway whose vector of ``text 7`` is ``[7.0]``, and that answers backwards."""

    def answer(call: Call) -> Reply:
        body, texts = body_of(call), texts_of(call)
        if "messages" in body:
            choice = {"index": 0, "message": {"content": "Hello."}, "finish_reason": "stop"}
            return json_reply({"choices": [choice]})
        if refused in texts or len(texts) > most:
            return json_reply({"error": {"message": "no", "code": "invalid_request"}}, 500)
        data = [item(i, [float(one.split()[1])]) for i, one in enumerate(texts)]
        usage = {"prompt_tokens": 10 * len(texts) + 1, "total_tokens": 10 * len(texts) + 1}
        return json_reply(
            {"object": "list", "data": data[::-1], "model": body["model"], "usage": usage}
        )

    return Scripted(answer)


def packing(folder: Path, width: int) -> Rig:
    pack = Pack(width, lambda name, bodies: FORMATS[name].pack(bodies))
    return Rig(folder, FORMAT, pack, concurrency=1)


def vectors(record: Mapping[str, Any]) -> list[Sequence[float]]:
    return [one["embedding"] for one in record["response"]["body"]["data"]]


def test_a_pack_is_one_call_and_a_record_a_line(tmp_path: Path) -> None:
    rig, server = packing(tmp_path, 4), gateway()
    lines = rows(text(1), {"model": "m", "input": ["text 2", "text 20"]}, text(3), text(4), text(5))

    rig.session(lines, server)

    records = rig.results()
    assert [len(texts_of(call)) for call in server.calls] == [5, 1]
    assert {number: vectors(record) for number, record in records.items()} == {
        1: [[1.0]],
        2: [[2.0], [20.0]],
        3: [[3.0]],
        4: [[4.0]],
        5: [[5.0]],
    }
    assert [one["index"] for one in records[2]["response"]["body"]["data"]] == [0, 1]
    assert [records[n]["custom_id"] for n in range(1, 6)] == [f"row-{n}" for n in range(1, 6)]
    assert [records[n]["x_run"].get("pack") for n in (1, 4, 5)] == [[0, 4], [3, 4], None]
    totals = rig.totals()
    assert (totals["num_model_requests"], totals["num_succeeded"]) == (2, 5)
    assert (totals["input_tokens"], totals["output_tokens"]) == (51 + 11, 0)


def test_only_lines_that_ask_alike_are_packed(tmp_path: Path) -> None:
    rig, server = packing(tmp_path, 8), gateway()
    lines = rows(
        text(1),
        text(2, model="another"),
        text(3),
        CHAT,
        text(5, dimensions=8),
        text(6),
        text(7, dimensions=8),
        {"model": "m", "input": "text 8", "stream": True},
    )

    rig.session(lines, server)

    assert sorted(texts_of(call) for call in server.calls) == [
        ["a chat"],
        ["text 1", "text 3", "text 6"],
        ["text 2"],
        ["text 5", "text 7"],
        ["text 8"],
    ]
    assert {n: r["x_run"].get("pack") for n, r in rig.results().items()} == {
        1: [0, 3],
        3: [1, 3],
        6: [2, 3],
        5: [0, 2],
        7: [1, 2],
        2: None,
        4: None,
        8: None,
    }
    assert [vectors(rig.results()[n]) for n in (3, 6, 7)] == [[[3.0]], [[6.0]], [[7.0]]]


def test_a_refused_pack_is_halved_until_the_line_to_blame_stands_alone(tmp_path: Path) -> None:
    rig, server = packing(tmp_path, 8), gateway(refused="text 6")

    rig.session(rows(*(text(number) for number in range(1, 9))), server)

    assert {n: vectors(record) for n, record in rig.results().items()} == {
        n: [[float(n)]] for n in (1, 2, 3, 4, 5, 7, 8)
    }
    assert set(rig.errors()) == {6}
    assert [len(texts_of(call)) for call in server.calls].count(8) == 1
    assert len(server.calls) == 7  # 8, then 4 and 4, 2 and 2, 1 and 1


def test_a_pack_without_all_its_vectors_is_asked_again_and_both_are_billed(tmp_path: Path) -> None:
    rig, honest = packing(tmp_path, 2), gateway()

    def short_at_first(call: Call) -> Reply:
        reply = honest.reply_to(call)
        if len(server.calls) > 1:
            return reply
        assert isinstance(reply.body, bytes)
        body = orjson.loads(reply.body)
        return msgspec.structs.replace(reply, body=orjson.dumps(body | {"data": body["data"][1:]}))

    server = Scripted(short_at_first)
    rig.session(rows(text(1), text(2)), server)

    assert set(rig.results()) == {1, 2}
    assert rig.totals()["input_tokens"] == 42
    assert rig.totals()["num_wasted"] == 1
