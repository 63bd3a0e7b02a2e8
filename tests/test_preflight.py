"""Every line and setting looked at before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from batch.catalogue import Catalogue, KeyReport
from batch.errors import BadKey, NoInput, Unavailable, Unreachable
from batch.preflight import compare, lines, preflight
from batch.settings.tree import (
    KeySetting,
    LabelSettings,
    PriceSettings,
    RequestSettings,
    RunSettings,
    Settings,
)
from batch.wire.models import Listed

ENVIRON = {"CHAT_KEY": "k-123456789012", "CLAUDE_KEY": "k-210987654321"}
KEYS = (KeySetting(match="gpt-*", env="CHAT_KEY"), KeySetting(match="claude-*", env="CLAUDE_KEY"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


def line(name: Any, model: str = "gpt-4o-mini", **more: Any) -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], **more}
    return json.dumps({"custom_id": name, "url": "/v1/chat/completions", "body": body})


def checked(source, *texts, most=20, **settings):
    source.write_text("".join(f"{text}\n" for text in texts))
    wanted = Settings(**{"inputs": (str(source),), "output": "o", "keys": KEYS} | settings)
    return preflight(wanted, ENVIRON, most)


def test_lines_that_can_be_sent_are_counted_by_model_and_endpoint(source):
    report = checked(
        source, line("a", max_tokens=9), line("b", max_tokens=9), line("c", "claude-x")
    )

    first, second = report.groups.values()
    assert report.exit_code == 0
    assert (first.model, first.endpoint, first.key, first.lines) == (
        "gpt-4o-mini",
        "/v1/chat/completions",
        "CHAT_KEY",
        2,
    )
    assert first.output_tokens == 18
    assert (second.model, second.key, second.lines) == ("claude-x", "CLAUDE_KEY", 1)
    assert "no problems: this can be sent" in list(lines(report))


def test_a_file_of_prices_that_is_none_is_a_problem_of_the_settings(source, tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text("[models]")

    report = checked(source, line("a"), prices=PriceSettings(files=(str(prices), "missing.toml")))

    assert report.exit_code == 78
    first, second = report.problems
    assert (first.code, second.code) == ("settings", "settings")
    assert str(first).startswith(f"{prices}:1: ")
    assert "missing.toml" in str(second)


def test_each_bad_line_is_named_with_its_file_and_line(source):
    report = checked(source, line("a"), "{bad", line("b"), '{"url":"/v1/nowhere","body":{}}')

    assert report.exit_code == 65
    assert [(one.where, one.code) for one in report.problems] == [
        (f"{source}:2", "invalid_json"),
        (f"{source}:4", "unknown_endpoint"),
    ]


def test_ids_that_stand_twice_are_all_named_and_not_only_the_first(source):
    report = checked(source, line("a"), line("b"), line("a"), line(1), line("b"), line("1"))

    assert report.exit_code == 65
    assert [one.where for one in report.problems] == [f"{source}:{n}" for n in (3, 5, 6)]
    assert report.problems[0].message == f'custom_id "a" already stands on {source}:1'


def test_a_model_that_no_key_is_for_is_named_with_its_lines(source):
    report = checked(source, line("a"), line("b", "gemini-x"), line("c", "gemini-x"))

    (problem,) = report.problems
    assert report.exit_code == 78
    assert problem.where == f"{source}:2"
    assert "no key is for gemini-x, which 2 lines ask" in problem.message


def test_a_missing_key_does_not_keep_the_lines_from_being_looked_at(source):
    report = checked(source, "{bad", keys=(KeySetting(match="*", env="NOWHERE"),))

    assert report.exit_code == 78
    assert [one.code for one in report.problems] == ["settings", "invalid_json"]


def test_a_rehearsal_needs_no_key(source):
    report = checked(source, line("a", "gemini-x"), keys=(), run=RunSettings(mock=True))

    assert report.exit_code == 0


def test_problems_are_listed_up_to_a_bound_and_all_are_counted(source):
    report = checked(source, line("a"), *["{bad"] * 50, most=3)

    said = list(lines(report))
    assert len(report.problems) == 3
    assert "50 problems" in said
    assert said[-1] == "  and 47 more; in all 50 invalid_json"


def test_the_model_of_the_settings_counts_as_in_a_run(source):
    body = '{"messages":[{"role":"user","content":"x"}]}'

    assert checked(source, body).exit_code == 65
    report = checked(source, body, request=RequestSettings(model="gpt-x"))
    assert [one.model for one in report.groups.values()] == ["gpt-x"]


def test_a_template_that_a_row_lacks_a_field_for_is_a_problem_of_that_line(source):
    template = source.with_name("p.txt")
    template.write_text("Label: {{ text }}")
    request = RequestSettings(model="gpt-x", prompt=str(template))

    report = checked(source, '{"id":1,"text":"a"}', '{"id":2,"txt":"b"}', request=request)

    assert report.exit_code == 65
    assert [(one.where, one.code) for one in report.problems] == [(f"{source}:2", "template_error")]


def test_lines_whose_answer_cannot_be_a_label_are_problems_and_count_in_no_group(source):
    vector = '{"custom_id":"v","url":"/v1/embeddings","body":{"model":"gpt-e","input":"x"}}'
    label = LabelSettings(labels=("a", "b"))

    report = checked(source, line("a"), vector, label=label)

    assert report.exit_code == 65
    (problem,) = report.problems
    assert (problem.where, problem.code) == (f"{source}:2", "refused")
    assert "and so cannot be labeled" in problem.message
    assert [one.lines for one in report.groups.values()] == [1]


def test_the_schema_of_the_labels_is_counted_with_each_vote(source):
    (plain,) = checked(source, line("a")).groups.values()
    label = LabelSettings(labels=tuple(f"label number {n}" for n in range(50)), votes=3)

    (labeled,) = checked(source, line("a"), label=label).groups.values()

    schema = sum(len(one) for one in label.labels)
    assert labeled.bytes > 3 * (plain.bytes + schema)
    assert labeled.input_tokens > 3 * (plain.input_tokens + schema // 6)


def test_a_file_that_is_not_there_is_refused_as_in_a_run(tmp_path):
    settings = Settings(inputs=(str(tmp_path / "none.jsonl"),), output="o", keys=KEYS)

    with pytest.raises(NoInput):
        preflight(settings, ENVIRON)


def catalogue(*reports):
    order = (("gpt-*", "CHAT_KEY"), ("claude-*", "CLAUDE_KEY"))
    return Catalogue("https://g", order, reports)


def key_report(key, *models, failure=None):
    return KeyReport(key, "a place", tuple(Listed(one, None) for one in models), failure)


def test_online_a_model_that_its_key_may_not_call_is_a_problem_with_who_may(source):
    report = checked(source, line("a"), line("b", "claude-x"), line("c", "claude-x"))

    compare(
        report,
        catalogue(key_report("CHAT_KEY", "gpt-4o-mini", "claude-x"), key_report("CLAUDE_KEY")),
    )

    (problem,) = report.problems
    assert report.exit_code == 77
    assert problem.where == f"{source}:2"
    assert problem.message == (
        "key CLAUDE_KEY may not call claude-x; CHAT_KEY may: 2 lines would be refused"
    )


@pytest.mark.parametrize(
    ("failure", "code"), [(BadKey("no"), 77), (Unreachable("down"), Unavailable.exit_code)]
)
def test_online_a_key_that_gets_no_list_is_a_problem(source, failure, code):
    report = checked(source, line("a"))

    compare(report, catalogue(key_report("CHAT_KEY", failure=failure)))

    assert report.exit_code == code
    assert [one.code for one in report.problems] == ["key_refused"]


def test_online_all_that_is_allowed_is_no_problem(source):
    report = checked(source, line("a"))

    compare(report, catalogue(key_report("CHAT_KEY", "gpt-4o-mini")))

    assert report.exit_code == 0
