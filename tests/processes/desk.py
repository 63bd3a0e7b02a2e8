"""A run's folder as one session left it, to be tampered with before or while the next one works.

Lines 1 to 20 of 30 have ended: line 10 asks nothing and is an error, line 20 is a picture, whose
submit stands in the journal, the others are chats. Two more runs were made, one of the same lines
by another model, and one of eight of them: an older copy of the first.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from batch import checkpoint
from batch.files import OsFiles
from batch.ledger.paths import Paths, paths_of
from batch.ledger.recover import positions, recover
from tests.processes.child import run_in_child
from tests.proofs.processes import Gateway, lines_of, settled

LINES: Final = 30
ENDED: Final = 20  # lines that the earlier session was to ask
OLDER: Final = 8  # those that had ended when the copy was made
MUTE: Final = 10  # asks nothing: an error without a request
PICTURE: Final = 20
ANSWERS: Final = ENDED - 1
MODEL: Final = "gpt-4o-mini"

Snapshot = Mapping[str, bytes]


def line_of(number: int, words: str = "") -> bytes:
    """Return a line of the input as it is written."""
    url, body = "/v1/chat/completions", _chat(number, words)
    if number == PICTURE:
        url = "/v1/images/generations"
        body = {"model": "gpt-image-1", "prompt": f"Picture {number}{words}"}
    line = {"custom_id": f"row-{number}", "method": "POST", "url": url, "body": body}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _chat(number: int, words: str) -> dict[str, Any]:
    if number == MUTE and not words:
        return {}
    return {"model": MODEL, "messages": [{"role": "user", "content": f"Line {number}{words}"}]}


def write_input(path: Path, lines: int = LINES) -> None:
    """Write the input."""
    path.write_bytes(b"".join(line_of(number) for number in range(1, lines + 1)))


class Desk:
    """A folder with ``in.jsonl`` and the run whose results are ``out.jsonl``."""

    def __init__(self, folder: Path, mock: Gateway) -> None:
        self.folder = folder
        self.mock = mock
        self.input = folder / "in.jsonl"
        self.results = folder / "out.jsonl"
        self.run_folder = folder / "out.run"
        self.errors = self.run_folder / "errors.jsonl"
        self.journal = self.run_folder / "journal.jsonl"
        self.cache = self.run_folder / "cache"
        self.checkpoint = self.cache / "checkpoint"
        self.logs = (self.journal, self.results, self.errors)

    @property
    def paths(self) -> Paths:
        """The same files as the ledger names them."""
        return paths_of(str(self.results))

    def command(self, *flags: object) -> tuple[object, ...]:
        """Return the command that makes the run, or carries on."""
        return ("run", "in.jsonl", "-o", "out.jsonl", *self.at, *flags)

    @property
    def at(self) -> tuple[object, ...]:
        """Return the flags that say where the gateway is, and its settings."""
        return (*settled(self.folder), "--base-url", self.mock.url)

    def run(self, *flags: object) -> tuple[int, str, int]:
        """Run the command to its end; return its code, its words, and how many requests it sent."""
        before = self.mock.counts()["arrived"]
        code, said = run_in_child(self.folder, *self.command(*flags))
        return code, said, self.mock.counts()["arrived"] - before

    def snapshot(self) -> Snapshot:
        """Return what is in every file but the lock, which says who held it last."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.name != "lock" and path.stat().st_size < 1 << 30
        }

    def recorded(self) -> dict[int, str]:
        """Return the lines that have their record, and how each ended; each must have one."""
        ended: dict[int, str] = {}
        for path, how in ((self.results, "answer"), (self.errors, "error")):
            for record in lines_of(path):
                line = record["x_run"]["line"]
                assert line not in ended, f"line {line} has two records"
                ended[line] = how if how == "answer" else record["x_run"]["class"]
        return ended

    def save_checkpoint(self) -> None:
        """Leave a checkpoint of the logs as they are now, as a session does at its end."""
        found = recover(OsFiles(), self.paths)
        assert found is not None
        sizes = (end.size for end in found.ends)
        journal, results, errors = sizes
        where = positions(OsFiles(), self.paths, (journal, results, errors))
        data = checkpoint.encode(found.run_id, found.history, where)
        checkpoint.save(OsFiles(), self.paths.checkpoint, data)

    def copied(self, to: Path) -> Desk:
        """Return a copy in another folder: as the session would have left it there."""
        shutil.copytree(self.folder, to)
        desk = Desk(to, self.mock)
        desk.save_checkpoint()
        return desk


def left_by_a_session(folder: Path, mock: Gateway, lines: int = ENDED, *flags: object) -> Desk:
    """Return a desk after a session that was to ask the first lines only."""
    folder.mkdir()
    desk = Desk(folder, mock)
    write_input(desk.input)
    code, said, _ = desk.run("--head", lines, *flags)
    assert code == (3 if lines >= MUTE else 0), said
    return desk
