"""What a file is taken for, and what it is refused for."""

import gzip

import pytest

from batch.errors import BadConfig, BadData, BadUsage
from batch.inputs.form import known_encoding
from batch.inputs.recognise import recognise
from batch.inputs.settings import Reading
from batch.inputs.sources import open_inputs
from batch.template import Text

PROMPT = Text("prompt.txt", "{{ text }}")
BATCH = b'{"custom_id":"a","url":"/v1/chat/completions","body":{"messages":[]}}\n'
CSV = b"id,text\n1,good\n2,bad\n"

# Name, head, with a template?, kind of its lines, what it is for people.
TAKEN = [
    ("in.jsonl", BATCH, False, "requests", "OpenAI batch lines"),
    ("in.jsonl", b'{"custom_id":"a","body":{}}\n', False, "requests", "batch lines without a url"),
    ("in.jsonl", b'{"method":"GET","url":"/v1/x"}\n', False, "requests", "OpenAI batch lines"),
    ("in.jsonl", b'{"custom_id":"a","params":{}}\n', False, "requests", "Anthropic batch lines"),
    ("in.jsonl", b'{"key":"a","request":{}}\n', False, "requests", "Gemini batch lines"),
    ("in.jsonl", b'{"request":{"contents":[]}}\n', False, "requests", "Gemini batch lines"),
    ("in.jsonl", b'{"messages":[],"model":"m"}\n', False, "requests", "bare request bodies"),
    ("in.jsonl", b'{"input":"a","model":"m"}\n', False, "requests", "bare request bodies"),
    ("in.jsonl", b'{"prompt":"a"}\n', False, "prompts", "prompts"),
    ("in.jsonl", b'{"prompt":"a","size":"1x1"}\n', False, "prompts", "prompts"),
    ("in.jsonl", b'{"id":1,"text":"a"}\n', True, "rows", "data rows"),
    ("in.jsonl", b'{"text":"a","prompt":"b"}\n', True, "rows", "data rows"),
    ("in.jsonl", b'{"conversations":[],"text":"a"}\n', True, "rows", "data rows"),
    ("in.csv", CSV, True, "rows", "CSV with the columns id, text"),
    ("in.csv", b"text\na\n", True, "rows", "CSV with the columns text"),
    ("in.CSV.gz", b"text\na\n", True, "rows", "CSV with the columns text"),
    ("in.tsv", b"id\ttext, all\n1\ta\n", True, "rows", "TSV with the columns id, text, all"),
    ("-", CSV, True, "rows", "CSV with the columns id, text"),
    ("-", b"id\ttext\n1\ta\n", True, "rows", "TSV with the columns id, text"),
    ("in.csv", b"id,prompt\n1,a\n", False, "prompts", "CSV with the columns id, prompt"),
    ("in.csv", b'{"id":1,"text":"a"}\n', True, "rows", "data rows"),
    ("in.csv", b"", True, "rows", "data rows"),
    ("in.jsonl", b"", False, "requests", "requests"),
]


@pytest.mark.parametrize(
    ("name", "head", "templated", "kind", "what"),
    TAKEN,
    ids=[f"{row[4]} in {row[0]}{', with a template' * row[2]}" for row in TAKEN],
)
def test_a_file_is_known_by_its_first_lines(name, head, templated, kind, what):
    reading = Reading(prompt=PROMPT if templated else None, asking=True)

    form = recognise(name, name, head, reading)

    assert (form.kind, form.what) == (kind, what)


REFUSED = [
    ("a table without a template", "in.csv", CSV, Reading(asking=True), "in.csv:1: this is CSV"),
    (
        "the hole that a template may have",
        "in.csv",
        CSV,
        Reading(asking=True),
        "template what to ask of each row: -p prompt.txt, with {{ text }} in it",
    ),
    (
        "a column for ids that is not there",
        "in.csv",
        CSV,
        Reading(prompt=PROMPT, id_column="nr"),
        'no column is called "nr", as --id-column says. There are id, text',
    ),
    (
        "another encoding than was said",
        "in.csv",
        "id,text\n1,很好\n2,好\n".encode("gb18030"),
        Reading(prompt=PROMPT),
        "in.csv:2: The line is not UTF-8: byte 3 is wrong. Another one is named with --encoding",
    ),
]


@pytest.mark.parametrize(
    ("name", "head", "reading", "why"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_a_table_that_asks_nothing_is_refused(name, head, reading, why):
    with pytest.raises(BadData) as refusal:
        recognise(name, name, head, reading)

    assert why in str(refusal.value)


@pytest.mark.parametrize(
    ("reading", "flags"),
    [
        (Reading(prompt=PROMPT), "--prompt"),
        (Reading(system=PROMPT), "--system"),
        (Reading(params={"max_tokens": 9}, system=PROMPT), "--system and --param"),
    ],
)
def test_settings_that_would_change_nothing_are_refused(reading, flags):
    with pytest.raises(BadUsage, match=f"OpenAI batch lines, .*: {flags} would change nothing"):
        recognise("in.jsonl", "in.jsonl", BATCH, reading)


def test_with_an_endpoint_bodies_of_any_shape_are_taken():
    reading = Reading(asking=True, any_body=True)

    assert recognise("in.jsonl", "in.jsonl", b'{"input":"a"}\n', reading).kind == "requests"


def test_lines_in_another_encoding_are_known_too():
    reading = Reading(encoding="gb18030", asking=True)

    head = '{"prompt":"很好"}\n'.encode("gb18030")

    assert recognise("in.jsonl", "in.jsonl", head, reading).kind == "prompts"


def test_a_packed_table_is_known_by_what_is_in_it(tmp_path):
    path = tmp_path / "in.csv.gz"
    path.write_bytes(gzip.compress(CSV))

    inputs = open_inputs([str(path)], str(tmp_path / "s"), reading=Reading(prompt=PROMPT))

    assert [line.raw for line in inputs.lines()] == [b"1,good", b"2,bad"]
    assert inputs.describe()[0]["format"] == "csv.gz"


def test_what_was_found_is_told_once_for_each_kind(tmp_path):
    names = []
    for name, content in (("a.jsonl", BATCH), ("b.jsonl", BATCH), ("c.jsonl", b'{"prompt":"x"}')):
        (tmp_path / name).write_bytes(content)
        names.append(str(tmp_path / name))

    inputs = open_inputs(names, str(tmp_path / "spool"))

    assert inputs.told() == ["2 files: OpenAI batch lines", f"{names[2]}: prompts"]


@pytest.mark.parametrize(
    ("said", "known"), [(None, "utf-8"), ("UTF8", "utf-8"), ("GBK", "gbk"), ("GB18030", "gb18030")]
)
def test_an_encoding_is_known_by_any_of_its_names(said, known):
    assert known_encoding(said) == known


@pytest.mark.parametrize("name", ["utf-16", "utf-32", "utf-7", "hz", "iso2022_jp", "cp037"])
def test_an_encoding_in_which_lines_cannot_be_cut_is_refused_with_a_way_out(name):
    with pytest.raises(BadConfig, match="iconv -f"):
        known_encoding(name)


@pytest.mark.parametrize("name", ["klingon", "base64", "rot13", "a\0b", ""])
def test_what_is_no_encoding_is_refused(name):
    with pytest.raises(BadConfig, match="not known"):
        known_encoding(name)
