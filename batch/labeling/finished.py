"""The labels of a run, as its records tell; of a large one only those that people gave too."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, Protocol, TypeAlias

import msgspec
import orjson

from batch.errors import BadData
from batch.labeling.script import INVALID
from batch.results.record import decode_record
from batch.wording import spelled

# "label": it has one. "abstained": a tie. "invalid": no answer fitted. "failed": any other error.
Fate: TypeAlias = Literal["label", "abstained", "invalid", "failed"]


class Labeled(msgspec.Struct, frozen=True):
    """What a run says of one line."""

    line: int
    fate: Fate
    label: str = ""
    confidence: float | None = None  # None: one vote
    said: str = ""  # what is known beside the label: the whole object, or the error


class Finished(msgspec.Struct, frozen=True):
    """A run's labels by custom_id."""

    labels: tuple[str, ...]  # in the order of the settings; none of a schema
    lines: Mapping[str, Labeled]


class Told(Protocol):
    """A run that is read: its identity, and the last record of each line."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """The settings under which it stands."""
        ...

    def results(self) -> Iterable[bytes]:
        """Return its results."""
        ...

    def errors(self) -> Iterable[bytes]:
        """Return the errors of lines that have no result."""
        ...


def read_finished(run: Told, wanted: Collection[str], field: str | None) -> Finished:
    """Return a run's labels of these ids. Raises ``BadData`` if it has no labels."""
    identity = run.identity
    if identity.get("script") != "label":
        raise BadData(
            "this run labeled nothing. Labels come of wbatch run --labels a,b, or of "
            "--label-schema FILE"
        )
    labels = tuple(orjson.loads(identity["labels"])) if "labels" in identity else ()
    # Of labels from a list the value is the label itself, whatever field it came in.
    field = None if labels else field or identity.get("label_field")
    lines: dict[str, Labeled] = {}
    for record in map(decode_record, run.errors()):
        if record.custom_id in wanted:
            fate: Fate = "invalid" if record.x_run.class_ == INVALID else "failed"
            lines[record.custom_id] = Labeled(record.x_run.line, fate, said=record.message)
    for record in map(decode_record, run.results()):
        if record.custom_id in wanted and record.x_run.label is not None:
            lines[record.custom_id] = _labeled(record.x_run.line, record.x_run.label, field)
    return Finished(labels, lines)


def _labeled(line: int, told: Mapping[str, Any], field: str | None) -> Labeled:
    value = told.get("value")
    if value is None:
        return Labeled(line, "abstained")
    label = value.get(field) if field and isinstance(value, dict) else value
    return Labeled(line, "label", spelled(label), told.get("confidence"), spelled(value))
