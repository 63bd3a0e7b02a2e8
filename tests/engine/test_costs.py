"""What a line costs, counted in things that do not depend on the machine.

A bench says how much time that is (`make bench`). These ceilings are a little above what it takes
now: who passes one has put something on the way of every line, and should know it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import orjson
import pytest

from batch.inputs.envelope import Reader
from batch.inputs.lines import RawLine
from batch.inputs.settings import InputSettings
from batch.records import Row
from batch.wire import formats
from batch.wire._sse import Events
from batch.wire.openai_chat import FORMAT
from batch.wire.openai_chat.fold import Fold
from tests.counting import for_each
from tests.rig import Rig, Scripted, json_reply, rows

BODY = b'{"model":"toy","messages":[{"role":"user","content":"Is this good? It came late."}]}'
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "toy",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "It is."}, "finish_reason": "stop"}
    ],
    "usage": {
        "prompt_tokens": 140,
        "completion_tokens": 60,
        "total_tokens": 200,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
}
CALLS_A_LINE = 183  # of ours, without reading it and without a network
CALLS_TO_READ_A_LINE = 17
CALLS_A_CHUNK = 2  # when each comes alone; together they need one


def chats(count: int) -> list[Row]:
    return [msgspec.structs.replace(row, body=BODY) for row in rows(count, "chat")]


@pytest.fixture
def session(tmp_path: Path) -> Callable[[int], Scripted]:
    """Runs so many chats in virtual time, each time anew."""

    def run(count: int) -> Scripted:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        transport = Scripted(lambda call: json_reply(ANSWER))
        Rig(folder, FORMAT, concurrency=64).session(chats(count), transport)
        return transport

    return run


def test_a_line_takes_few_calls_and_no_task_of_its_own(
    session: Callable[[int], Scripted],
) -> None:
    line = for_each(session)

    assert 100 < line("ours") <= CALLS_A_LINE
    assert line("create_task") == pytest.approx(0, abs=0.05)
    assert line("call_later") <= 1.1  # the one of the transport that stands for a network


def test_no_line_queues_at_the_gate_for_a_slot(session: Callable[[int], Scripted]) -> None:
    assert for_each(session)("queue") == 0


def test_an_answer_is_parsed_once(session: Callable[[int], Scripted]) -> None:
    assert for_each(session)("orjson.loads") == 1


def test_nothing_is_reserved_where_there_is_no_budget(session: Callable[[int], Scripted]) -> None:
    assert for_each(session)("reserve") == 0


def test_a_body_is_sent_as_it_was_read_without_a_copy(tmp_path: Path) -> None:
    asked = chats(20)
    transport = Scripted(lambda call: json_reply(ANSWER))

    Rig(tmp_path, FORMAT).session(asked, transport)

    sent = {id(call.payload) for call in transport.calls}
    assert sent == {id(row.body) for row in asked}


def test_a_line_takes_few_calls_to_read() -> None:
    reader = Reader(formats(), InputSettings())

    def read(count: int) -> None:
        for number in range(1, count + 1):
            raw = b'{"custom_id":"row-%d","method":"POST","url":"/v1/chat/completions","body":%b}'
            whole = raw % (number, BODY)
            assert isinstance(
                reader.parse(RawLine(number, number, "in.jsonl", whole, len(whole))), Row
            )

    line = for_each(read)

    assert line("ours") <= CALLS_TO_READ_A_LINE
    assert line("orjson.loads") == 1


def chunks(count: int) -> list[bytes]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "toy"}
    choice = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
    one = orjson.dumps({**head, "choices": [choice]})
    return [b"data: %b\n\n" % one] * count


def fold(pieces: list[bytes]) -> bytes:
    events, folder = Events(), Fold()
    for piece in pieces:
        for event in events.feed(piece):
            folder.feed(event)
    return folder.body()


def test_a_chunk_of_a_stream_takes_two_calls_if_it_comes_alone() -> None:
    chunk = for_each(lambda count: fold(chunks(count)))

    assert chunk("ours") <= CALLS_A_CHUNK
    assert chunk("orjson.loads") == 0  # the first alone is looked at as a whole


def test_a_chunk_takes_one_call_if_many_come_together() -> None:
    chunk = for_each(lambda count: fold([b"".join(chunks(count))]))

    assert chunk("ours") <= CALLS_A_CHUNK / 2
