"""What is written for collectors is read by Prometheus' own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from batch.notices.ended import Ended
from batch.notices.prometheus import METRICS, page

RUN = {
    "request_counts": {"total": 20, "completed": 17, "failed": 2},
    "x_run": {"pending": 1, "usage": {"input_tokens": 900, "output_tokens": 41}},
}


def test_prometheus_reads_every_number_of_every_job() -> None:
    odd = 'a "job" of \\ and {braces}, 夜'
    first = Ended(odd, 0, "", 1_795_313_400.25, 12.5, (), (RUN,))
    then = Ended("other", 66, "an input is missing", 1_795_313_460.0, 0.1, ())

    text = page(page("", first), then)

    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert set(families) == set(METRICS)
    assert all(one.type == "gauge" and one.documentation for one in families.values())
    samples = {
        (one.name, *sorted(one.labels.items())): (one.value, one.timestamp)
        for family in families.values()
        for one in family.samples
    }
    assert samples["wbatch_last_success_timestamp_seconds", ("job", odd)] == (
        1_795_313_400.25,
        None,
    )
    assert samples["wbatch_lines", ("job", odd), ("result", "failed")] == (2.0, None)
    assert samples["wbatch_tokens", ("job", odd), ("type", "input")] == (900.0, None)
    assert samples["wbatch_last_exit_code", ("job", "other")] == (66.0, None)
    assert ("wbatch_last_success_timestamp_seconds", ("job", "other")) not in samples
