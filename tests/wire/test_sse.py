"""Server-sent events: the rules of the stream, whatever the cuts."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.wire._sse import Events, joined, merge


def read(stream: bytes, *cuts: int) -> list[bytes]:
    edges = [0, *sorted(cuts), len(stream)]
    events = Events()
    found = []
    for start, stop in pairwise(edges):
        found += events.feed(stream[start:stop])
    return found + events.end()


RULES = [
    ("one event", b'data: {"a":1}\n\n', [b'{"a":1}']),
    ("two events in one chunk", b"data: {}\n\ndata: {1}\n\n", [b"{}", b"{1}"]),
    ("the end in the same chunk", b"data: {}\n\ndata: {1}\n\ndata: [DONE]\n\n", [b"{}", b"{1}"]),
    ("the end before the last one", b"data: {}\n\ndata: [DONE]\n\ndata: {1}\n\n", [b"{}", b"{1}"]),
    ("a comment between two", b"data: {}\n\n: PING\n\ndata: {1}\n\n", [b"{}", b"{1}"]),
    ("a field behind data", b"data: {}\nid: 7\n\ndata: {1}\n\n", [b"{}", b"{1}"]),
    ("no data between two", b"data: {}\n\ndata: \n\ndata: {1}\n\n", [b"{}", b"{1}"]),
    ("no object between two", b"data: {}\n\ndata: x\n\ndata: {1}\n\n", [b"{}", b"x", b"{1}"]),
    ("several lines of the last", b"data: {}\n\ndata: {\ndata: }\n\n", [b"{}", b"{\n}"]),
    ("no space after the colon", b"data:{}\n\n", [b"{}"]),
    ("only one space belongs to the colon", b"data:  x\n\n", [b" x"]),
    ("several data lines", b"data: a\ndata: b\n\n", [b"a\nb"]),
    ("CRLF", b"data: {}\r\n\r\ndata: {1}\r\n\r\n", [b"{}", b"{1}"]),
    ("several data lines, CRLF", b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"]),
    ("CR alone", b"data: {}\r\rdata: {1}\r\r", [b"{}", b"{1}"]),
    ("mixed line ends", b"data: {}\n\r\ndata: {1}\r\n\n", [b"{}", b"{1}"]),
    ("comments", b": PING\n\n:\ndata: {}\n: x\n\n", [b"{}"]),
    ("other fields", b"event: ping\nid: 7\nretry: 3\ndata: {}\n\n", [b"{}"]),
    ("fields without data", b"event: ping\n\nid: 1\n\n", []),
    ("an error by name", b"event: error\ndata: busy\n\n", [b'{"error":"busy"}']),
    ("an error in quotes", b'event:error\ndata: "busy"\n\n', [b'{"error":"busy"}']),
    ("a nameless error", b'data: {"a":1}\nevent: error\n\n', [b'{"error":{"a":1}}']),
    ("an error by both", b'event: error\ndata: {"error":1}\n\n', [b'{"error":1}']),
    ("an error by type", b'event: error\ndata: {"type":"error"}\n\n', [b'{"type":"error"}']),
    ("an error without data", b"event: error\n\n", []),
    ("three line feeds", b"data: {}\n\n\ndata: {1}\n\n\n\n\n", [b"{}", b"{1}"]),
    ("empty data", b"data:\n\ndata: \n\n", []),
    ("a byte order mark", b"\xef\xbb\xbfdata: {}\n\n", [b"{}"]),
    ("JSON over several lines", b'data: {\n  "a": 1\n}\n\n', [b'{\n  "a": 1\n}']),
    ("a bare object", b'data: {}\n\n{"error":{}}\n', [b"{}", b'{"error":{}}\n']),
    ("a bare object over several lines", b'{\n "error": 1\n}\n\n', [b'{\n "error": 1\n}']),
    ("other bare text", b"<html>\nsorry\n</html>\n\n", []),
    ("no end of the last event", b"data: {}\n\ndata: {1}", [b"{}", b"{1}"]),
    ("a cut event", b'data: {"a":', [b'{"a":']),
    ("nothing", b"", []),
    ("part of a mark", b"\xef\xbb", []),
    (
        "separators of Unicode inside a string",
        'data: {"a":"\u2028\u0085\x0b"}\n\n'.encode(),
        ['{"a":"\u2028\u0085\x0b"}'.encode()],
    ),
]


@pytest.mark.parametrize(("name", "stream", "events"), RULES, ids=[rule[0] for rule in RULES])
def test_a_stream_is_read_by_the_rules(name: str, stream: bytes, events: list[bytes]) -> None:
    found = read(stream)

    assert [event.rstrip(b"\n") for event in found] == [event.rstrip(b"\n") for event in events]


@pytest.mark.parametrize(("name", "stream", "events"), RULES, ids=[rule[0] for rule in RULES])
def test_a_stream_reads_the_same_byte_by_byte(
    name: str, stream: bytes, events: list[bytes]
) -> None:
    assert read(stream, *range(len(stream))) == read(stream)


@given(
    st.lists(st.sampled_from([b"data: ", b"{}", b"\n", b"\r", b"\r\n", b":", b"a", "é".encode()])),
    st.data(),
)
def test_cuts_change_nothing(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))

    assert read(stream, *cuts) == read(stream)


@pytest.mark.parametrize(
    "end", [b"data: [DONE]\n\n", b"data: [DONE\n]\n", b"data:[DONE]", b"data: [ DONE ]\n\n"]
)
def test_done_is_noted_and_is_no_event(end: bytes) -> None:
    events = Events()

    found = [*events.feed(b"data: {}\n\n"), *events.feed(end), *events.end()]

    assert found == [b"{}"]
    assert events.done


def test_done_is_noted_in_one_chunk_with_what_it_ends() -> None:
    events = Events()

    found = events.feed(b"data: {}\n\ndata: [DONE]\n\n")

    assert found == [b"{}"]
    assert events.done


def test_a_line_of_an_event_that_comes_by_itself_is_not_taken_for_a_whole_one() -> None:
    stream = b"data: {\ndata: {}}\n\n"
    second = stream.index(b"data: {}")

    assert read(stream, second) == read(stream, second + 1) == [b"{\n{}}"]


def test_a_done_that_the_connection_cut_is_no_event() -> None:
    assert read(b"data: {}\n\ndata: [DO") == [b"{}"]


def test_without_done_nothing_is_noted() -> None:
    events = Events()

    events.feed(b"data: {}\n\ndata: \n\n")

    assert not events.done


def test_an_empty_chunk_between_cr_and_lf_is_nothing() -> None:
    events = Events()

    found = [e for chunk in (b"data: {}\r", b"", b"\n\r", b"\n") for e in events.feed(chunk)]

    assert found == [b"{}"]


def seconds_for(size: int) -> float:
    line = b'data: {"a":"' + b"x" * size + b'"}\n\n'
    chunks = [line[i : i + 65536] for i in range(0, len(line), 65536)]
    best = 1e9
    for _ in range(3):
        started = time.process_time()
        events = Events()
        found = [event for chunk in chunks for event in events.feed(chunk)]
        best = min(best, time.process_time() - started)
        assert [len(event) for event in found] == [len(line) - 8]
    return best


def test_one_long_line_takes_linear_time() -> None:
    once, eightfold = seconds_for(2**20 * 5 // 2), seconds_for(2**20 * 20)

    # Joining at every chunk would be 64 times as much.
    assert eightfold < 30 * max(once, 0.0005)


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ([{"a": "x"}, {"a": "y"}], {"a": "xy"}),
        ([{"id": "x"}, {"id": ""}, {"id": "y"}], {"id": "x"}),
        ([{"a": None}, {"a": "x"}, {"a": None}], {"a": "x"}),
        ([{"a": {"b": "x"}}, {"a": {"b": "y", "c": 1}}], {"a": {"b": "xy", "c": 1}}),
        ([{"a": [1]}, {"a": [2]}], {"a": [1, 2]}),
        ([{"a": 1}, {"a": 2}], {"a": 2}),
        ([{"a": "x"}, {"a": [1]}, {"a": {"b": "y"}}, {"a": "z"}], {"a": "z"}),
    ],
)
def test_pieces_are_put_together(pieces: list[dict[str, object]], whole: object) -> None:
    built: dict[str, object] = {}

    for piece in pieces:
        merge(built, piece)

    assert joined(built) == whole
