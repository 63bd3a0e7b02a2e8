import pytest

from batch.inputs.envelope import Reader
from batch.inputs.scan import scan
from batch.inputs.settings import InputSettings
from batch.inputs.sources import open_inputs
from batch.records import BadLine, Row
from batch.wire import formats


def rows(name, folder):
    inputs = open_inputs([f"sample_inputs/{name}"], str(folder / "spool"))
    scan(inputs, str(folder / "cache"))
    reader = Reader(formats(), InputSettings((), model="gpt-4o-mini"))
    return [reader.parse(line) for line in inputs.lines()]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("batch_openai.jsonl", 15),
        ("batch_openai.jsonl.gz", 15),
        ("batch_lite.jsonl", 5),
        ("raw_chat.jsonl", 4),
    ],
)
def test_a_sample_file_has_only_good_lines(name, count, tmp_path):
    found = rows(name, tmp_path)

    assert [row for row in found if not isinstance(row, Row)] == []
    assert len(found) == count


def test_the_packed_sample_holds_what_the_plain_one_holds(tmp_path):
    plain = rows("batch_openai.jsonl", tmp_path)
    unpacked = rows("batch_openai.jsonl.gz", tmp_path)

    assert [(row.sum, row.body) for row in plain] == [(row.sum, row.body) for row in unpacked]


def test_in_the_broken_sample_good_lines_are_good_and_the_others_bad(tmp_path):
    found = rows("broken.jsonl", tmp_path)

    good = [row for row in found if row.custom_id.startswith("good-")]
    bad = [row for row in found if not row.custom_id.startswith("good-")]
    assert len(good) == 11
    assert all(isinstance(row, Row) for row in good)
    assert len(bad) == 30
    assert all(isinstance(row, BadLine) for row in bad)
    assert {row.code for row in bad} == {"invalid_json", "invalid_request", "unknown_endpoint"}
