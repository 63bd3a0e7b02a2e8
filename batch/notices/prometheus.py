"""A file of metrics as Prometheus' collectors read them: one job's numbers beside those of others.

The format is Prometheus' text exposition format. Samples carry no time: the collector refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from batch.notices.ended import Ended
from batch.wording import shown

_SUCCESS: Final = "wbatch_last_success_timestamp_seconds"
# In the order in which they are written → what each says.
METRICS: Final[Mapping[str, str]] = {
    "wbatch_last_run_timestamp_seconds": "When the job ended last, Unix time.",
    _SUCCESS: "When it last ended with exit code 0, Unix time.",
    "wbatch_last_exit_code": "What it ended with; 0: every line has an answer.",
    "wbatch_duration_seconds": "How long it took.",
    "wbatch_lines": "Lines of its inputs, by what became of them.",
    "wbatch_tokens": "Tokens used; input_cached is part of input, output_reasoning of output.",
}
_SAMPLE: Final = re.compile(r"(?P<name>wbatch_[a-z_]+)(?P<labels>\{job=\".*\}) (?P<value>\S+)")
_LONGEST: Final = 200  # characters of a job's name


class Foreign(ValueError):
    """A file holds what this job did not write."""


def page(before: str, ended: Ended) -> str:
    """Return the file's new text. ``before`` is what it said: of other jobs that is kept.

    Raises ``Foreign`` if it is no file of ours.
    """
    mine = f'{{job="{escaped(shown(ended.job, _LONGEST))}"'
    kept = list(_samples(before))
    now = {name: _of(kept, name, mine, own=False) for name in METRICS}
    for name, labels, value in _numbers(ended):
        more = "".join(f',{label}="{escaped(said)}"' for label, said in labels.items())
        now[name].append(f"{name}{mine}{more}}} {value}")
    if ended.failed:
        now[_SUCCESS] += _of(kept, _SUCCESS, mine, own=True)
    written: list[str] = []
    for name, lines in now.items():
        if lines:
            written += (f"# HELP {name} {METRICS[name]}", f"# TYPE {name} gauge", *lines)
    return "\n".join((*written, ""))


def escaped(text: str) -> str:
    """Return a text as the value of a label."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _numbers(ended: Ended) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield what is known of this time: name, labels beside the job, value."""
    at = round(ended.at, 3)
    yield "wbatch_last_run_timestamp_seconds", {}, at
    if not ended.failed:
        yield _SUCCESS, {}, at
    yield "wbatch_last_exit_code", {}, ended.exit_code
    yield "wbatch_duration_seconds", {}, round(ended.seconds, 3)
    for result, count in ended.counts().items():
        yield "wbatch_lines", {"result": result}, count
    for kind, count in ended.tokens().items():
        yield "wbatch_tokens", {"type": kind}, count


def _samples(before: str) -> Iterator[re.Match[str]]:
    for line in before.split("\n"):
        sample = _SAMPLE.fullmatch(line)
        if sample is not None:
            yield sample
        elif line.strip() and not line.startswith(("# HELP wbatch_", "# TYPE wbatch_")):
            raise Foreign("it holds something else, and was left as it is")


def _of(kept: list[re.Match[str]], name: str, mine: str, *, own: bool) -> list[str]:
    """Return the samples of a metric: this job's, or those of all others."""
    return [
        sample[0]
        for sample in kept
        if sample["name"] == name and sample["labels"].startswith((f"{mine},", f"{mine}}}")) is own
    ]
