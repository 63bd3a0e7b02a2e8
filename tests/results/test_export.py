"""What an export has in it, in which order, and what it never writes."""

from __future__ import annotations

import gzip
import json
import struct
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from batch.errors import BadData, BadUsage, Busy, CannotWrite
from batch.inputs.lines import line_sum
from batch.pricing import Price, PriceBook, Rate
from batch.records import Answer, Label, Saved, Timing, Vote
from batch.results.costs import Costs
from batch.results.export import format_of_path
from batch.results.publish import Target
from batch.results.texts import cell
from batch.usage import Meter
from tests.results.desk import FILES, Run, answer, error

EMBEDDINGS = "/v1/embeddings"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, 9)


def vectors(line, *several):
    data = [{"index": n, "embedding": one} for n, one in enumerate(several)]
    body = json.dumps({"object": "list", "data": data}).encode()
    return answer(line, body, endpoint=EMBEDDINGS)


def test_a_row_has_the_answer_and_what_its_line_says_beside_the_request(run):
    run.answer(answer(2))

    (row,) = run.table()

    assert row == {
        "custom_id": "row-2",
        "text": "answer 2",
        "finish": "stop",
        "model": "gpt-4o-mini",
        "input_tokens": "40",
        "output_tokens": "7",
        "gold": "2",
    }


@pytest.mark.parametrize(
    ("line", "beside"),
    [
        (b'{"custom_id":"a","gold":2,"params":{"model":"m","max_tokens":9}}', {"gold": 2}),
        (b'{"key":"a","gold":2,"request":{"contents":[]}}', {"gold": 2}),
        (b'{"model":"m","messages":[],"gold":2}', {}),
    ],
    ids=["as Anthropic has it", "as Google has it", "a bare body, all of which is the request"],
)
def test_what_a_line_says_beside_its_request_is_told_from_it_in_each_envelope(run, line, beside):
    run.input.write_bytes(line + b"\n")
    run.answer(answer(1, sum=line_sum(line)))

    (row,) = run.objects()

    usual = {"custom_id", "text", "finish", "model", "input_tokens", "output_tokens"}
    assert {name: value for name, value in row.items() if name not in usual} == beside


