"""The log of a run for programs and for later: an event a line, as JSON or as text.

A log that cannot be written any more ends the logging, never the run. What stands in it are our own
words and those of the gateway about a failure, without a key, and never a prompt or an answer.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
import orjson

from batch.files import Files, write_all
from batch.session.event import Event, Level
from batch.session.snapshot import Snapshot, visible
from batch.session.summary import Outcome

if TYPE_CHECKING:  # it loads an event loop
    from batch.session.ending import Watch

Form: TypeAlias = Literal["text", "json"]
PROGRESS_SECONDS: Final = 60.0
# Of a state, what a line about progress has.
_STATE: Final = (
    *("total", "done", "ok", "failed"),
    *("pending_blocked", "retries", "in_flight", "tasks"),
)


class RunLog:
    """Watches a run, and writes an event a line. ``clock`` gives seconds since the epoch.

    ``quiet`` leaves out all but errors.
    """

    def __init__(
        self,
        write: Callable[[bytes], object],
        form: Form,
        clock: Callable[[], float],
        *,
        quiet: bool = False,
    ) -> None:
        self._write = write
        self._form = form
        self._clock = clock
        self._quiet = quiet
        self._deaf = False
        self._run_id: str | None = None
        self._due = PROGRESS_SECONDS

    def begin(self, total: int, done: int) -> None:
        """Expect a run from its beginning."""
        self._due = PROGRESS_SECONDS

    def tick(self, now: Snapshot) -> None:
        """Write where the run stands, once a minute."""
        if now.seconds >= self._due:
            self._due = (now.seconds // PROGRESS_SECONDS + 1) * PROGRESS_SECONDS
            self.note(Event("progress", facts=_state(now)))

    def say(self, message: str) -> None:
        """Write what people are told."""
        self.note(Event("said", message))

    def note(self, event: Event) -> None:
        """Write an event."""
        if event.run_id is not None:
            self._run_id = event.run_id
        if self._deaf or (self._quiet and event.level != "error"):
            return
        fields = _fields(event, self._run_id, self._clock())
        line = orjson.dumps(fields) if self._form == "json" else _text(fields).encode()
        try:
            self._write(line + b"\n")
        except OSError:
            self._deaf = True

    def end(self) -> None:
        """Do nothing: what a run came to is known later."""

    def ended(self, outcome: Outcome) -> None:
        """Write what a run came to."""
        code, own = outcome.exit_code, outcome.summary.get("x_run") or {}
        counts = outcome.summary.get("request_counts") or {}
        facts = {
            "exit_code": code,
            "total": counts.get("total"),
            "ok": counts.get("completed"),
            "failed": counts.get("failed"),
            "pending": own.get("pending"),
            "failed_by_class": own.get("failed_by_class"),
            "retries": own.get("retries"),
            "seconds": own.get("seconds"),
            "output": own.get("output"),
        }
        why = "; ".join((own.get("reasons") or {}).values())
        level: Level = "error" if code else "info"
        self.note(Event("run_ended", why, level, run_id=outcome.summary.get("id"), facts=facts))
        self._run_id = None

    def refused(self, message: str, exit_code: int | None) -> None:
        """Write what kept a run from beginning, or from going on."""
        self.note(Event("refused", message, "error", facts={"exit_code": exit_code}))


class Watches:
    """Several who watch the same run."""

    def __init__(self, *watches: Watch) -> None:
        self._watches = watches

    def begin(self, total: int, done: int) -> None:
        """Tell all."""
        self._each(lambda one: one.begin(total, done))

    def tick(self, now: Snapshot) -> None:
        """Tell all."""
        self._each(lambda one: one.tick(now))

    def say(self, message: str) -> None:
        """Tell all."""
        self._each(lambda one: one.say(message))

    def note(self, event: Event) -> None:
        """Tell all."""
        self._each(lambda one: one.note(event))

    def end(self) -> None:
        """Tell all."""
        self._each(lambda one: one.end())

    def _each(self, tell: Callable[[Watch], None]) -> None:
        for one in self._watches:
            tell(one)


def into_file(files: Files, path: str) -> tuple[Callable[[bytes], object], Callable[[], None]]:
    """Open a log at its end, made if missing; return how to write to it, and how to close it.

    A line is written in one piece, so that several runs may share a file. Raises ``OSError``.
    """
    fd = files.append(path)
    with contextlib.suppress(OSError):  # of a file that may not be read, or of a full disk
        size = files.length(path)
        if size and not b"".join(files.read(path, size - 1)).endswith(b"\n"):
            write_all(files, fd, b"\n")  # after half a line, which a full disk left
    return lambda data: write_all(files, fd, data), lambda: files.close(fd)


def _state(now: Snapshot) -> dict[str, Any]:
    told: dict[str, Any] = {name: getattr(now, name) for name in _STATE}
    for name in ("seconds", "rate", "seconds_left"):
        value = getattr(now, name)
        told[name] = None if value is None or not math.isfinite(value) else round(value, 1)
    told["waiting_for"] = now.waiting_for
    told["slowed_by"] = now.bottleneck.kind if now.bottleneck else None
    return told


def _fields(event: Event, run_id: str | None, at: float) -> dict[str, Any]:
    """Return an event as it is written, with nothing in it that a terminal would obey."""
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    told: dict[str, Any] = {
        "ts": stamp.replace("+00:00", "Z"),
        "level": event.level,
        "event": event.event,
        "run_id": run_id,
    }
    told |= {visible(name): _plain(value) for name, value in _own(event)}
    told["message"] = visible(event.message) or None
    return {name: value for name, value in told.items() if value is not None}


def _own(event: Event) -> Iterable[tuple[str, Any]]:
    for name in ("line", "attempt", "code", "status", "wait_s"):
        yield name, getattr(event, name)
    yield from event.facts.items()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(name)): _plain(inner) for name, inner in value.items()}
    return msgspec.to_builtins(value)


def _text(fields: Mapping[str, Any]) -> str:
    """Return an event as a line for people: when, how grave, what, the fields, the message."""
    lead = [fields["ts"], fields["level"], fields["event"]]
    named = [
        f"{name}={value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for name, value in fields.items()
        if name not in ("ts", "level", "event", "message")
    ]
    message = fields.get("message")
    return " ".join((*lead, *named)) + (f": {message}" if message else "")
