"""Which files of labels are read, and what is said of those that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch.errors import BadData, NoInput, Refusal
from batch.labeling.gold import GoldLine, read_gold

READ = [
    ("gold.csv", "custom_id,label\nr-1,good\nr-2,bad\n"),
    ("gold.csv", "\ufeffid;label\r\nr-1;good\r\nr-2;bad\r\n"),
    ("gold.tsv", "id\tother\tlabel\nr-1\tx\tgood\nr-2\ty\t bad \n"),
    ("gold.csv", 'label,custom_id\n"good",r-1\nbad,r-2'),
    ("gold.csv", '"id";"a,b,c";label\nr-1;x;good\nr-2;y;bad\n'),
    ("gold.jsonl", '{"id": "r-1", "label": "good"}\n\n{"custom_id": "r-2", "label": "bad"}\n'),
    ("gold", '{"custom_id": "r-1", "label": "good"}\n{"custom_id": "r-2", "label": "bad"}'),
]


@pytest.mark.parametrize(("name", "text"), READ)
def test_tables_and_jsonl_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")

    gold = read_gold(str(tmp_path / name), None, None)

    assert gold.lines == {"r-1": GoldLine("good"), "r-2": GoldLine("bad")}


def test_columns_are_named_and_a_text_beside_the_label_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "gold.csv"
    path.write_text('review,text,mood\n7,"a ""good"",\none",up\n8,x,\n')

    gold = read_gold(str(path), "review", "mood")

    assert gold.lines == {"7": GoldLine("up", 'a "good",\none')}


def test_numbers_are_the_texts_that_they_are_written_as(tmp_path: Path) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text('{"id": 7, "label": 1}\n{"id": 8, "label": true}')

    assert read_gold(str(path), None, None).lines == {"7": GoldLine("1"), "8": GoldLine("true")}


REFUSED = [
    ("gold.csv", b"id,label\nr-1,good\nr-1,bad\n", BadData, ":3: id 'r-1' was used on line 2"),
    ("gold.csv", b"id,mood\nr-1,good\n", BadData, "no column label. There are id, mood; name it"),
    ("gold.csv", b"name,label\nr-1,good\n", BadData, "no column custom_id or id"),
    ("gold.csv", b"id,label\nr-1,good,x\n", BadData, "more or fewer cells than columns"),
    ("gold.csv", b"id,label\nr-1\n", BadData, "more or fewer cells than columns"),
    ("gold.csv", b'id,label\nr-1,"goo\n', BadData, "no CSV"),
    ("gold.csv", b"id,label\n,good\n", BadData, ":2: the id is empty"),
    ("gold.csv", b"id,label\nr-1,\n", BadData, "no line of the gold file has a label"),
    ("gold.csv", b"", BadData, "no line of the gold file has a label"),
    ("gold.csv", b"id,label\nr-1,caf\xe9\n", BadData, ":2: not UTF-8"),
    ("gold.jsonl", b'{"id": "r-1", "label"\n', BadData, ":1: not JSON"),
    ("gold.jsonl", b"[1]\n", BadData, "not an object"),
    ("gold.jsonl", b'{"id": "r-1", "label": ["a"]}\n', BadData, "not lists or objects"),
    ("none.csv", None, NoInput, "none.csv: No such file"),
]


@pytest.mark.parametrize(("name", "data", "kind", "message"), REFUSED)
def test_what_is_no_gold_file_is_refused_with_the_place(
    tmp_path: Path, name: str, data: bytes | None, kind: type[Refusal], message: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)

    with pytest.raises(kind) as refusal:
        read_gold(str(tmp_path / name), None, None)

    assert message in str(refusal.value)
