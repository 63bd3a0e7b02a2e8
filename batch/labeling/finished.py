"""The labels of a run, read from its files; it may be running.

Files are read here line by line: of a large run only what people have labeled is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec
import orjson

from batch.errors import BadData, NoInput
from batch.ledger.entries import decode_entry
from batch.ledger.paths import Paths

# "label": it has one. "abstained": a tie. "invalid": no answer fitted. "failed": any other error.
Fate: TypeAlias = Literal["label", "abstained", "invalid", "failed"]
INVALID: Final = "label_invalid"


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
    field: str | None  # of a schema: what is compared
    lines: Mapping[str, Labeled]


class _Told(msgspec.Struct):
    """What of ``x_run`` is read."""

    line: int
    label: dict[str, Any] | None = None
    class_: str | None = msgspec.field(default=None, name="class")
    message: str = ""


class _Record(msgspec.Struct):
    x_run: _Told
    custom_id: str
    error: dict[str, Any] | None = None


_decode: Final = msgspec.json.Decoder(_Record).decode


def read_finished(paths: Paths, wanted: Collection[str], field: str | None) -> Finished:
    """Read a run's labels of these ids. Raises ``NoInput``, or ``BadData`` if it has no labels."""
    identity = _identity(paths)
    if identity.get("script") != "label":
        raise BadData(
            f"{paths.results}: this run labeled nothing. Labels come of wbatch run --labels a,b, "
            "or of --label-schema FILE"
        )
    labels = tuple(orjson.loads(identity["labels"])) if "labels" in identity else ()
    # Of labels from a list the value is the label itself, whatever field it came in.
    field = None if labels else field or identity.get("label_field")
    lines: dict[str, Labeled] = {}
    for record in _records(paths.errors):
        if record.custom_id in wanted:
            fate: Fate = "invalid" if record.x_run.class_ == INVALID else "failed"
            said = str((record.error or {}).get("message") or record.x_run.message)
            lines[record.custom_id] = Labeled(record.x_run.line, fate, said=said)
    for record in _records(paths.results):
        if record.custom_id in wanted and record.x_run.label is not None:
            lines[record.custom_id] = _labeled(record.x_run.line, record.x_run.label, field)
    return Finished(labels, field, lines)


def _labeled(line: int, told: Mapping[str, Any], field: str | None) -> Labeled:
    value = told.get("value")
    if value is None:
        return Labeled(line, "abstained")
    said = value if isinstance(value, str) else orjson.dumps(value).decode()
    label = value.get(field) if field and isinstance(value, dict) else value
    text = label if isinstance(label, str) else orjson.dumps(label).decode()
    return Labeled(line, "label", text, told.get("confidence"), said)


def _header(paths: Paths) -> Mapping[str, Any]:
    try:
        with open(paths.journal, "rb") as file:
            entry = decode_entry(file.readline())
    except (OSError, ValueError):
        raise NoInput(
            f"{paths.results}: no run was begun there ({paths.journal} is missing). Name the file "
            "that was given as --output."
        ) from None
    return entry.run or {}


def _identity(paths: Paths) -> Mapping[str, Any]:
    """Return the settings under which the run stands: those that it was last given."""
    identity: Mapping[str, Any] = _header(paths).get("identity", {})
    with open(paths.journal, "rb") as file:
        for line in file:
            if line.startswith(b'{"kind":"settings"') and line.endswith(b"\n"):
                identity = (decode_entry(line).run or {}).get("identity", identity)
    return identity


def _records(path: str) -> Iterator[_Record]:
    """Yield the whole records of a log; the tail may be torn, and the log may not be there yet."""
    try:
        with open(path, "rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield _decode(line)
    except FileNotFoundError:
        return
    except ValueError as error:
        raise BadData(f"{path}: not a record of ours: {error}") from None
