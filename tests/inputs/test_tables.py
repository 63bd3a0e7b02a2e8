"""Tables as text: records, their places in the file, and their fields."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import BadBody, BadData
from batch.inputs.again import Again, Spot, read_spots
from batch.inputs.lines import line_sum, read_lines
from batch.inputs.settings import Reading
from batch.inputs.sources import open_inputs
from batch.inputs.table import Table, read_head

HEAD = b"id,text\n"
TABLE = Table(",", ("id", "text"), b"s")


class Bytes:
    """A table that comes in pieces of some size."""

    def __init__(self, data, table=TABLE, size=1 << 20):
        self.name, self.table, self.data, self.size = "in.csv", table, data, size

    def chunks(self):
        return (self.data[at : at + self.size] for at in range(0, len(self.data), self.size))


def records(data, cap=1000, **more):
    return list(read_lines([Bytes(HEAD + data, **more)], cap))


CUT = [
    ("plain", b"1,a\n2,b\n", [b"1,a", b"2,b"]),
    ("no line break at the end", b"1,a\n2,b", [b"1,a", b"2,b"]),
    ("carriage returns", b"1,a\r\n2,b\r\n", [b"1,a", b"2,b"]),
    ("a line break in quotes", b'1,"a\nb"\n2,c\n', [b'1,"a\nb"', b"2,c"]),
    ("several", b'1,"a\n\r\n\nb"\n2,c\n', [b'1,"a\n\r\n\nb"', b"2,c"]),
    ("quotes within quotes", b'1,"a ""b""\nc"\n2,d\n', [b'1,"a ""b""\nc"', b"2,d"]),
    ("quotes at the break", b'1,"a""\n""b"\n2,d\n', [b'1,"a""\n""b"', b"2,d"]),
    ("a quote within a plain field", b'1,5" disk\n2,6" disk\n', [b'1,5" disk', b'2,6" disk']),
    ("an empty quoted field", b'1,""\n"",b\n', [b'1,""', b'"",b']),
    ("the first field in quotes", b'"1\n2",a\n3,b\n', [b'"1\n2",a', b"3,b"]),
    ("text after a closing quote", b'1,"a"b\n2,c\n', [b'1,"a"b', b"2,c"]),
    ("a separator in quotes", b'1,"a,""\nb"\n2,c\n', [b'1,"a,""\nb"', b"2,c"]),
    ("no rows", b"", []),
]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("data", "cut"), [row[1:] for row in CUT], ids=[row[0] for row in CUT])
def test_a_record_is_a_line_though_it_may_have_several(data, cut, size):
    assert [line.raw for line in records(data, size=size)] == cut


def test_records_are_counted_from_the_first_row_and_named_by_their_line_in_the_file():
    lines = records(b'1,"a\nb"\n\n2,c\n')

    assert [(line.ordinal, line.number) for line in lines] == [(1, 2), (3, 5)]


def test_the_count_goes_on_over_several_tables():
    tables = [Bytes(HEAD + b'1,"a\nb"\n2,c\n'), Bytes(HEAD), Bytes(HEAD + b"3,d\n")]

    lines = list(read_lines(tables, 1000))

    assert [(line.ordinal, line.place, line.number) for line in lines] == [
        (1, 0, 2),
        (2, 0, 4),
        (3, 2, 2),
    ]


def test_a_mark_and_blank_lines_before_the_columns_are_passed_over():
    lines = list(read_lines([Bytes(b"\xef\xbb\xbf\n" + HEAD + b"1,a\n")], 1000))

    assert [(line.ordinal, line.number, line.raw) for line in lines] == [(1, 3, b"1,a")]


def test_a_record_can_be_read_again_where_it_stands(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"\xef\xbb\xbfid,text\r\n" + b'1,"a\r\nb"\r\n2,c\r\n3,"d\n"\n')
    inputs = open_inputs([str(path)], str(tmp_path / "spool"))
    lines = list(inputs.lines())

    spots = [Spot(line.place, line.offset, line.size) for line in lines]
    reader = Again(inputs.sources)
    again = list(read_spots(spots, reader.read_at))
    reader.close()

    assert again == [line.raw for line in lines] == [b'1,"a\r\nb"', b"2,c", b'3,"d\n"']


def test_a_quote_that_is_never_closed_is_refused_where_its_row_begins():
    with pytest.raises(BadData, match=r"in\.csv:3: a quote is open to the end"):
        records(b'1,a\n2,"b\n3,c\n4,d\n')


def test_a_row_over_the_cap_is_refused_since_an_open_quote_may_be_the_cause():
    for data in (b'1,"' + b"a\n" * 50, b"1," + b"a" * 101 + b"\n2,b\n"):
        with pytest.raises(BadData, match=r"in\.csv:2: the row that begins here has more than 100"):
            records(data, cap=100)


def test_the_columns_are_part_of_what_a_row_is():
    one, same, other = (
        read_lines([Bytes(head + b"1,a\n", read_head("x", head[:-1], ",", "utf-8"))], 99)
        for head in (b"id,text\n", b"id,text\n", b"text,id\n")
    )

    sums = [next(lines).sum for lines in (one, same, other)]

    assert sums[0] == sums[1] != sums[2]
    assert line_sum(b"1,a") not in sums


HEADS = [
    ("commas", b"id,text", ",", ("id", "text")),
    ("tabs", b"id\ttext, long", "\t", ("id", "text, long")),
    ("semicolons", b'id;"text"', ";", ("id", "text")),
    ("one column", b"text", ",", ("text",)),
    ("blanks around names", b" id , text", ",", ("id", "text")),
    ("a column without a name", b",text", ",", ("", "text")),
]


@pytest.mark.parametrize(
    ("raw", "separator", "columns"), [row[1:] for row in HEADS], ids=[row[0] for row in HEADS]
)
def test_the_first_record_tells_separator_and_columns(raw, separator, columns):
    table = read_head("in.csv:1", raw, None, "utf-8")

    assert (table.separator, table.columns) == (separator, columns)


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(BadData, match=r'in\.csv:1: two columns are called "text"'):
        read_head("in.csv:1", b"text,id,text", None, "utf-8")


@pytest.mark.parametrize(
    ("raw", "code", "why"),
    [
        (b"1", "invalid_row", "has 1 field, and the first one names 2 columns"),
        (b"1,a,b", "invalid_row", "has 3 fields"),
        (b"1,a\rb", "invalid_row", "cannot be read"),
        (b"1,\xff", "invalid_encoding", "byte 3 is wrong. Another one is named with --encoding"),
    ],
)
def test_a_row_that_does_not_fit_says_why(raw, code, why):
    with pytest.raises(BadBody) as flaw:
        TABLE.fields(raw)

    assert flaw.value.code == code
    assert why in str(flaw.value)


def test_a_field_may_be_longer_than_the_library_allows_by_itself(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"id,text\n1," + b"x" * 200_000 + b"\n")
    inputs = open_inputs([str(path)], str(tmp_path / "spool"))

    (line,) = inputs.lines()

    assert len(inputs.fields(line)["text"]) == 200_000


@pytest.mark.parametrize("name", ["gb18030", "big5", "shift_jis", "euc-kr", "cp1252"])
def test_tables_in_other_encodings_are_cut_and_read(name, tmp_path):
    text = {
        "gb18030": "很好,\n𠮷好",
        "big5": "功許蓋",
        "shift_jis": "表ソ能",
        "euc-kr": "좋아요",
    }.get(name, "très")
    path = tmp_path / "in.csv"
    path.write_bytes(f'id,text\n1,"{text}"\n'.encode(name))
    inputs = open_inputs([str(path)], str(tmp_path / "s"), reading=Reading(encoding=name))

    assert [inputs.fields(line) for line in inputs.lines()] == [{"id": "1", "text": text}]


FIELD = st.text(
    st.sampled_from('ab ,;"\n\t') | st.characters(codec="utf-8", exclude_characters="\r\0"),
    max_size=8,
)


@given(rows=st.lists(st.tuples(FIELD, FIELD), max_size=6), size=st.integers(1, 40))
def test_what_a_csv_writer_wrote_is_read_back(rows, size):
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)

    lines = records(file.getvalue().encode(), cap=10_000, size=size)

    assert [tuple(TABLE.fields(line.raw).values()) for line in lines] == rows
