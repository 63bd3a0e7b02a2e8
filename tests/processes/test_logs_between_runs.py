"""What somebody may do to the files of a run between two sessions, a row each.

Either the same command completes the run, each line once, and says what was lost; or it refuses,
says what is wrong, where, how much is there and what to do, sends nothing and writes nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pytest

from batch.checkpoint import CHECKSUM, VERSION
from tests.processes.desk import (
    ANSWERS,
    ENDED,
    LINES,
    OLDER,
    PICTURE,
    Desk,
    left_by_a_session,
)
from tests.proofs.processes import gateway

PENDING: Final = LINES - ENDED
CUT: Final = 3  # answers that are cut off in some rows
HUGE: Final = 1 << 40  # bytes of a file that has none on the disk
TORN: Final = "cut a torn tail of"
RESTORE: Final = (
    r"Nothing was changed\. Restore the file from a backup, or start over with --new-run"
)


class Desks(NamedTuple):
    """The run that is tampered with, and the runs that it may get files of."""

    here: Desk
    another: Desk
    older: Desk


Tamper = Callable[[Desks], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desks]:
    """The runs as their sessions left them."""
    folder = tmp_path_factory.mktemp("runs")
    with gateway(folder, ledger=False) as mock:
        here = left_by_a_session(folder / "here", mock, OLDER)
        older = here.copied(folder / "older")
        code, said, _ = here.run("--head", ENDED)
        assert code == 3, said
        flags = ("--override-model", "gpt-4o")
        yield Desks(here, left_by_a_session(folder / "another", mock, ENDED, *flags), older)


@pytest.fixture
def desks(made: Desks, tmp_path: Path) -> Desks:
    """The same, for this test alone."""
    return made._replace(here=made.here.copied(tmp_path / "here"))


def delete(*names: str) -> Tamper:
    """Delete files or folders of the run."""

    def tamper(desks: Desks) -> None:
        for name in names:
            path = desks.here.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return tamper


def put(name: str, data: bytes) -> Tamper:
    """Have a file hold these bytes."""
    return lambda desks: (desks.here.folder / name).write_bytes(data)


def changed(name: str, change: Callable[[list[bytes]], list[bytes]]) -> Tamper:
    """Change the lines of a file, which stays the same file."""

    def tamper(desks: Desks) -> None:
        path = desks.here.folder / name
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return tamper


def taken_from(which: str, *names: str) -> Tamper:
    """Put files of another run, or older ones, in the place of this run's."""

    def tamper(desks: Desks) -> None:
        source: Desk = getattr(desks, which)
        for name in names:
            # As ``cp`` does it, into the file that is there.
            data = (source.folder / name).read_bytes()
            (desks.here.folder / name).write_bytes(data)

    return tamper


def both(*tampers: Tamper) -> Tamper:
    """Do one thing after the other."""
    return lambda desks: [tamper(desks) for tamper in tampers]


def joined_from(which: str, name: str) -> Tamper:
    """Append another run's log to this one's."""

    def tamper(desks: Desks) -> None:
        source: Desk = getattr(desks, which)
        with (desks.here.folder / name).open("ab") as file:
            file.write((source.folder / name).read_bytes())

    return tamper


def packed(desks: Desks) -> None:
    """Pack the results, as nightly jobs of others do with old files."""
    here = desks.here.results
    here.with_suffix(".jsonl.gz").write_bytes(gzip.compress(here.read_bytes()))
    here.unlink()


def huge(name: str) -> Tamper:
    """Give a file a length that no memory has, without a byte on the disk."""

    def tamper(desks: Desks) -> None:
        (desks.here.folder / name).touch()
        os.truncate(desks.here.folder / name, HUGE)

    return tamper


def of_a_later_version(desks: Desks) -> None:
    """Leave a checkpoint that a later version might write, whole and with its checksum."""
    path = desks.here.checkpoint
    body = msgspec.msgpack.decode(path.read_bytes()[CHECKSUM:]) | {"version": VERSION + 1}
    data = msgspec.msgpack.encode(body)
    path.write_bytes(hashlib.blake2b(data, digest_size=CHECKSUM).digest() + data)


def without(at: int) -> Callable[[list[bytes]], list[bytes]]:
    """Leave a line out."""
    return lambda lines: [*lines[:at], *lines[at + 1 :]]


