"""Prompts and rows as requests: which format builds the body, and what goes into it."""

import orjson
import pytest

from batch.errors import BadData
from batch.inputs.envelope import Reader
from batch.inputs.filling import Filler
from batch.inputs.form import Form
from batch.inputs.lines import RawLine
from batch.inputs.scan import Look, scan
from batch.inputs.settings import InputSettings, Reading
from batch.inputs.sources import open_inputs
from batch.inputs.table import Table
from batch.records import BadLine
from batch.template import Text
from batch.wire import formats

PROMPTS = Form("prompts")
ROWS = Form("rows")
CSV = Table(",", ("id", "text", "model"), b"")
ASK = Text("p.txt", "Is it good? {{ text }}")
BE = Text("s.txt", "You judge {{ text }}.")


def parse(raw, form=PROMPTS, reading=None, **settings):
    settings = InputSettings(**{"model": "gpt-4o-mini", **settings}, reading=reading or Reading())
    line = RawLine(7, 3, "in.csv", raw, len(raw))
    return Reader(formats(), settings, [form]).parse(line)


def body(row):
    assert not isinstance(row, BadLine), row
    return orjson.loads(row.body)


def user(text):
    return {"role": "user", "content": text}


def test_a_prompt_becomes_a_chat_with_the_model_of_the_settings():
    row = parse(b'{"prompt":"Hi."}')

    assert (row.path, row.custom_id) == ("/v1/chat/completions", "line-7")
    assert body(row) == {"messages": [user("Hi.")], "model": "gpt-4o-mini"}


def test_what_stands_beside_a_prompt_is_of_the_body_as_it_is_written():
    raw = (
        b'{"id":9,"prompt":"Hi.","system":"Be.","model":"m","temperature":1.10,'
        b'"top_k":12345678901234567890123}'
    )

    row = parse(raw)

    assert row.custom_id == "9"
    assert row.model == "m"
    assert b'"temperature":1.10' in row.body
    assert b'"top_k":12345678901234567890123' in row.body
    assert body(row)["messages"] == [{"role": "system", "content": "Be."}, user("Hi.")]
    assert body(row).keys() == {"messages", "model", "temperature", "top_k"}


BUILT = [
    ("claude-sonnet-4-5", {}, "/v1/messages", {"system": "Be.", "messages": [user("Hi.")]}),
    ("gemini-2.5-flash", {}, "/v1/chat/completions", {}),
    ("gpt-4o", {"endpoint": "/v1/responses"}, "/v1/responses", {"instructions": "Be."}),
    ("claude-x", {"endpoint": "/v1/chat/completions"}, "/v1/chat/completions", {}),
    (
        "gemini-2.5-flash",
        {"endpoint": "/v1beta/models/gemini-2.5-flash:generateContent"},
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {"systemInstruction": {"parts": [{"text": "Be."}]}},
    ),
]


@pytest.mark.parametrize(("model", "settings", "path", "part"), BUILT)
def test_the_endpoint_that_was_named_builds_the_body_else_that_of_the_models_vendor(
    model, settings, path, part
):
    row = parse(b'{"prompt":"Hi.","system":"Be."}', model=model, **settings)

    assert row.path == path
    assert part.items() <= body(row).items()


def test_a_model_of_embeddings_gets_the_prompt_as_its_input():
    row = parse(b'{"prompt":"Hi."}', model="text-embedding-3-small")

    assert row.path == "/v1/embeddings"
    assert body(row) == {"input": "Hi.", "model": "text-embedding-3-small"}


def test_a_body_for_pictures_is_told_by_its_fields_and_stays_one():
    row = parse(b'{"prompt":"a cat","n":1,"size":"1x1","model":"dall-e-3"}')

    assert row.path == "/v1/images/generations"
    assert body(row) == {"prompt": "a cat", "n": 1, "size": "1x1", "model": "dall-e-3"}


@pytest.mark.parametrize(
    ("raw", "endpoint", "format_"),
    [
        (b'{"prompt":"a cat","n":1,"size":"1x1","model":"m"}', "/v1/chat/completions", "chat"),
        (b'{"prompt":"a cat","n":1,"size":"1x1","model":"m"}', "/v1/videos", "videos"),
        (b'{"prompt":"a cat","seconds":"4","model":"m"}', "/v1/images/generations", "images"),
        (b'{"prompt":"a cat","model_name":"kling-v1"}', "/v1/responses", "responses"),
    ],
)
def test_the_endpoint_that_is_said_outranks_what_the_shape_of_a_prompt_tells(
    raw, endpoint, format_
):
    assert parse(raw, model="m", endpoint=endpoint).format == format_


def test_a_prompt_for_a_model_that_paints_is_not_sent_where_it_writes():
    bad = parse(b'{"prompt":"a cat","model":"dall-e-3"}')
    good = parse(b'{"prompt":"a cat","model":"dall-e-3"}', endpoint="/v1/images/generations")

    assert bad.code == "unknown_endpoint"
    assert "makes no text but image" in bad.message
    assert good.path == "/v1/images/generations"


def test_a_row_is_filled_into_the_template_and_is_nothing_else():
    reading = Reading(prompt=ASK, system=BE, params={"max_tokens": 5, "stop": ["\n"]})
    raw = b'{"id":"r1","text":"\xe5\xa5\xbd","model":"not asked","prompt":"not asked"}'

    row = parse(raw, ROWS, reading)

    assert row.custom_id == "r1"
    assert body(row) == {
        "messages": [{"role": "system", "content": "You judge 好."}, user("Is it good? 好")],
        "model": "gpt-4o-mini",
        "max_tokens": 5,
        "stop": ["\n"],
    }


