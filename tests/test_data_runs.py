"""Whole runs over data: tables, templates, a first look, and the run that goes on from it."""

import asyncio
import gc
from collections import Counter

import orjson
import pytest

from batch import runs
from batch.errors import BadConfig, BadData
from batch.settings.tree import RequestSettings, RunSettings, Settings
from tests.test_runs import Quiet

CSV = 'id,text\nr1,"good, ""really"""\nr2,"two\nlines"\n\nr3,bad\nr4,so so\n'


class Desk:
    """A folder with a table and a template, and runs over them."""

    def __init__(self, folder):
        self.folder = folder
        self.output = folder / "out.jsonl"
        self.watch = Quiet()
        self.write("in.csv", CSV)
        self.write("p.txt", "Good or bad? {{ text }}\n")

    def write(self, name, text, encoding="utf-8"):
        (self.folder / name).write_bytes(text.encode(encoding))

    def run(self, inputs=("in.csv",), conduct=None, prompt="p.txt", **request):
        asked = {"model": "gpt-4o-mini", "prompt": prompt and str(self.folder / prompt)} | request
        settings = Settings(
            inputs=tuple(str(self.folder / name) for name in inputs),
            output=str(self.output),
            request=RequestSettings(**asked),
            run=RunSettings(mock=True, **(conduct or {})),
        )
        gc.freeze()
        return asyncio.run(runs.run(settings, self.watch))

    def retry(self):
        settings = Settings(output=str(self.output))
        return asyncio.run(runs.retry(settings, self.watch, None, False))

    def records(self, name="out.jsonl"):
        return [orjson.loads(line) for line in (self.folder / name).read_bytes().splitlines()]

    def answers(self):
        """Return what the mock, which repeats the prompt, said to each line."""
        return {
            one["custom_id"]: one["response"]["body"]["choices"][0]["message"]["content"]
            for one in self.records()
        }


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_each_row_of_a_table_is_asked_once_as_the_template_says(desk):
    outcome = desk.run()

    answers = desk.answers()
    assert outcome.exit_code == 0
    assert answers.keys() == {"r1", "r2", "r3", "r4"}
    assert 'Good or bad? good, "really"' in answers["r1"]
    assert "Good or bad? two lines" in answers["r2"]
    assert Counter(one["x_run"]["line"] for one in desk.records()) == Counter([1, 2, 4, 5])
    assert desk.watch.said[0].endswith(
        "in.csv: CSV with the columns id, text, each filled into the template"
    )


def test_the_same_command_again_sends_nothing(desk):
    desk.run()

    again = desk.run()

    assert (again.exit_code, again.summary["x_run"]["recorded"]) == (0, 0)


def test_a_head_is_kept_by_the_full_run_which_asks_the_others(desk):
    first = desk.run(conduct={"head": 2})
    kept = desk.output.read_bytes()
    twice = desk.run(conduct={"head": 2})
    full = desk.run()

    assert (first.exit_code, twice.exit_code, full.exit_code) == (0, 0, 0)
    assert first.summary["status"] == "in_progress"
    assert first.summary["x_run"]["pending"] == 2
    assert "without --head 2 the same command asks the other 2 lines" in first.lines[-1]
    assert "2 not to be asked (--head 2)" in first.lines[0]
    assert twice.summary["x_run"]["recorded"] == 0
    assert full.summary["status"] == "completed"
    assert desk.output.read_bytes().startswith(kept)
    assert Counter(one["custom_id"] for one in desk.records()) == Counter(["r1", "r2", "r3", "r4"])


def test_a_sample_is_kept_by_a_larger_head_and_asks_nothing_twice(desk):
    sample = desk.run(conduct={"sample": 2, "seed": 5})
    chosen = {one["custom_id"] for one in desk.records()}
    head = desk.run(conduct={"head": 3})

    assert sample.exit_code == head.exit_code == 0
    assert len(chosen) == 2
    assert Counter(one["custom_id"] for one in desk.records()) == Counter(
        chosen | {"r1", "r2", "r3"}
    )


def test_of_a_first_look_only_its_own_failures_count(desk):
    desk.write("in.csv", CSV + "r5\n")  # a row without its text

    head = desk.run(conduct={"head": 4})
    whole = desk.run()
    head_again = desk.run(conduct={"head": 4})

    assert (head.exit_code, whole.exit_code, head_again.exit_code) == (0, 3, 0)
    (error,) = desk.records("out.run/errors.jsonl")
    assert error["error"]["code"] == "invalid_row"
    assert "in.csv:8: The row has 1 field" in error["error"]["message"]