def edited(at: int, old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Change some bytes of a line."""

    def change(lines: list[bytes]) -> list[bytes]:
        assert old in lines[at]
        return [*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]]

    return change


R, E, J = "out.jsonl", "out.run/errors.jsonl", "out.run/journal.jsonl"
CHECKPOINT, CACHE = "out.run/cache/checkpoint", "out.run/cache"
MANIFEST, LIVE, USAGE = "out.run/run.json", "out.run/status.json", "out.run/usage.jsonl"
ALL_LOST: Final = rf"out\.jsonl is shorter than it was: {ANSWERS} answers are lost"
SOME_LOST: Final = rf"out\.jsonl is shorter than it was: {CUT} answers are lost"
ONE_LOST: Final = r"out\.jsonl is shorter than it was: 1 answer is lost"
JOURNAL_CUT: Final = r"journal\.jsonl is shorter than it was: what it said of paid attempts"
# A picture is never asked for twice: its submit stands in the journal.
AGAIN: Final = ANSWERS - 1

# What was done, how many requests complete the run, and what is said; None: not a word.
RESUMED: Final[dict[str, tuple[Tamper, int, str | None]]] = {
    "nothing": (lambda _: None, PENDING, None),
    "results deleted": (delete(R), PENDING + AGAIN, ALL_LOST),
    "results and checkpoint deleted": (delete(R, CACHE), PENDING + AGAIN, ALL_LOST),
    "results and all that counts them deleted": (
        delete(R, CACHE, MANIFEST, USAGE),
        PENDING + AGAIN,
        r"out\.jsonl is missing: the answers that it held",
    ),
    "results packed": (packed, PENDING + AGAIN, ALL_LOST),
    "results emptied": (put(R, b""), PENDING + AGAIN, ALL_LOST),
    "the last results cut off": (
        changed(R, lambda lines: lines[:-CUT]),
        PENDING + CUT - 1,
        SOME_LOST,
    ),
    "the last results cut off, checkpoint deleted": (
        both(changed(R, lambda lines: lines[:-CUT]), delete(CACHE)),
        PENDING + CUT - 1,
        SOME_LOST,
    ),
    "results cut within a line": (
        changed(R, lambda lines: [*lines[:-2], lines[-2][:99]]),
        PENDING + 1,
        rf"{TORN} 99 bytes[\s\S]*out\.jsonl is shorter than it was: 2 answers are lost",
    ),
    "the first results cut off": (
        changed(R, lambda lines: lines[CUT:]),
        PENDING + CUT,
        SOME_LOST,
    ),
    "a result deleted": (changed(R, without(4)), PENDING + 1, ONE_LOST),
    "a result deleted, checkpoint too": (
        both(changed(R, without(4)), delete(CACHE)),
        PENDING + 1,
        ONE_LOST,
    ),
    "an answer edited": (changed(R, edited(4, b'"role":', b'"roll":')), PENDING, None),
    "results sorted": (changed(R, sorted), PENDING, None),
    "results in the other order": (changed(R, lambda lines: lines[::-1]), PENDING, None),
    "results of an older copy": (
        taken_from("older", R),
        PENDING + ENDED - OLDER - 2,
        rf"{ANSWERS - OLDER} answers are lost",
    ),
    "all of an older copy": (
        taken_from("older", R, E, J, CHECKPOINT, MANIFEST, USAGE),
        LINES - OLDER - 1,
        None,
    ),
    "journal of an older copy": (taken_from("older", J), PENDING, JOURNAL_CUT),
    "garbage after the results": (
        changed(R, lambda lines: [*lines, b"garbage\n"]),
        PENDING,
        f"{TORN} 8 bytes",
    ),
    "errors deleted": (delete(E), PENDING, None),
    "errors cut within a line": (changed(E, lambda lines: [lines[0][:50]]), PENDING, TORN),
    "journal cut within a line": (
        changed(J, lambda lines: [*lines[:-1], lines[-1][:20]]),
        PENDING,
        rf"{TORN} 20 bytes",
    ),
    "journal cut after the header": (changed(J, lambda lines: lines[:1]), PENDING, JOURNAL_CUT),
    "checkpoint of another run": (taken_from("another", CHECKPOINT), PENDING, None),
    "checkpoint of garbage": (put(CHECKPOINT, b"garbage" * 99), PENDING, None),
    "checkpoint cut": (
        lambda desks: os.truncate(desks.here.checkpoint, 99),
        PENDING,
        None,
    ),
    "checkpoint huge": (huge(CHECKPOINT), PENDING, None),
    "checkpoint of a later version": (of_a_later_version, PENDING, None),
    "a folder in the place of the checkpoint": (
        both(delete(CHECKPOINT), lambda desks: desks.here.checkpoint.mkdir()),
        PENDING,
        None,
    ),
    "cache and lock deleted": (delete(CACHE, "out.run/lock"), PENDING, None),
    "all that is derived deleted": (delete(MANIFEST, USAGE), PENDING, None),
    "all that is derived garbage": (
        both(put(MANIFEST, b"\xff{"), put(USAGE, b"\0" * 99), put(LIVE, b"[1]")),
        PENDING,
        None,
    ),
    "summaries of other shapes": (both(put(MANIFEST, b"[]"), put(LIVE, b"7")), PENDING, None),
    "everything deleted": (delete(R, "out.run"), LINES - 1, None),
}

OF_ANOTHER: Final = r"out\.jsonl: line \d+ at byte 0 was recorded by another run: "
# What was done, and what is said.
REFUSED: Final[dict[str, tuple[Tamper, str]]] = {
    "journal deleted": (delete(J), rf"out\.jsonl has {ANSWERS} records of a run, .*{RESTORE}"),
    "journal emptied": (put(J, b""), rf"out\.jsonl has {ANSWERS} records of a run"),
    "the folder deleted": (delete("out.run"), rf"out\.jsonl has {ANSWERS} records of a run"),
    "results and journal deleted": (delete(R, J), r"errors\.jsonl has 1 record of a run"),
    "all logs deleted": (
        delete(R, J, E),
        rf"it had {ANSWERS} answers\. {RESTORE}",
    ),
    "all logs and the cache deleted": (delete(R, J, E, CACHE), rf"it had {ANSWERS} answers\."),
    "journal without its header": (changed(J, without(0)), rf"not begin with a header\. {RESTORE}"),
    "journal of garbage": (put(J, b"garbage\n" * 9), rf"not begin with a header\. {RESTORE}"),
    "the header of a later format": (
        changed(J, edited(0, b'"version":1', b'"version":9')),
        r"was written in format 9, this is format 1\. Use the version of wbatch that wrote it",
    ),
    "results of another run": (taken_from("another", R), rf"{OF_ANOTHER}.*{RESTORE}"),
    "journal of another run": (taken_from("another", J), OF_ANOTHER),
    "errors of another run": (
        taken_from("another", E),
        rf"errors\.jsonl: line \d+ at byte 0 was recorded by another.*{ANSWERS} answers of",
    ),
    "another run's results behind": (
        joined_from("another", R),
        rf"line \d+ at byte \d+ was recorded by another run: .*{ANSWERS} answers of \S*out\.jsonl",
    ),
    "results doubled": (changed(R, lambda lines: lines * 2), r"has two results .*19 answers of"),
    "a result doubled": (
        changed(R, lambda lines: [*lines[:4], *lines[3:]]),
        rf"has two results .*{RESTORE}",
    ),
    "results packed in their place": (
        lambda desks: desks.here.results.write_bytes(gzip.compress(b"answers")),
        rf"out\.jsonl does not begin as a log of this tool does\. {RESTORE}",
    ),
    "a result that is no JSON any more": (
        both(changed(R, edited(4, b'"role":', b'"role"')), delete(CACHE)),
        rf"out\.jsonl is damaged at byte \d+: .*{RESTORE}.*4 answers of \S*out\.jsonl could be",
    ),
    "results with other line ends": (
        changed(R, lambda lines: [line.replace(b"\n", b"\r\n") for line in lines]),
        r"out\.jsonl is damaged at byte 0",
    ),
    "results with a byte order mark": (
        changed(R, lambda lines: [b"\xef\xbb\xbf", *lines]),
        r"out\.jsonl is damaged at byte 0",
    ),
    "results of somebody else": (
        both(put(R, b'{"id":1}\n'), delete(J, E)),
        "exists but is no run of this tool",
    ),
}


@pytest.mark.parametrize("row", RESUMED)
def test_the_same_command_completes_each_line_once_and_says_what_was_lost(
    desks: Desks, row: str
) -> None:
    tamper, expected, words = RESUMED[row]
    tamper(desks)

    code, said, sent = desks.here.run()

    assert code == 3, said
    assert sent == expected, said
    assert set(desks.here.recorded()) == set(range(1, LINES + 1))
    if words is None:
        assert not re.search(r"shorter|missing|lost|torn", said), said
    else:
        assert re.search(words, said), said


@pytest.mark.parametrize("row", REFUSED)
def test_it_is_refused_with_nothing_sent_and_nothing_written(desks: Desks, row: str) -> None:
    tamper, words = REFUSED[row]
    tamper(desks)
    before = desks.here.snapshot()

    code, said, sent = desks.here.run()

    assert (code, sent) == (65, 0), said
    assert re.search(words, " ".join(said.split())), said
    assert "Nothing was changed" in said or "Use the version" in said
    assert desks.here.snapshot() == before


@pytest.mark.parametrize("row", ["journal deleted", "all logs deleted", "results doubled"])
def test_what_was_refused_begins_anew_where_that_is_wanted(desks: Desks, row: str) -> None:
    tamper, _ = REFUSED[row]
    tamper(desks)
    desks.here.errors.unlink(missing_ok=True)

    code, said, sent = desks.here.run("--new-run")

    assert (code, sent) == (3, LINES - 1), said
    assert "the old output is kept as" in said
    assert set(desks.here.recorded()) == set(range(1, LINES + 1))


def test_a_picture_whose_answer_was_deleted_is_not_asked_for_again(desks: Desks) -> None:
    desks.here.results.unlink()

    desks.here.run()

    assert desks.here.recorded()[PICTURE] == "outcome_unknown"