def test_a_table_for_excel_begins_with_the_mark_of_utf8(run):
    run.answer(answer(1, '{"choices":[{"message":{"content":"坏的"}}]}'.encode()))

    run.export("a.csv")

    content = (run.folder / "a.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfcustom_id,")
    assert "坏的".encode() in content


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd()", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r=1", "\n=1", "\uff1d1"]
)
def test_a_text_that_a_spreadsheet_would_calculate_is_written_as_text(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+1.5", "-2e10", "a=b", "", "yes", "5-4"])
def test_numbers_and_plain_texts_stay_as_they_are(text):
    assert cell(text) == text


def test_a_formula_in_an_answer_never_reaches_a_spreadsheet_as_one(run):
    run.answer(answer(1, b'{"choices":[{"message":{"content":"=cmd()"}}]}'))

    (row,) = run.table()

    assert row["text"] == "'=cmd()"


def test_rows_come_as_they_were_finished_or_in_the_order_of_the_inputs(run):
    run.answer(answer(3), answer(1), answer(2))

    as_finished = run.objects(beside=False)
    in_order = run.objects("b.jsonl", beside=False, in_order=True)

    assert [one["custom_id"] for one in as_finished] == ["row-3", "row-1", "row-2"]
    assert [one["custom_id"] for one in in_order] == ["row-1", "row-2", "row-3"]


@pytest.mark.parametrize("in_order", [True, False])
def test_of_a_failed_line_the_last_error_counts_and_only_if_there_is_no_answer(run, in_order):
    run.fail(error(1, "timeout"), error(2, "timeout"), error(2, "refused"), error(3))
    run.answer(answer(3), answer(1))

    rows = run.objects(beside=False, errors=True, in_order=in_order)

    found = {row["custom_id"]: (row["text"], row["error"], row["message"]) for row in rows}
    assert len(rows) == 3
    assert found == {
        "row-1": ("answer 1", None, None),
        "row-2": (None, "refused", "refused of 2"),
        "row-3": ("answer 3", None, None),
    }


def test_an_unfinished_run_is_exported_up_to_its_last_whole_record(run):
    run.answer(answer(1), answer(2), torn=b'{"x_run":{"line":3,"sum"')

    assert [row["custom_id"] for row in run.objects()] == ["row-1", "row-2"]


def test_half_a_pack_is_no_answer_yet(run):
    run.answer(answer(1), answer(2, pack=(0, 2)))

    assert [row["custom_id"] for row in run.objects()] == ["row-1"]


def test_a_line_that_changed_since_has_no_columns_of_its_own(run):
    run.answer(answer(1), answer(2))
    lines = run.input.read_bytes().splitlines(keepends=True)
    run.input.write_bytes(lines[0] + lines[1].replace(b'"gold":2', b'"gold":7'))

    written = run.export("a.jsonl")

    rows = [json.loads(line) for line in (run.folder / "a.jsonl").read_bytes().splitlines()]
    assert [row["gold"] for row in rows] == [1, None]
    assert written.changed == 1


def test_columns_are_those_that_are_named_in_that_order(run):
    run.answer(answer(1))

    (row,) = run.objects(columns=("gold", "ms", "custom_id", "body"))

    assert list(row) == ["gold", "ms", "custom_id", "body"]
    assert row["body"] == {"choices": [{"message": {"content": "answer 1"}}]}


def test_a_column_is_there_also_if_only_late_answers_have_something_in_it(run):
    picture = Saved("line-1.png", 9, "0" * 64, "image/png")
    made = Answer(b"{}", None, "stop", None, model="dall-e-3", files=(picture,))
    run.answer(*map(answer, range(1, 301)))
    run.answer(vectors(301, [0.5]), answer(302, model="dall-e-3", outcome=made))

    *_, last = run.objects(beside=False)

    assert list(last)[:5] == ["custom_id", "text", "index", "embedding", "files"]
    assert last["files"] == "line-1.png"


def test_a_column_that_nobody_knows_is_refused_with_those_that_there_are(run):
    run.answer(answer(1))

    with pytest.raises(BadUsage, match=r"txet is none of the columns.*custom_id.*gold"):
        run.export("a.csv", columns=("txet",))
    assert not (run.folder / "a.csv").exists()


def test_an_input_column_of_a_name_of_ours_gets_another(run):
    run.input.write_bytes(b'{"custom_id":"row-1","text":"good","body":{}}\n')
    run.answer(answer(1, sum=0))

    (row,) = run.objects()

    assert set(row) >= {"text", "input_text"}


@pytest.mark.parametrize("first", ["text", "input_text"])
def test_two_input_columns_never_come_under_one_name(run, first):
    fields = {"text": "asked", "input_text": "beside"}
    line = json.dumps({first: fields[first], **fields, "body": {}}).encode()
    run.input.write_bytes(line + b"\n")
    run.answer(answer(1, sum=line_sum(line)))

    (row,) = run.objects()

    assert row["text"] == "answer 1"
    assert (row["input_input_text"], row["input_text"]) == ("asked", "beside")


@pytest.mark.parametrize("value", ["123456789012345678901234567890", "[[9999999999999999999999]]"])
def test_a_number_of_more_than_64_bits_is_exported_to_its_last_digit(run, value):
    line = b'{"custom_id":"row-1","n":%b,"body":{}}' % value.encode()
    run.input.write_bytes(line + b"\n")
    run.answer(answer(1, sum=line_sum(line)))

    for name in ("a.jsonl", "a.csv", "a.parquet"):
        run.export(name)

    assert f'"n":{value}}}' in (run.folder / "a.jsonl").read_text()
    assert value in (run.folder / "a.csv").read_text("utf-8-sig")
    assert pq.read_table(run.folder / "a.parquet")["n"].to_pylist() == [value]


def test_the_ending_gz_packs_the_table(run):
    run.answer(answer(1))

    run.export("a.csv.gz")

    assert b"row-1" in gzip.decompress((run.folder / "a.csv.gz").read_bytes())


@pytest.mark.parametrize("name", ["a.xlsx", "a", "a.npy.gz", "a.parquet.gz"])
def test_an_ending_that_tells_no_format_is_refused(name):
    with pytest.raises(BadUsage, match="-o"):
        format_of_path(name, None)


def test_strict_is_an_openai_batch_line_and_nothing_else(run):
    run.answer(answer(1))

    (line,) = run.objects(strict=True)

    assert line == {
        "id": "batch_req_7f3a9c0000000001",
        "custom_id": "row-1",
        "response": {
            "status_code": 200,
            "request_id": "q",
            "body": {"choices": [{"message": {"content": "answer 1"}}]},
        },
        "error": None,
    }


@pytest.mark.parametrize(
    ("fault", "response", "failure"),
    [
        (
            {"status": 400, "body": b'{"error":{"message":"no"}}', "request_id": "q"},
            {"status_code": 400, "request_id": "q", "body": {"error": {"message": "no"}}},
            None,
        ),
        (
            {"status": 502, "body": b"<html>bad</html>"},
            {
                "status_code": 502,
                "request_id": "",
                "body": {
                    "error": {
                        "message": "refused of 1",
                        "type": "refused",
                        "param": None,
                        "code": None,
                    }
                },
            },
            None,
        ),
        ({}, None, {"code": "refused", "message": "refused of 1"}),
        # A good status that is no answer: with both it would read as a success.
        (
            {"status": 200, "body": b'{"choices":[]}'},
            None,
            {"code": "refused", "message": "refused of 1"},
        ),
    ],
)
def test_strict_errors_have_one_of_two_shapes(run, fault, response, failure):
    run.fail(error(1, "refused", **fault))

    (line,) = run.objects(strict=True, errors=True)

    assert (line["response"], line["error"]) == (response, failure)


def test_parquet_has_typed_columns_and_texts_where_the_inputs_do_not_agree(run):
    run.input.write_bytes(
        b'{"custom_id":"row-1","n":1,"x":1.5,"s":"a","m":1,"o":[1],"body":{}}\n'
        b'{"custom_id":"row-2","n":2,"x":2,"s":null,"m":"b","o":null,"body":{}}\n'
    )
    sums = [line_sum(line) for line in run.input.read_bytes().splitlines()]
    run.answer(*(answer(n, sum=one) for n, one in enumerate(sums, 1)))

    run.export("a.parquet")

    table = pq.read_table(run.folder / "a.parquet")
    assert table.select(["n", "x", "s", "m", "o"]).to_pylist() == [
        {"n": 1, "x": 1.5, "s": "a", "m": "1", "o": "[1]"},
        {"n": 2, "x": 2.0, "s": None, "m": "b", "o": None},
    ]
    assert str(table.schema.field("input_tokens").type) == "int64"


def test_an_array_has_a_row_for_each_vector_and_its_ids_beside_it(run):
    run.answer(vectors(2, [0.5, 1.0], [0.25, 2.0]), answer(3), vectors(1, [1.5, -1.0]))

    written = run.export("v.npy", in_order=True)

    array = np.load(run.folder / "v.npy", mmap_mode="r")
    ids = (run.folder / "v.npy.ids.jsonl").read_text().splitlines()
    assert array.dtype == np.float32
    assert array.tolist() == [[1.5, -1.0], [0.5, 1.0], [0.25, 2.0]]
    assert [tuple(json.loads(one).values()) for one in ids] == [
        ("row-1", 0),
        ("row-2", 0),
        ("row-2", 1),
    ]
    assert (written.rows, written.skipped) == (3, 1)


def test_vectors_of_two_lengths_are_no_array_and_leave_nothing_behind(run):
    run.answer(vectors(1, [0.5, 1.0]), vectors(2, [0.5]))

    with pytest.raises(BadData, match=r"row-2 has 1 number and that of row-1 has 2"):
        run.export("v.npy")
    assert {one.name for one in run.folder.iterdir()} == {"in.jsonl", "out.jsonl", "out.run"}


def test_parquet_holds_vectors_as_lists_of_float32(run):
    run.answer(vectors(1, [0.1, 1.0], [0.25, 2.0]), answer(2))

    run.export("v.parquet")

    rows = pq.read_table(run.folder / "v.parquet").to_pylist()
    tenth = struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert [(row["custom_id"], row["index"], row["embedding"]) for row in rows] == [
        ("row-1", 0, [tenth, 1.0]),
        ("row-1", 1, [0.25, 2.0]),
        ("row-2", None, None),
    ]


def test_what_is_there_is_replaced_only_when_that_is_said(run):
    run.answer(answer(1))
    (run.folder / "a.csv").write_text("mine")

    with pytest.raises(CannotWrite, match="--force"):
        run.export("a.csv")
    assert (run.folder / "a.csv").read_text() == "mine"

    run.export("a.csv", force=True)
    assert "row-1" in (run.folder / "a.csv").read_text()


@pytest.mark.parametrize("name", ["out.jsonl", "in.jsonl", "out.run/x.csv", "link.jsonl"])
def test_files_of_the_run_are_never_written_over(run, name):
    run.answer(answer(1))
    (run.folder / "link.jsonl").symlink_to(run.input)
    before = run.output.read_bytes(), run.input.read_bytes()

    with pytest.raises(BadUsage, match="Choose another"):
        run.export(name, force=True, strict=name.endswith("jsonl"))
    assert (run.output.read_bytes(), run.input.read_bytes()) == before


def test_a_failure_on_the_way_leaves_neither_half_a_file_nor_a_helper(tmp_path):
    target = str(tmp_path / "a.csv")

    with Target(FILES, target) as file:
        file.write(b"half")  # and is not put in its place

    assert list(tmp_path.iterdir()) == []


def test_of_two_that_write_one_file_at_once_the_first_leaves_it_to_the_second(tmp_path):
    target = str(tmp_path / "a.csv")

    with Target(FILES, target) as first, Target(FILES, target) as second:
        first.write(b"first\n")
        second.write(b"sec")
        with pytest.raises(Busy, match="by somebody else too"):
            first.place()
        second.write(b"ond\n")
        second.place()

    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == b"second\n"


def test_an_export_is_readable_by_its_owner_alone(run):
    run.answer(answer(1))

    run.export("a.csv")

    assert (run.folder / "a.csv").stat().st_mode & 0o077 == 0


def test_a_record_too_deep_for_a_parser_is_a_row_without_a_text(run):
    deep = b'{"choices":' + b"[" * 3000 + b"]" * 3000 + b"}"
    run.answer(answer(1, deep))

    (row,) = run.objects()

    assert (row["custom_id"], row["text"]) == ("row-1", None)


def test_many_records_come_in_order_whatever_order_they_were_finished_in(tmp_path):
    run = Run(tmp_path, 1009)
    many = [n * 7919 % 1009 for n in range(1, 1009)]
    run.answer(*(answer(line) for line in many))

    rows = run.objects(in_order=True)

    assert len(rows) == 1008
    assert all(int(a["custom_id"][4:]) < int(b["custom_id"][4:]) for a, b in pairwise(rows))
    assert all(row["gold"] == int(row["custom_id"][4:]) for row in rows)
    assert {row["text"] for row in rows} == {f"answer {line}" for line in many}


def test_an_answer_has_its_cost_where_all_of_it_has_a_price(run):
    run.answer(answer(1), answer(2, model="other"))
    price = Price({Meter.INPUT: Rate(Decimal("0.01")), Meter.OUTPUT: Rate(Decimal("0.1"))}, "me")

    rows = run.objects(costs=Costs(PriceBook((("gpt-*", price),))))

    assert [row["cost"] for row in rows] == [40 * 0.01 + 7 * 0.1, None]


def test_a_usage_costs_the_same_again_and_something_else_of_another_model_or_hour(run):
    prices = {("gpt-4o-mini", 0): "1", ("gpt-4o-mini", 1): "2", ("gpt-4o", 0): "3"}
    first = 1_795_312_800.0 // 7200 * 7200

    def listed(model, at):
        rate = Rate(Decimal(prices[model, at // 3600 % 2]))
        return Price({Meter.INPUT: rate, Meter.OUTPUT: rate}, "list")

    run.answer(
        answer(1, timing=Timing(first, 1, 1)),
        answer(2, timing=Timing(first + 3599, 1, 1)),
        answer(3, timing=Timing(first + 3600, 1, 1)),
        answer(4, timing=Timing(first, 1, 1), model="gpt-4o"),
    )

    rows = run.objects(columns=("cost",), costs=Costs(PriceBook(listed=listed)))

    assert [row["cost"] for row in rows] == [47, 47, 94, 141]


def test_without_prices_there_is_no_column_for_costs(run):
    run.answer(answer(1))

    (row,) = run.objects(costs=Costs(PriceBook()))

    assert "cost" not in row


def test_a_label_and_how_sure_it_is_stand_beside_the_answer(run):
    vote = Vote("good")
    label = Label("good", 3, (vote, vote, Vote("bad")), confidence=2 / 3)
    run.answer(answer(1, label=label))

    (row,) = run.objects()

    assert (row["label"], row["confidence"]) == ("good", 0.6667)


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(run):
    run.answer(answer(1))
    place = run.folder / "elsewhere.csv"
    place.write_text("old")
    (run.folder / "a.csv").symlink_to(place)

    run.export("a.csv", force=True)

    assert (run.folder / "a.csv").is_symlink()
    assert "row-1" in place.read_text()


def test_parquet_holds_no_more_than_so_many_bytes_at_once(run):
    large = b'{"choices":[{"message":{"content":"%b"}}]}' % (b"x" * 200_000)
    run.answer(*(answer(n, large, custom_id=f"n{n}") for n in range(1, 251)))

    run.export("a.parquet")

    assert pq.ParquetFile(run.folder / "a.parquet").num_row_groups == 2


def test_files_of_another_run_are_not_replaced_either(run, tmp_path):
    run.answer(answer(1))
    (tmp_path / "other").mkdir()
    other = Run(tmp_path / "other", 1)
    other.answer(answer(1))
    before = other.paths.results, Path(other.paths.results).read_bytes()

    with pytest.raises(BadUsage, match="file of a run"):
        run.export(before[0], force=True)

    assert Path(before[0]).read_bytes() == before[1]