def test_a_row_of_a_table_is_filled_like_one_of_json():
    form = Form("rows", table=CSV)

    row = parse(b'4,"a ""b""\nc",x', form, Reading(prompt=ASK))

    assert (row.custom_id, row.model) == ("4", "gpt-4o-mini")
    assert body(row)["messages"] == [user('Is it good? a "b"\nc')]


def test_of_a_table_of_prompts_the_other_columns_are_data():
    form = Form("prompts", table=Table(",", ("prompt", "system", "model", "stars"), b""))

    row = parse(b"Hi.,,claude-x,5", form)

    assert (row.model, row.path) == ("claude-x", "/v1/messages")
    assert body(row).keys() == {"max_tokens", "messages", "model"}


def test_the_system_text_of_the_settings_is_for_prompts_without_one():
    reading = Reading(system=Text("s.txt", "Be brief."))

    own, lent = (
        parse(b'{"prompt":"a","system":"Mine."}', PROMPTS, reading),
        parse(b'{"prompt":"a"}', PROMPTS, reading),
    )

    assert body(own)["messages"][0]["content"] == "Mine."
    assert body(lent)["messages"][0]["content"] == "Be brief."


@pytest.mark.parametrize(
    ("fields", "column", "found"),
    [
        ('{"custom_id":"a","id":"b","text":"x"}', None, "a"),
        ('{"id":5,"text":"x"}', None, "5"),
        ('{"id":"","text":"x"}', None, "line-7"),
        ('{"id":null,"text":"x"}', None, "line-7"),
        ('{"id":"a","nr":"b","text":"x"}', "nr", "b"),
        ('{"id":"a","text":"x"}', "", "line-7"),
        ('{"":"a","text":"x"}', "", "line-7"),
    ],
)
def test_a_row_is_called_by_its_id(fields, column, found):
    reading = Reading(prompt=ASK, id_column=column)

    assert parse(fields.encode(), ROWS, reading).custom_id == found


BAD = [
    (b'{"prompt":"  "}', PROMPTS, "empty_prompt", "The prompt is empty"),
    (b'{"prompt":5}', PROMPTS, "invalid_request", '"prompt" must be a text'),
    (b'{"text":"a"}', PROMPTS, "empty_prompt", "empty"),
    (b'{"prompt":"a","system":[]}', PROMPTS, "invalid_request", '"system" must be a text'),
    (b'{"prompt":"a","model":[]}', PROMPTS, "invalid_request", '"model" must be a text'),
    (b'{"prompt":"a","id":[1]}', PROMPTS, "invalid_request", '"id" must be a text'),
    (b'{"id":"a","nr":1}', ROWS, "template_error", 'p.txt uses "text"'),
    (b"nonsense", ROWS, "invalid_json", "not JSON"),
    (b"1,2", Form("rows", table=CSV), "invalid_row", "has 2 fields"),
]


@pytest.mark.parametrize(("raw", "form", "code", "why"), BAD)
def test_a_line_that_cannot_be_asked_is_one_bad_line(raw, form, code, why):
    bad = parse(raw, form, Reading(prompt=ASK if form.kind == "rows" else None))

    assert (bad.code, bad.where) == (code, "in.csv:3")
    assert why in bad.message


def test_a_row_in_another_encoding_is_sent_in_utf8():
    form = Form("rows", encoding="gb18030")

    row = parse('{"text":"很好"}'.encode("gb18030"), form, Reading(prompt=ASK))

    assert body(row)["messages"] == [user("Is it good? 很好")]


class Pass:
    """One pass over a file, before anything is sent."""

    def __init__(self, folder, content, name="in.csv", **reading):
        (folder / name).write_bytes(content)
        self.reading = Reading(**reading)
        self.inputs = open_inputs([str(folder / name)], str(folder / "spool"), reading=self.reading)
        self.folder = folder

    def scan(self, fresh=None):
        look = Look(self.inputs.forms, Filler(self.reading), fresh)
        return scan(self.inputs, str(self.folder / "cache"), (), 1 << 20, look)


def test_a_template_that_a_row_cannot_fill_is_refused_with_line_and_field(tmp_path):
    rows = b'{"text":"a"}\n' * 300 + b'{"txet":"a"}\n'

    with pytest.raises(BadData, match=r'in\.jsonl:301: p\.txt uses "text".* Nothing was sent'):
        Pass(tmp_path, rows, "in.jsonl", prompt=ASK).scan()


def test_lines_that_have_ended_are_not_filled_again(tmp_path):
    rows = b'{"text":"a"}\n{"txet":"a"}\n'

    Pass(tmp_path, rows, "in.jsonl", prompt=ASK).scan(lambda line: line.ordinal == 1)


def test_a_row_that_is_no_row_is_left_to_its_error_record(tmp_path):
    assert Pass(tmp_path, b"id,text\n1,a\n2\n", prompt=ASK).scan().lines == 2


@pytest.mark.parametrize("column", ["id", "custom_id"])
def test_two_rows_of_one_id_are_refused_with_the_ways_out(tmp_path, column):
    rows = f"{column},text\n1,a\n2,b\n1,c\n".encode()

    with pytest.raises(BadData, match=r'in\.csv:4: custom_id "1" already .*:2\. .*--id-column'):
        Pass(tmp_path, rows, prompt=ASK).scan()


def test_with_no_column_for_ids_rows_may_repeat_them(tmp_path):
    assert Pass(tmp_path, b"id,text\n1,a\n1,b\n", prompt=ASK, id_column="").scan().lines == 2
