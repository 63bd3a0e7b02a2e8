"""What is changed between two sessions of a run, a row each, and what the second one does."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import orjson

LINES: Final = 6
FIRST: Final = b"".join(
    b'{"id":"r%d","prompt":"Prompt number %d."}\n' % (n, n) for n in range(1, LINES + 1)
)


class Change(msgspec.Struct, frozen=True):
    """A change, and what the same command does then."""

    name: str
    entry: str  # of the catalogue
    do: Callable[[Path], object]  # in the folder of the run
    code: int
    says: Sequence[str] = ()  # parts of the message
    sent: int = 0  # requests
    more: Sequence[str] = ()  # flags that the first command did not have


def _same_time(path: Path, old: bytes, new: bytes) -> None:
    """Edit a file in place, so that neither its size nor its time tells."""
    status, content = path.stat(), path.read_bytes()
    assert len(old) == len(new)
    assert old in content
    path.write_bytes(content.replace(old, new))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _lines(path: Path, change: Callable[[list[bytes]], Sequence[bytes]]) -> None:
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def _results(change: Callable[[list[bytes]], Sequence[bytes]]) -> Callable[[Path], object]:
    return lambda folder: _lines(folder / "out.jsonl", change)


def _input(change: Callable[[list[bytes]], Sequence[bytes]]) -> Callable[[Path], object]:
    return lambda folder: _lines(folder / "in.jsonl", change)


def _sub(name: str, pattern: bytes, new: bytes) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        content, count = re.subn(pattern, new, (folder / name).read_bytes())
        assert count
        (folder / name).write_bytes(content)

    return change


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _sparse(name: str, size: int) -> Callable[[Path], object]:
    return lambda folder: os.truncate(folder / name, size)


def _packed(folder: Path) -> None:
    path = folder / "out.jsonl"
    path.write_bytes(gzip.compress(path.read_bytes()))


def _two_runs(lines: list[bytes]) -> list[bytes]:
    """Return results with those of another run behind."""
    others = [
        one.replace(orjson.loads(one)["x_run"]["run_id"].encode(), b"20260101T000000Z-abcdef")
        for one in lines
    ]
    return [*lines, *others]


CHECKPOINT: Final = "out.run/cache/checkpoint"
JOURNAL: Final = "out.run/journal.jsonl"
CHANGED: Final = "lines of the inputs have changed since they were asked"

CHANGES: Final = (
    Change("nothing", "results tampered with", lambda _: None, 0),
    Change(
        "a line, not its size and time",
        "input edited between runs",
        lambda f: _same_time(f / "in.jsonl", b"number 3", b"number 7"),
        65,
        (CHANGED, "line 3", "--new-run"),
    ),
    Change(
        "lines at the end",
        "input edited between runs",
        _input(lambda ls: [*ls, b'{"prompt":"One more."}\n']),
        0,
        sent=1,
    ),
    Change(
        "lines taken away",
        "input edited between runs",
        _input(lambda ls: ls[:-2]),
        65,
        ("the inputs have become shorter", "2 lines", "--new-run"),
    ),
    Change(
        "no input any more",
        "input edited between runs",
        lambda f: (f / "in.jsonl").unlink(),
        66,
        ("Check the path",),
    ),
    Change(
        "an empty input",
        "input edited between runs",
        _write("in.jsonl", b""),
        65,
        ("the inputs have become shorter", "6 lines"),
    ),
    Change(
        "other line breaks",
        "input edited between runs",
        _input(lambda ls: [one.replace(b"\n", b"\r\n") for one in ls]),
        0,
    ),
    Change(
        "two lines that changed places",
        "input reordered",
        _input(lambda ls: [ls[1], ls[0], *ls[2:]]),
        65,
        (CHANGED, "lines 1, 2"),
    ),
    Change(
        "a line put before",
        "input reordered",
        _input(lambda ls: [b'{"prompt":"First."}\n', *ls]),
        65,
        (CHANGED,),
    ),
    Change(
        "a blank line put before",
        "input reordered",
        _input(lambda ls: [b"\n", *ls]),
        65,
        ("the inputs have become shorter",),
    ),
    Change(
        "the input packed",
        "input reordered",
        lambda f: (f / "in.jsonl").write_bytes(gzip.compress(FIRST)),
        0,
    ),
    Change(
        "the errors of the run as a second input",
        "output is the input",
        lambda _: None,
        65,
        ("out.run/errors.jsonl is both input and output",),
        more=("out.run/errors.jsonl",),
    ),
    Change(
        "another model",
        "resumed with other settings",
        lambda _: None,
        65,
        (
            "asked with other settings",
            'model was "gpt-4o-mini" and is now "gpt-4o"',
            "--keep-answers",
            "--new-run",
        ),
        more=("-m", "gpt-4o"),
    ),
    Change(
        "another system text",
        "resumed with other settings",
        _write("s.txt", b"Be short."),
        65,
        ("asked with other settings", "system was not set"),
        more=("--system", "s.txt"),
    ),
    Change(
        "a parameter",
        "resumed with other settings",
        lambda _: None,
        65,
        ("params was not set", '{"max_tokens":5}'),
        more=("--param", "max_tokens=5"),
    ),
    Change(
        "a rehearsal",
        "resumed with other settings",
        lambda _: None,
        65,
        ("was no rehearsal", "--new-run"),
        more=("--mock",),
    ),
    Change(
        "another pace",
        "resumed with other settings",
        lambda _: None,
        0,
        more=("-c", "2", "--rpm", "100"),
    ),
    Change(
        "results sorted", "results tampered with", _results(lambda ls: sorted(ls, reverse=True)), 0
    ),
    Change(
        "results packed",
        "results tampered with",
        _packed,
        65,
        ("out.jsonl does not begin as a log of this tool does", "--new-run"),
    ),
    Change(
        "results twice",
        "results tampered with",
        _results(lambda ls: ls * 2),
        65,
        ("out.jsonl", "--new-run"),
    ),
    Change(
        "results of two runs",
        "results tampered with",
        _results(_two_runs),
        65,
        ("out.jsonl", "--new-run"),
    ),
    Change(
        "a result taken out",
        "results tampered with",
        _results(lambda ls: [*ls[:2], *ls[3:]]),
        0,
        ("is shorter than it was", "1 answer is lost"),
        sent=1,
    ),
    Change(
        "a result broken",
        "results tampered with",
        _results(lambda ls: [ls[0], ls[1][:50] + b"\n", *ls[2:]]),
        65,
        ("out.jsonl is damaged at byte", "Restore the file from a backup"),
    ),
    Change(
        "half of the last result",
        "results tampered with",
        lambda f: os.truncate(f / "out.jsonl", (f / "out.jsonl").stat().st_size - 20),
        0,
        ("cut a torn tail of",),
        sent=1,
    ),
    Change(
        "zeros behind the results",
        "results tampered with",
        lambda f: os.truncate(f / "out.jsonl", (f / "out.jsonl").stat().st_size + 4096),
        0,
        ("cut a torn tail of 4,096 bytes",),
    ),
    Change(
        "results edited by a program for texts",
        "results tampered with",
        _results(lambda ls: [b"\xef\xbb\xbf" + ls[0], *ls[1:]]),
        65,
        ("out.jsonl",),
    ),
    Change(
        "no results any more",
        "results tampered with",
        lambda f: (f / "out.jsonl").unlink(),
        0,
        ("6 answers are lost",),
        sent=6,
    ),
    Change(
        "no folder any more",
        "results tampered with",
        lambda f: (f / "out.run").rename(f / "elsewhere"),
        65,
        ("which says what was asked, is missing",),
    ),
    Change("a cache of nonsense", "cache and header of others", _write(CHECKPOINT, b"nonsense"), 0),
    Change(
        "half a cache", "cache and header of others", lambda f: os.truncate(f / CHECKPOINT, 40), 0
    ),
    Change("an empty cache", "cache and header of others", _write(CHECKPOINT, b""), 0),
    Change("a cache of 2 TB", "cache and header of others", _sparse(CHECKPOINT, 2 << 40), 0),
    Change(
        "a header of the future",
        "cache and header of others",
        _sub(JOURNAL, rb'"version":1', b'"version":9'),
        65,
        ("format 9", "Use the version of wbatch that wrote it"),
    ),
    Change(
        "a header without its inside",
        "cache and header of others",
        _sub(JOURNAL, rb'"run":\{.*\}\}', b'"run":{}}'),
        65,
        (JOURNAL,),
    ),
    Change(
        "a journal of nonsense",
        "cache and header of others",
        _write(JOURNAL, b"nonsense\n"),
        65,
        (JOURNAL,),
    ),
    Change(
        "no journal",
        "cache and header of others",
        lambda f: (f / JOURNAL).unlink(),
        65,
        ("out.jsonl", "which says what was asked, is missing"),
    ),
    Change(
        "a journal of 4 GB of zeros",
        "cache and header of others",
        _write(JOURNAL, b"\0" * 4096),
        65,
        ("out.jsonl", "which says what was asked, is missing"),
    ),
    Change(
        "a beginning in the year 2999",
        "clock that jumps",
        _sub(JOURNAL, rb'"created_at":\d+', b'"created_at":32503680000'),
        0,
    ),
    Change(
        "answers of the year 2999",
        "clock that jumps",
        _sub("out.jsonl", rb'"started_at":"20\d\d', b'"started_at":"2999'),
        0,
    ),
    Change(
        "files of the year 2050, and a new line",
        "clock that jumps",
        lambda f: (
            [os.utime(p, (2.53e9, 2.53e9)) for p in f.rglob("*")],
            (f / "in.jsonl").write_bytes(FIRST + b'{"prompt":"Late."}\n'),
        ),
        0,
        sent=1,
    ),
)
