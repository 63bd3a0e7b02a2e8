"""Commands whose calls fail: each with what an earlier command left, and what it comes to."""

from __future__ import annotations

import contextlib
import gc
import io
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from batch import runs
from batch.cli import answer
from batch.cli.caller import Caller
from batch.files import Files, OsFiles
from batch.ledger.paths import Paths
from batch.session.ending import Watch
from batch.session.summary import Outcome
from batch.settings.tree import Settings

MODEL: Final = "gpt-4o-mini"
MOCK: Final = ("--mock", "--mock-latency", "1")
# What a crash may leave of a line, as each log begins its own.
TORN: Final = {"out.jsonl": b'{"x_run":{"li', "errors.jsonl": b'{"x_', "journal.jsonl": b'{"ki'}


class Ended(NamedTuple):
    """What a command came to."""

    code: int
    said: str
    summary: dict[str, Any]  # what ``--json`` wrote; empty if it wrote nothing


class Case(NamedTuple):
    """A command, and what is there before it."""

    name: str
    args: tuple[str, ...]  # with {} for the folder
    code: int  # where nothing fails
    prepare: Callable[[Path], None]
    lines: int
    output: str = "out.jsonl"


class OnDisk:
    """The engine of the command, on files that are handed in."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def run(self, settings: Settings, watch: Watch, **more: Any) -> Coroutine[Any, Any, Outcome]:
        return runs.run(settings, watch, **more, files=self._files)

    def retry(
        self,
        settings: Settings,
        watch: Watch,
        only: frozenset[str] | None,
        ambiguous: bool,
        **more: Any,
    ) -> Coroutine[Any, Any, Outcome]:
        return runs.retry(settings, watch, only, ambiguous, **more, files=self._files)

    def status(self, output: str) -> Outcome:
        return runs.status(output, self._files)

    def usage(self, paths: Paths) -> Iterable[Mapping[str, Any]] | None:
        return runs.usage(paths)


def command(folder: Path, args: Iterable[str], files: Files | None = None) -> Ended:
    """Run a command line in this process as the command itself would; return what it came to."""
    words = ["--json", "--progress", "none", *(one.replace("{}", str(folder)) for one in args)]
    said, written = _stream(), _stream()
    caller = Caller(OnDisk(files or OsFiles()), environ={})
    gc.freeze()  # a run begins with a search for garbage, and thaws what is kept out of it
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(written):
        code = answer(words, caller)
    data = _bytes(written)
    return Ended(code, _bytes(said).decode(), orjson.loads(data) if data else {})


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _bytes(stream: io.TextIOWrapper) -> bytes:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue()


def _asked(url: str, **body: Any) -> dict[str, Any]:
    return {"url": url, "body": body}


def _chat(**more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Say something"}]
    return _asked("/v1/chat/completions", model=MODEL, messages=messages, **more)


# A chat, a streamed one, a line that asks nothing, a picture out of a body, and a file that is
# saved while it comes. The third one is always an error, so that the command ends with 3.
LINES: Final = (
    _chat(),
    _chat(stream=True),
    {"url": "/v1/chat/completions", "body": {}},
    _asked("/v1/images/generations", model="gpt-image-1", prompt="A cat", n=1),
    _asked("/v1/audio/speech", model="tts-1", input="Hello", voice="alloy"),
)
ONCE: Final = 4  # the picture: where its answer may be lost, it is not asked for again
BAD: Final = 3


def write_lines(folder: Path, lines: Iterable[dict[str, Any]] = LINES) -> None:
    """Write the input."""
    data = (
        orjson.dumps({"custom_id": f"row-{n}", "method": "POST", **line}) + b"\n"
        for n, line in enumerate(lines, 1)
    )
    (folder / "in.jsonl").write_bytes(b"".join(data))


NAMED: Final = ("-m", MODEL, *MOCK)
RUN: Final = ("run", "{}/in.jsonl", "-o", "{}/out.jsonl", *MOCK)


def _written(folder: Path) -> None:
    write_lines(folder)


def _done(folder: Path) -> None:
    write_lines(folder)
    assert command(folder, RUN).code == 3


def _torn(folder: Path) -> None:
    """Leave a run of which three lines are done, and half a line at the end of each log."""
    write_lines(folder)
    assert command(folder, (*RUN, "--head", "3")).code == 3
    for name, tail in TORN.items():
        where = folder if name == "out.jsonl" else folder / "out.run"
        with (where / name).open("ab") as file:
            file.write(tail)


def _mended(folder: Path) -> None:
    """Leave a finished run whose bad line says something else now."""
    _done(folder)
    write_lines(folder, (*LINES[: BAD - 1], {**LINES[BAD - 1], "body": {"n": 1}}, *LINES[BAD:]))


def _rows(folder: Path) -> None:
    (folder / "rows.jsonl").write_bytes(b'{"text":"One"}\n{"text":"Two"}\n')
    (folder / "prompt.txt").write_text("Translate: {{ text }}")


CASES: Final = (
    Case("a new run", RUN, 3, _written, len(LINES)),
    Case("carrying on after a crash", RUN, 3, _torn, len(LINES)),
    Case("starting over", (*RUN, "--new-run"), 3, _done, len(LINES)),
    Case("a mended line", (*RUN, "--keep-answers"), 3, _mended, len(LINES)),
    Case("the same again", RUN, 3, _done, len(LINES)),
    Case(
        "asking again",
        ("retry", "{}/out.jsonl", "--only", "invalid_request"),
        3,
        _done,
        len(LINES),
    ),
    Case(
        "rows and a template",
        ("run", "{}/rows.jsonl", "-p", "{}/prompt.txt", "-o", "{}/a/b/out.jsonl", *NAMED),
        0,
        _rows,
        2,
        "a/b/out.jsonl",
    ),
    Case("asking how it stands", ("status", "{}/out.jsonl"), 3, _done, len(LINES)),
)
