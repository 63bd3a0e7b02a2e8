import pytest

from batch.errors import BadData
from batch.inputs.recognise import recognise
from batch.inputs.settings import Reading
from batch.template import Text

GOOD = b'{"model":"m","messages":[{"role":"user","content":"a"}]}\n'
TUNE = b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n'

REFUSED = [
    ("UTF-16 with a mark", '{"a": 1}'.encode("utf-16"), "iconv"),
    ("UTF-16 big end first", b"\xfe\xff" + '{"a": 1}'.encode("utf-16-be"), "iconv"),
    ("UTF-32", '{"a": 1}'.encode("utf-32"), "iconv"),
    ("UTF-16 without a mark", '{"a": 1}'.encode("utf-16-le"), "iconv"),
    ("zstd", b"\x28\xb5\x2f\xfd\x00", "zstd -dc"),
    ("bzip2", b"BZh91AY", "bzip2 -dc"),
    ("xz", b"\xfd7zXZ\x00\x00", "xz -dc"),
    ("zip", b"PK\x03\x04\x00", "zip archive"),
    ("gzip in gzip", b"\x1f\x8b\x08", "gzip twice"),
    ("Parquet", b"PAR1\x15", "Parquet"),
    ("array on one line", b'[{"messages":[]},{"messages":[]}]', "jq -c '.\\[\\]'"),
    ("array over many lines", b'[\n  {"a": 1},\n  {"a": 2}\n]\n', "jq -c '.\\[\\]'"),
    ("array, one element a line", b'[{"a": 1},\n{"a": 2}]\n', "jq -c '.\\[\\]'"),
    ("empty array", b"[]", "jq -c '.\\[\\]'"),
    ("array after a mark and blanks", b"\xef\xbb\xbf\n \n[1]", ":3: "),
    ("pretty-printed object", b'{\n  "a": 1\n}\n', "jq -c \\. "),
    ("CSV", b"id,text\n1,hello\n2,bye\n", "CSV"),
    ("quoted CSV", b'"id","text"\n"1","hello"\n', "CSV"),
    ("numeric CSV", b"1,2\n3,4\n", "CSV"),
    ("TSV", b"id\ttext\n1\thello\n", "TSV with the columns id, text"),
    ("a PNG", b"\x89PNG\r\n\x1a\n\0\0", "is a picture. Name it in a line"),
    ("a JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF", "is a picture"),
    (
        "one line of text",
        b"hello, world",
        "line 1 begins with .hello, world., .* jq -Rc '{prompt: ",
    ),
    ("lines of text", b"\nWhat is 2?\nWho?\n", "is no JSONL: line 2 begins with .What is 2.., and"),
    ("a long line of text", "很".encode() * 200_000, "begins with .很{23}…., and"),
    ("lines of JSON that are texts", b'"a"\n"b"\n', "jq -c '{prompt: .}' FILE"),
    ("scalars", b"42\nnull\n", "is no JSONL: line 1 begins with .42"),
    ("a web page", b"<!DOCTYPE html>\n<html>\n", "is a web page or XML: fetch the file itself"),
    ("some binary file", b"OggS\0\2\n\0\1", "is no text"),
    (
        "batch output",
        b'{"id":"b","custom_id":"a","response":{"status_code":200,"body":{}},"error":null}\n',
        "holds answers",
    ),
    ("Gemini output", b'{"key":"a","response":{"candidates":[]}}\n', "holds answers"),
    (
        "Gemini output beside its request",
        b'{"request":{"contents":[]},"response":{}}\n',
        "holds answers",
    ),
    ("Label Studio", b'{"id":1,"data":{"text":"a"},"annotations":[]}\n', "Label Studio"),
    ("Prodigy", b'{"text":"a","label":"b","answer":"accept","_task_hash":1}\n', "Prodigy"),
    ("Bedrock", b'{"recordId":"1","modelInput":{"messages":[]}}\n', "Bedrock"),
    ("data without a template", b'{"id":1,"text":"a"}\n', "data with the fields id, text"),
    ("a hole for the data", b'{"id":1,"text":"a"}\n', "-p prompt.txt, with {{ text }} in it"),
    ("a name that is no word", b'{"my text":"a"}\n', 'with {{ row."my text". }} in it'),
    (
        "an answer among prompts",
        GOOD + b'{"custom_id":"a","response":{}}\n',
        ":2: the file is mixed",
    ),
    (
        "an answer far below",
        GOOD * 90 + b'{"custom_id":"a","response":{}}\n',
        "line 1 looks like bare request bodies, and line 91 like the output of a batch",
    ),
    ("training among prompts", GOOD + TUNE, "line 2 like a fine-tuning file"),
    ("prompts among bodies", GOOD + b'{"prompt":"a"}\n', "line 2 like prompts"),
    ("envelopes among bodies", GOOD + b'{"custom_id":"a","body":{}}\n', "mixed"),
    ("an array line among others", b'[{"a":1},{"b":2}]\n' + GOOD, "mixed"),
    ("batch errors", b'{"custom_id":"a","error":{"code":"x"}}\n', "holds answers"),
    ("our own output", b'{"line":1,"custom_id":"a","response":{},"x_run":{}}\n', "holds answers"),
    ("message results", b'{"custom_id":"a","result":{"type":"succeeded"}}\n', "holds answers"),
    ("script results", b'[{"model":"m"},{"id":"x"}]\n[{"model":"m"},["error"]]\n', "holds answers"),
    ("fine-tuning", TUNE * 3, "fine-tuning"),
    (
        "ShareGPT",
        b'{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}\n',
        "ShareGPT",
    ),
]

