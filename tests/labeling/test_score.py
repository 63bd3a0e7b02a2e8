"""``wbatch score``: what it reads, says, draws, demands and refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.ledger.entries import encode_error, encode_result
from batch.records import Answer, Fault, Label, Result, Timing, Vote

RUN = "20261127T020000Z-abcdef"
HOSTILE = "<script>alert(1)</script>"
LABELS = ["good", "bad", HOSTILE]


def run_in(
    folder: Path, said: Mapping[str, Any], errors: Mapping[str, str] | None = None, **identity: Any
) -> None:
    """Write the files of a run: labels, and classes of errors, by custom_id."""
    lines = {name: n for n, name in enumerate([*said, *(errors or {})], 1)}
    write(
        folder / "in.jsonl",
        [
            {"custom_id": name, "body": {"model": "m", "messages": [said_of(name)]}}
            for name in lines
        ],
    )
    told = {"script": "label", "labels": json.dumps(LABELS), **identity}
    inputs = [{"path": str(folder / "in.jsonl"), "bytes": 1, "format": "jsonl"}]
    run = {"version": 1, "run_id": RUN, "identity": told, "inputs": inputs}
    (folder / "out.run").mkdir()
    write(folder / "out.run" / "journal.jsonl", [{"kind": "header", "run": run}])
    answer = Answer(b"{}", "", "stop", None)
    (folder / "out.jsonl").write_bytes(
        b"".join(
            encode_result(record(lines[name], name, answer, label), RUN, 0)
            for name, label in said.items()
        )
    )
    (folder / "out.run" / "errors.jsonl").write_bytes(
        b"".join(
            encode_error(record(lines[name], name, Fault(code, "no")), RUN, 0)
            for name, code in (errors or {}).items()
        )
    )


def said_of(name: str) -> dict[str, str]:
    return {"role": "user", "content": f"{HOSTILE} says {name}"}


def record(
    line: int, name: str, outcome: Answer | Fault, label: Mapping[str, Any] | None = None
) -> Result:
    made = None
    if label is not None:
        votes = (Vote(label["value"]),) * (2 if "confidence" in label else 1)
        share, tie = label.get("confidence", 1.0), label.get("tie", False)
        made = Label(label["value"], len(votes), votes, share, tie)
    timing = Timing(1_760_000_000.0, 5, 1)
    return Result(line, line, name, "m", "/v1/chat/completions", None, timing, outcome, label=made)


def write(path: Path, documents: Sequence[Any]) -> None:
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in documents))


def gold_in(folder: Path, labels: Mapping[str, str]) -> None:
    write(folder / "gold.jsonl", [{"id": name, "label": one} for name, one in labels.items()])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scored(folder: Path) -> Path:
    """A run of which three labels are right, two wrong, and three are missing."""
    run_in(
        folder,
        {
            "a": {"value": "good"},
            "b": {"value": "bad"},
            "c": {"value": HOSTILE},
            "d": {"value": "bad", "confidence": 0.6667},
            "e": {"value": "bad", "confidence": 1.0},
            "f": {"value": None, "tie": True, "confidence": 0.5},
            "unasked": {"value": "good"},
        },
        {"g": "label_invalid", "h": "timeout"},
    )
    gold = {"a": "good", "b": "bad", "c": HOSTILE, "d": "good", "e": "Good"}
    gold_in(folder, gold | dict.fromkeys("fghi", "good"))
    return folder


def score(capfd: pytest.CaptureFixture[str], *flags: str) -> tuple[int, str, str]:
    code = answer(["score", "out.jsonl", "--gold", "gold.jsonl", *flags], Caller(environ={}))
    said = capfd.readouterr()
    return code, said.out, said.err


def test_a_program_gets_one_object(scored: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = score(capfd, "--json")

    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["right"], found["pairs"], found["gold"]) == (3, 5, 9)
    assert found["accuracy"]["value"] == 0.6
    assert found["coverage"]["value"] == pytest.approx(5 / 9)
    assert found["missing"] == {"abstained": 1, "invalid": 1, "failed": 1, "not answered": 1}
    assert found["strange_gold_labels"] == {"Good": 1}
    assert found["labels"] == ["good", "bad", HOSTILE, "Good"]
    assert found["matrix"] == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0]]
    assert found["passed"] is None


def test_a_person_gets_tables_without_a_single_sign_that_a_terminal_obeys(
    scored: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = score(capfd)

    assert code == 0
    assert "accuracy  60.0 % (95 %: 23.1 to 88.2), 3 of 5 right" in out
    assert "coverage  55.6 %, 5 of 9 gold lines have a label, abstained 1" in out
    assert "the run could not give these labels of the gold file: Good (1)" in out
    assert out.index("says e") < out.index("says d")  # the surest first
    assert "\x1b" not in out


def test_control_characters_of_labels_are_not_written(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_in(folder, {"a": {"value": "x\x1b[31m"}}, labels=json.dumps(["x\x1b[31m", "y"]))
    gold_in(folder, {"a": "y\x1b]0;t\x07"})

    _, out, _ = score(capfd)

    assert "\x1b" not in out
    assert "\x07" not in out


GATES = [
    (("--min-accuracy", "0.6"), 0, ""),
    (("--min-accuracy", "0.61"), 3, "accuracy of at least 61 % is demanded, and not met"),
    (("--min-coverage", "0.5"), 0, ""),
    (("--min-coverage", "0.9"), 3, "coverage of at least 90 % is demanded, and not met"),
    (("--min-accuracy", "0.5", "--min-coverage", "0.6"), 3, "coverage"),
]


@pytest.mark.parametrize(("flags", "expected", "message"), GATES)
def test_labels_that_are_not_as_good_as_demanded_end_with_3(
    scored: Path,
    capfd: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    expected: int,
    message: str,
) -> None:
    code, _, err = score(capfd, *flags)

    assert (code, message in err, bool(err)) == (expected, True, bool(message))


def test_a_gate_that_is_met_is_silent_if_told_so(
    scored: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert score(capfd, "-q", "--min-accuracy", "0.5") == (0, "", "")
    assert score(capfd, "-q", "--min-accuracy", "0.9")[1] != ""


@pytest.mark.parametrize(
    "target", ["in.jsonl", "out.jsonl", "gold.jsonl", "job.toml", "out.run/page.html"]
)
def test_a_page_replaces_no_file_that_somebody_paid_for_or_made(
    scored: Path, capfd: pytest.CaptureFixture[str], target: str
) -> None:
    (scored / "job.toml").write_text('output = "out.jsonl"\n')
    before = {one: one.read_bytes() for one in scored.rglob("*") if one.is_file()}

    code, _, said = score(capfd, "--html", target)

    assert code == 2
    assert "Choose another file" in said
    assert {one: one.read_bytes() for one in scored.rglob("*") if one.is_file()} == before


def test_a_gold_file_of_other_ids_is_said_to_be_one(
    scored: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (scored / "gold.jsonl").write_text('{"id": "elsewhere", "label": "good"}\n')

    code, told, _ = score(capfd)

    assert code == 0
    assert "no line of the gold file has a record in the run" in told
    assert "--id-column" in told


def test_a_run_whose_last_line_is_torn_is_scored_like_any_that_goes_on(
    scored: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = score(capfd, "--json")
    with (scored / "out.jsonl").open("ab") as log:
        log.write(b'{"x_run":{"line":99,"su\n')

    assert score(capfd, "--json") == whole


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_and_obeys_no_label(
    scored: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = score(capfd, "--html", "page.html", "--min-accuracy", "0.9")

    page = (scored / "page.html").read_text()
    assert (scored / "page.html").stat().st_mode & 0o777 == 0o600  # it holds texts of people
    parser = _Tags()
    parser.feed(page)
    names = {tag for tag, _ in parser.tags}
    assert code == 3
    assert not names & {"script", "img", "link", "iframe", "a", "object", "base", "form"}
    assert not any(
        key in ("src", "href") or key.startswith("on") for _, a in parser.tags for key in a
    )
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; says e" in page
    assert "accuracy of at least 90 %: not met" in page
    assert page.count("<tr>") >= 4 + 5 + 2


def test_a_text_of_the_gold_file_outranks_that_of_the_input(
    scored: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(scored / "gold.jsonl", [{"id": "d", "label": "good", "text": "as people saw it"}])

    _, out, _ = score(capfd)

    assert "as people saw it" in out


def test_an_answer_that_is_nested_without_end_is_scored_like_any_other(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_in(folder, {"a": {"value": "good"}})
    deep = Answer(b'{"more":' + b"[" * 1000 + b"]" * 1000 + b"}", "", "stop", None)
    with open(folder / "out.jsonl", "ab") as file:
        file.write(encode_result(record(2, "b", deep, {"value": "bad"}), RUN, 0))
    gold_in(folder, {"a": "good", "b": "bad"})

    code, out, _ = score(capfd, "--json")

    assert code == 0
    assert json.loads(out)["right"] == 2


def test_a_run_that_goes_on_can_be_scored(scored: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with open(scored / "out.jsonl", "ab") as file:
        file.write(b'{"x_run":{"line":9')

    assert score(capfd, "--json")[0] == 0


def test_of_a_schema_the_field_of_the_run_is_compared_or_another(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_in(
        folder,
        {"a": {"value": {"mood": "up", "stars": 5}}, "b": {"value": {"mood": "up", "stars": 1}}},
        labels=None,
        label_field="mood",
    )
    journal = folder / "out.run" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"labels":null,', b""))
    gold_in(folder, {"a": "up", "b": "down"})

    assert json.loads(score(capfd, "--json")[1])["right"] == 1

    gold_in(folder, {"a": "5", "b": "1"})
    assert json.loads(score(capfd, "--json", "--label-field", "stars")[1])["right"] == 2


def test_labels_under_settings_that_came_later_are_those_that_count(
    scored: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    later = {"script": "label", "labels": json.dumps(["good", "Good", "bad"])}
    with open(scored / "out.run" / "journal.jsonl", "ab") as file:
        file.write(orjson.dumps({"kind": "settings", "run": {"identity": later}}) + b"\n")

    assert json.loads(score(capfd, "--json")[1])["strange_gold_labels"] == {HOSTILE: 1}


def test_what_is_no_labeling_run_is_refused(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    gold_in(folder, {"a": "good"})
    code, _, err = score(capfd)
    assert (code, "no run was begun there" in err) == (66, True)

    run_in(folder, {"a": {"value": "good"}}, script="once")
    code, _, err = score(capfd)
    assert (code, "this run labeled nothing" in err) == (65, True)
