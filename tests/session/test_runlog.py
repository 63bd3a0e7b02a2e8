"""The log of a run, with clock and file handed in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from batch.errors import Throttled
from batch.files import OsFiles
from batch.session.event import Event, asked_again, started
from batch.session.runlog import Form, RunLog, Watches, into_file
from batch.session.summary import Outcome
from tests.session.test_progress import EPOCH, slowed, snapshot

SUMMARY: dict[str, Any] = {
    "id": "r1",
    "request_counts": {"total": 20, "completed": 17, "failed": 2},
    "x_run": {
        "reasons": {"3": "2 lines failed"},
        "pending": 1,
        "failed_by_class": {"refused": 2},
        "retries": 4,
        "seconds": 12.5,
        "output": "/data/out.jsonl",
    },
}


class Sheet:
    """Keeps what is written, or fails to."""

    def __init__(self, failure: OSError | None = None) -> None:
        self.data = b""
        self.tries = 0
        self._failure = failure

    def __call__(self, data: bytes) -> None:
        self.tries += 1
        if self._failure:
            raise self._failure
        self.data += data

    @property
    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.data.splitlines()]


def log(sheet: Sheet, form: Form = "json", quiet: bool = False) -> RunLog:
    return RunLog(sheet, form, lambda: EPOCH, quiet=quiet)


def test_an_event_is_an_object_a_line_and_knows_its_run() -> None:
    sheet = Sheet()
    kept = log(sheet)

    kept.note(started("r1", 20, 3))
    kept.note(asked_again(7, 1, Throttled("HTTP 429: slow down", status=429), 1.5))
    kept.ended(Outcome(3, SUMMARY, ("done",)))

    ts = "2026-11-22T02:10:00.000Z"
    assert sheet.events == [
        {
            "ts": ts,
            "level": "info",
            "event": "run_started",
            "run_id": "r1",
            "total": 20,
            "done": 3,
        },
        {
            "ts": ts,
            "level": "warning",
            "event": "retry",
            "run_id": "r1",
            "line": 7,
            "attempt": 1,
            "code": "rate_limited",
            "status": 429,
            "wait_s": 1.5,
            "message": "line 7: HTTP 429: slow down. It is asked again in 1.5 s",
        },
        {
            "ts": ts,
            "level": "error",
            "event": "run_ended",
            "run_id": "r1",
            "exit_code": 3,
            "total": 20,
            "ok": 17,
            "failed": 2,
            "pending": 1,
            "failed_by_class": {"refused": 2},
            "retries": 4,
            "seconds": 12.5,
            "output": "/data/out.jsonl",
            "message": "2 lines failed",
        },
    ]


def test_a_log_of_text_says_the_same_in_lines() -> None:
    sheet = Sheet()
    kept = log(sheet, "text")

    kept.note(started("r1", 20, 3))
    kept.say("a torn tail was cut")
    kept.refused("in.jsonl: no such file", 66)

    assert sheet.data.decode().splitlines() == [
        "2026-11-22T02:10:00.000Z info run_started run_id=r1 total=20 done=3",
        "2026-11-22T02:10:00.000Z info said run_id=r1: a torn tail was cut",
        "2026-11-22T02:10:00.000Z error refused run_id=r1 exit_code=66: in.jsonl: no such file",
    ]


def test_where_a_run_stands_is_written_once_a_minute() -> None:
    sheet = Sheet()
    kept = log(sheet)
    kept.begin(12_000, 0)

    for quarter in range(4 * 190):
        kept.tick(snapshot(done=quarter, seconds=quarter / 4, bottleneck=slowed()))

    assert [one["done"] for one in sheet.events] == [240, 480, 720]
    assert {one["event"] for one in sheet.events} == {"progress"}
    assert sheet.events[0]["slowed_by"] == "yours"


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_in_a_log_is_obeyed_by_a_terminal_or_forges_a_line(form: Form) -> None:
    sheet = Sheet()
    kept = log(sheet, form)

    kept.say("bad\r\x1b[2J\x9bname\n2026 forged line\u202e\ud800")
    kept.note(Event("x", facts={"a\n": {"b\x1b": "c\x07"}, "d": "e\x9b\nf"}))

    text = sheet.data.decode()
    assert text.count("\n") == 2
    assert all(char.isprintable() for char in text.replace("\n", ""))


def test_a_log_that_wants_quiet_has_errors_alone() -> None:
    sheet = Sheet()
    kept = log(sheet, quiet=True)

    kept.say("a note")
    kept.ended(Outcome(0, SUMMARY, ()))
    kept.refused("no such file", 66)

    assert [one["event"] for one in sheet.events] == ["refused"]


def test_a_log_that_cannot_be_written_ends_the_logging_and_not_the_run() -> None:
    sheet = Sheet(OSError(28, "No space left on device"))
    kept = log(sheet)

    kept.say("first")
    kept.say("second")

    assert sheet.tries == 1


def test_all_who_watch_a_run_are_told_everything() -> None:
    sheets = Sheet(), Sheet()
    both = Watches(*map(log, sheets))

    both.begin(1, 0)
    both.say("a note")
    both.note(started("r1", 1, 0))
    both.tick(snapshot(seconds=60.0))
    both.end()

    assert sheets[0].data == sheets[1].data
    assert [one["event"] for one in sheets[0].events] == ["said", "run_started", "progress"]


def test_a_log_goes_on_at_the_end_of_its_file_which_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for word in (b"first\n", b"second\n"):
        write, close = into_file(OsFiles(), str(path))
        write(word)
        close()

    assert path.read_bytes() == b"first\nsecond\n"
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_half_a_line_of_an_earlier_run_spoils_no_line_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"event":"said"}\n{"event":"sa')

    write, close = into_file(OsFiles(), str(path))
    write(b'{"event":"run_started"}\n')
    close()

    assert path.read_bytes().splitlines()[-1] == b'{"event":"run_started"}'
