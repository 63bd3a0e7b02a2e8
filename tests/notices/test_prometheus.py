"""The file of metrics: what it says, and what it keeps."""

from __future__ import annotations

import pytest

from batch.notices.prometheus import METRICS, Foreign, page
from tests.notices.ends import AT, ended

FAILED_AT = AT + 86_400


def samples(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_a_file_says_when_how_and_how_much_with_a_word_on_each_metric() -> None:
    text = page("", ended())

    assert samples(text) == [
        'wbatch_last_run_timestamp_seconds{job="triage"} 1795313400.25',
        'wbatch_last_success_timestamp_seconds{job="triage"} 1795313400.25',
        'wbatch_last_exit_code{job="triage"} 0',
        'wbatch_duration_seconds{job="triage"} 12.5',
        'wbatch_lines{job="triage",result="ok"} 17',
        'wbatch_lines{job="triage",result="failed"} 2',
        'wbatch_lines{job="triage",result="pending"} 1',
        'wbatch_tokens{job="triage",type="input"} 900',
        'wbatch_tokens{job="triage",type="output"} 41',
    ]
    for name in METRICS:
        assert text.count(f"# HELP {name} ") == text.count(f"# TYPE {name} gauge\n") == 1
        assert text.index(f"# TYPE {name} ") < text.index(f"\n{name}{{")


def test_the_last_success_outlives_failures() -> None:
    good = page("", ended())
    once = page(good, ended(66, at=FAILED_AT, runs=()))
    twice = page(once, ended(66, at=FAILED_AT + 86_400, runs=()))

    assert samples(twice) == [
        'wbatch_last_run_timestamp_seconds{job="triage"} 1795486200.25',
        'wbatch_last_success_timestamp_seconds{job="triage"} 1795313400.25',
        'wbatch_last_exit_code{job="triage"} 66',
        'wbatch_duration_seconds{job="triage"} 12.5',
    ]


def test_a_job_that_never_went_well_has_no_last_success() -> None:
    assert "wbatch_last_success" not in page("", ended(3))


def test_jobs_share_a_file_and_none_takes_anothers_numbers() -> None:
    first = page("", ended(job="a"))
    other = page(first, ended(3, job="ab", at=FAILED_AT))
    again = page(other, ended(3, job="a", at=FAILED_AT))

    assert [line for line in samples(again) if 'job="ab"' in line] == samples(
        page("", ended(3, job="ab", at=FAILED_AT))
    )
    assert [line for line in samples(again) if 'job="a"' in line and "_success_" in line] == [
        'wbatch_last_success_timestamp_seconds{job="a"} 1795313400.25'
    ]
    assert again.count("# TYPE wbatch_lines gauge") == 1


def test_a_jobs_name_may_hold_anything() -> None:
    job = 'a "b" \\ {c}\nd'

    text = page(page("", ended(job=job)), ended(3, job=job))

    assert 'wbatch_last_exit_code{job="a \\"b\\" \\\\ {c}\\\\nd"} 3' in samples(text)
    assert len(samples(text)) == len(samples(page("", ended())))


@pytest.mark.parametrize("before", ["node_load1 0.3\n", '{"custom_id": "a"}\n', "\x00\x01"])
def test_a_file_of_somebody_else_is_left_alone(before: str) -> None:
    with pytest.raises(Foreign):
        page(before, ended())