TAKEN = [
    ("empty", b""),
    ("blank", b"\n \n"),
    ("good", GOOD),
    ("good after a mark", b"\xef\xbb\xbf" + GOOD),
    ("good after a broken line", b"a, b\n" + GOOD),
    ("odd lines among good ones", GOOD + b'{"a":1}\n{}\n'),
    ("good after a hundred lines of which one is meant", b"# a\n" * 99 + b"{bad\n" + GOOD),
    ("a flaw in every line", b"{'prompt': 'a'}\n{'prompt': 'b'}\n"),
    ("training chats that name a model", TUNE.replace(b"{", b'{"model":"m",', 1)),
    (
        "batch lines that end with an answer",
        b'{"custom_id":"a","body":' + TUNE.strip() + b"}\n",
    ),
    ("odd shapes", b'{"messages":[]}\n{"messages":[1]}\n{"messages":{}}\n{"result":1}\n'),
]


@pytest.mark.parametrize(
    ("head", "hint"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_file_that_holds_no_prompts_is_refused_with_a_hint(head, hint):
    with pytest.raises(BadData, match=hint) as refusal:
        recognise("in.jsonl", "/d/in.jsonl", head, Reading(asking=True))

    assert str(refusal.value).startswith("in.jsonl")


@pytest.mark.parametrize("head", [row[1] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_a_file_that_may_hold_prompts_is_taken(head):
    recognise("in.jsonl", "/d/in.jsonl", head, Reading(asking=True))


def test_a_last_line_that_the_head_cuts_off_is_not_judged():
    with pytest.raises(BadData, match="fine-tuning"):
        recognise("in.jsonl", "/d/in.jsonl", TUNE + GOOD[:20], Reading(asking=True))


def test_an_array_longer_than_the_head_is_refused():
    with pytest.raises(BadData, match="one JSON array"):
        recognise("in.json", "/d/in.json", b'[{"a": 1}, {"a"', Reading(asking=True))


def test_lines_of_text_are_no_rows_for_a_template_either():
    with pytest.raises(BadData, match=r"such as {.text.: .* jq -Rc .{text: \.}. FILE"):
        recognise("in.txt", "/d/in.txt", b"good\nbad\n", Reading(prompt=Text("p", "{{ text }}")))