def test_a_bar_is_as_long_as_what_was_chosen(desk):
    desk.run(conduct={"head": 3})

    assert desk.watch.began == (3, 0)


def test_a_template_that_a_row_cannot_fill_is_refused_and_leaves_nothing(desk):
    desk.write("p.txt", "{{ txt }}")

    with pytest.raises(BadData, match=r'in\.csv:2: .*p\.txt uses "txt".*Was "text" meant'):
        desk.run()

    assert {path.name for path in desk.folder.iterdir()} == {"in.csv", "p.txt"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"prompt": "other.txt"},
            r"prompt was the text in .*/out\.run/prompts/\w+\.txt and is now another one",
        ),
        ({"system": "other.txt"}, "system was not set and is now a text"),
        ({"params": {"max_tokens": 5}}, "params was not set"),
        ({"encoding": "gb18030"}, "encoding was not set"),
        ({"id_column": "text"}, "id_column was not set"),
    ],
)
def test_another_way_to_ask_is_another_run(desk, change, named):
    desk.run()
    desk.write("other.txt", "{{ text }}?")
    change = {k: str(desk.folder / v) if k == "system" else v for k, v in change.items()}

    with pytest.raises(BadData, match=named):
        desk.run(**change)


def test_a_template_under_another_name_is_the_same_run(desk):
    desk.run()
    desk.write("q.txt", "Good or bad? {{ text }}\n")

    assert desk.run(prompt="q.txt").summary["x_run"]["recorded"] == 0


def test_other_columns_make_other_rows(desk):
    desk.run()
    desk.write("in.csv", CSV.replace("id,text", "text,id"))

    with pytest.raises(BadData, match="4 answers, 4 of them to lines that changed"):
        desk.run()


def test_rows_that_were_added_are_asked(desk):
    desk.run()
    desk.write("in.csv", CSV + 'r5,"more\nlines"\n')

    again = desk.run()

    assert again.summary["x_run"]["recorded"] == 1
    assert "more lines" in desk.answers()["r5"]


def test_a_retry_asks_with_the_template_that_was_asked(desk):
    desk.write("in.csv", "id,text\nr1,a\nr2\n")
    desk.run(params={"max_tokens": 7})
    desk.write("in.csv", "id,text\nr1,a\nr2\n")
    (desk.folder / "p.txt").unlink()

    outcome = desk.retry()

    assert outcome.exit_code == 3
    (kept,) = (desk.folder / "out.run" / "prompts").iterdir()
    assert kept.read_text() == "Good or bad? {{ text }}\n"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_template_that_is_gone_from_the_run_is_missed_by_a_retry(desk):
    desk.run()
    (kept,) = (desk.folder / "out.run" / "prompts").iterdir()
    kept.write_text("another")

    with pytest.raises(BadData, match="no longer there"):
        desk.retry()


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_template_that_cannot_be_read_is_refused(desk, content):
    (desk.folder / "p.txt").unlink()
    if content is not None:
        (desk.folder / "p.txt").write_bytes(content)

    with pytest.raises(BadConfig, match=r"p\.txt"):
        desk.run()


def test_an_order_of_parameters_is_nobodys_business(desk):
    desk.run(params={"max_tokens": 7, "stop": ["x"]})

    again = desk.run(params={"stop": ["x"], "max_tokens": 7})

    assert again.summary["x_run"]["recorded"] == 0


def test_a_table_in_gb18030_with_a_template_in_utf8(desk):
    desk.write("in.csv", "编号,评论\na,很好\nb,不好\n", "gb18030")
    desk.write("p.txt", "评价 {{ 评论 }}")

    desk.run(encoding="gb18030", id_column="编号")

    assert "评价 很好" in desk.answers()["a"]


def test_prompts_and_tables_may_be_asked_together(desk):
    desk.write("more.jsonl", '{"id":"p1","prompt":"Hi there"}\n')
    desk.write("prompts.tsv", "id\tprompt\nt1\tHello\n")

    desk.run(inputs=("more.jsonl", "prompts.tsv"), prompt=None)

    answers = desk.answers()
    assert "Hi there" in answers["p1"]
    assert "Hello" in answers["t1"]
