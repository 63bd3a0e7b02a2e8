from pathlib import Path

import pytest

from batch.inputs.envelope import Reader
from batch.inputs.scan import scan
from batch.inputs.settings import InputSettings, Reading
from batch.inputs.sources import open_inputs
from batch.records import BadLine, Row
from batch.template import Text
from batch.wire import formats


def template(name):
    path = Path("sample_inputs") / name
    return Text(name, path.read_text(encoding="utf-8"))


def rows(name, folder, reading=None):
    reading = reading or Reading(asking=True)
    inputs = open_inputs([f"sample_inputs/{name}"], str(folder / "spool"), reading=reading)
    scan(inputs, str(folder / "cache"))
    settings = InputSettings(model="gpt-4o-mini", reading=reading)
    reader = Reader(formats(), settings, inputs.forms)
    return [reader.parse(line) for line in inputs.lines()]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("batch_openai.jsonl", 15),
        ("batch_openai.jsonl.gz", 15),
        ("batch_lite.jsonl", 5),
        ("raw_chat.jsonl", 4),
        ("batch_anthropic.jsonl", 2),
        ("batch_gemini.jsonl", 2),
        ("prompts.jsonl", 4),
    ],
)
def test_a_sample_file_has_only_good_lines(name, count, tmp_path):
    found = rows(name, tmp_path)

    assert [row for row in found if not isinstance(row, Row)] == []
    assert len(found) == count


def test_the_samples_of_data_ask_the_same_however_they_are_packed(tmp_path):
    reading = Reading(prompt=template("review.prompt.txt"), asking=True)

    found = [rows(f"reviews.{kind}", tmp_path, reading) for kind in ("csv", "tsv", "jsonl")]

    asked = [[(row.custom_id, row.body) for row in some] for some in found]
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == 5


def test_the_sample_in_gb18030_is_read(tmp_path):
    prompt = template("review.zh.prompt.txt")

    found = rows("reviews.gb18030.csv", tmp_path, Reading("gb18030", prompt, id_column="编号"))

    assert [row.custom_id for row in found] == ["评-1", "评-2"]
    assert "客服不理人" in found[1].body.decode()


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
