"""One line and what became of it, for whoever programs with it."""

from __future__ import annotations

import os
from typing import Any, Final

import orjson

from batch.results.record import Record, decode_record

_SHOWN: Final = 60  # characters of a text


class Result:
    """What became of one line: an answer, or the error that it ended with."""

    __slots__ = ("_files", "_record")

    def __init__(self, record: Record, folder: str) -> None:
        self._record = record
        self._files = os.path.join(folder, "files")

    @property
    def line(self) -> int:
        """The line's place in the inputs, from 1; blank lines count."""
        return self._record.x_run.line

    @property
    def custom_id(self) -> str:
        """The line's id; ``line-7`` for one that has none."""
        return self._record.custom_id

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return not self._record.failed

    @property
    def text(self) -> str | None:
        """What the answer says; None of an error, and of an answer that is no text."""
        return self._record.text

    @property
    def label(self) -> Any:
        """The label, or the object that fits the schema; None without labels."""
        return (self._record.x_run.label or {}).get("value")

    @property
    def confidence(self) -> float | None:
        """The share of the votes for the label, where several were cast."""
        return (self._record.x_run.label or {}).get("confidence")

    @property
    def finish(self) -> str | None:
        """Why the answer ends: stop, length, tool, filter ..., None of an error."""
        return self._record.x_run.finish or None

    @property
    def error(self) -> str | None:
        """The class of the error, such as refused; None of an answer."""
        return self._record.x_run.class_

    @property
    def message(self) -> str | None:
        """Why there is no answer, in words; None of an answer."""
        return self._record.message or None

    @property
    def model(self) -> str:
        """The model that was asked."""
        return self._record.x_run.model

    @property
    def usage(self) -> dict[str, int | float | str | None]:
        """What the answer used, as far as it was reported: input_tokens, output_tokens, ..."""
        return dict(self._record.x_run.usage or {})

    @property
    def attempts(self) -> int:
        """How many requests were sent for the line."""
        return self._record.x_run.attempts

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of the answer's pictures, sounds and films."""
        # Whoever had the records in his hands may have written another place into them.
        names = (os.path.basename(one.path) for one in self._record.x_run.files)
        return tuple(os.path.join(self._files, name) for name in names)

    @property
    def body(self) -> Any:
        """The body of the reply as it came, parsed; None if there is none."""
        return orjson.loads(self._record.body)

    def __repr__(self) -> str:
        said: dict[str, Any] = {"line": self.line, "custom_id": self.custom_id}
        if not self.ok:
            said |= {"error": self.error, "message": self.message}
        elif self.label is not None:
            said["label"] = self.label
        else:
            said["text"] = self.text
        return f"Result({', '.join(f'{name}={_short(value)}' for name, value in said.items())})"


def result_of(record: bytes, folder: str) -> Result:
    """Return a record of a run, whose folder is named, as a result. Raises BadData."""
    return Result(decode_record(record), folder)


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…{shown[-1]}"
