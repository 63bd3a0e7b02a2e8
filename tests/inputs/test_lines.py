import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.errors import BadData
from batch.inputs.lines import Damaged, RawLine, line_sum, read_lines
from tests.inputs.toy import Pieces

CAP = 8
MARK = b"\xef\xbb\xbf"


def read(*files: list[bytes], cap: int = CAP) -> list[RawLine]:
    sources = [Pieces(f"file-{place}", pieces) for place, pieces in enumerate(files, 1)]
    return list(read_lines(sources, cap))


def texts(*pieces: bytes) -> list[bytes | None]:
    return [line.raw for line in read(list(pieces))]


# A few bytes that matter to the cutting, in any order.
content = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b" ", b"a", b"bc", b"d" * 7, b"e" * 9, MARK, b"\xe2"]),
    max_size=30,
).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(content, st.lists(st.integers(0, 12), max_size=40), st.integers(1, 20))
def test_the_same_bytes_give_the_same_lines_however_they_are_cut(data, sizes, cap):
    # Given
    pieces, rest = [], data
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    pieces.append(rest)

    # When
    found = read(pieces, cap=cap)

    # Then
    expected = []
    for number, whole in enumerate(data.removeprefix(MARK).split(b"\n"), 1):
        text = whole.removesuffix(b"\r")
        if len(text) > cap:
            expected.append((number, None, len(text), line_sum(text)))
        elif text.strip():
            expected.append((number, text, len(text), line_sum(text)))
    assert [(line.number, line.raw, line.size, line.sum) for line in found] == expected
    texts = [data[line.offset : line.offset + line.size] for line in found]
    assert [line_sum(text) for text in texts] == [line.sum for line in found]


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        pytest.param([], [], id="no bytes"),
        pytest.param([b""], [], id="empty file"),
        pytest.param([b"\n\n\n"], [], id="only newlines"),
        pytest.param([b" \n\t\n  "], [], id="only whitespace"),
        pytest.param([b"a\nb"], [b"a", b"b"], id="no newline at the end"),
        pytest.param([b"a\r\nb\r\n"], [b"a", b"b"], id="CRLF"),
        pytest.param([b"a\r", b"\nb"], [b"a", b"b"], id="CRLF cut in two"),
        pytest.param([b"a\rb\rc"], [b"a\rb\rc"], id="lone CR ends no line"),
        pytest.param([MARK + b"a\nb"], [b"a", b"b"], id="byte order mark at the start"),
        pytest.param([MARK[:1], MARK[1:], b"a"], [b"a"], id="byte order mark cut in two"),
        pytest.param([MARK], [], id="byte order mark alone"),
        pytest.param([b"a\n" + MARK + b"b"], [b"a", MARK + b"b"], id="mark further on stays"),
        pytest.param(
            [b"\xe2\x80\xa8\xe2\x80\xa9\nb"], [b"\xe2\x80\xa8\xe2\x80\xa9", b"b"], id="U+2028"
        ),
        pytest.param([b"\x0b\x0ca\x1c\x85"], [b"\x0b\x0ca\x1c\x85"], id="other separators"),
        pytest.param([b"\x00\x00\n"], [b"\x00\x00"], id="NUL block is a line"),
    ],
)
def test_only_line_feeds_end_lines(pieces, lines):
    assert texts(*pieces) == lines


def test_blank_lines_keep_their_ordinal_and_number():
    found = read([b"a\n\n \nb\n"], [b"\nc"], [b"d"])

    assert [(line.ordinal, line.number, line.where) for line in found] == [
        (1, 1, "file-1:1"),
        (4, 4, "file-1:4"),
        (6, 2, "file-2:2"),
        (7, 1, "file-3:1"),
    ]
    assert [(line.place, line.offset) for line in found] == [(0, 0), (0, 5), (1, 1), (2, 0)]


def test_a_file_without_a_last_newline_does_not_run_into_the_next():
    assert [line.raw for line in read([b"a"], [b"b"])] == [b"a", b"b"]


@pytest.mark.parametrize("size", [CAP, CAP + 1])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_cap_does_not_count_the_line_break(size, end):
    (line,) = read([b"x" * size + end])

    assert (line.raw is None) == (size > CAP)
    assert line.size == size


def test_a_line_over_the_cap_has_the_sum_it_would_have_under_it():
    data = [b"x" * 5, b"y\r", b"z" * 20 + b"\r", b"\nnext"]

    long, after = read(data)
    (same, _) = read(data, cap=100)

    assert long.raw is None
    assert (long.sum, long.size) == (same.sum, same.size)
    assert after.raw == b"next"


def test_an_endless_line_is_passed_without_being_held():
    # Given a line of 200 MB
    class Endless:
        name = "endless"
        table = None

        def chunks(self) -> Iterator[bytes]:
            piece = b"x" * 1_000_000
            for _ in range(200):
                yield piece
            yield b"\nafter"

    tracemalloc.start()

    # When
    lines = list(read_lines([Endless()], 4_000_000))

    # Then
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(line.raw, line.size) for line in lines] == [(None, 200_000_000), (b"after", 5)]
    assert peak < 12_000_000


def test_many_lines_take_no_more_memory_than_few():
    class Long:
        name = "long"
        table = None

        def chunks(self) -> Iterator[bytes]:
            for _ in range(300):
                yield b"x" * 99 + b"\n" + b"y" * 99 + b"\n" + b"z" * 90_000 + b"\n"

    tracemalloc.start()

    count = sum(1 for _ in read_lines([Long()], 1_000_000))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 900
    assert peak < 1_000_000


def test_damage_is_refused_with_the_line_it_was_reached_at():
    class Torn:
        name = "torn.gz"
        table = None

        def chunks(self) -> Iterator[bytes]:
            yield b"a\nb\nc"
            raise Damaged("it is torn.")

    lines = read_lines([Torn()], CAP)

    assert [next(lines).raw, next(lines).raw] == [b"a", b"b"]
    with pytest.raises(BadData, match=r"^torn\.gz:3: it is torn\.$"):
        next(lines)


def test_a_sum_is_64_bits_and_never_changes():
    # The journal of an old run holds these: another hash would refuse every old line.
    assert line_sum(b"") == 0xE4A6A0577479B2B4
    assert line_sum(b'{"a": 1}') < 2**64
