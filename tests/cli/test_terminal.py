"""What commands put on a terminal: colors only where they are wanted, nothing that data brought."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from batch.catalogue import Catalogue, KeyReport
from batch.cli import answer
from batch.cli.caller import Caller
from batch.wire.models import Listed
from tests.cli.fake_engine import FakeEngine

# Clears a screen, names a window, forges a line, rings, turns the direction of what follows.
HOSTILE = "a\x1b[2Jb\x1b]0;t\x07c\rd\x08e\x9bf\u202eg\u2066h"
COLOR = re.compile(r"\x1b\[[0-9;]*m")
RUN = {
    "status": ["status", "{out}"],
    "show": ["show", "{out}"],
    "show --errors": ["show", "{out}", "--errors", "--full"],
    "show --id": ["show", "{out}", "--id", HOSTILE],
    "export": ["export", "{out}", "-o", "{folder}/" + HOSTILE.replace("/", "") + ".csv", "--force"],
    "check": ["check", "{source}", "--mock"],
    "check of what it refuses": ["check", "{broken}", "--mock"],
    "estimate": ["estimate", "{source}", "--mock"],
    "score": ["score", "{out}", "--gold", "{gold}"],
    "report": ["report", "{out}", "--mock", "--by", "model,job,tag,tag:" + HOSTILE],
    "report as Markdown": ["report", "{out}", "--mock", "--by", "model,job", "--format", "md"],
    "report as CSV": ["report", "{out}", "--mock", "--by", "model,job,key", "--format", "csv"],
    "report for programs": ["report", "{out}", "--mock", "--by", "model", "--json"],
    "show for programs": ["show", "{out}", "--json"],
    "check for programs": ["check", "{broken}", "--mock", "--json"],
    "score for programs": ["score", "{out}", "--gold", "{gold}", "--json"],
    "models": ["models"],
    "config show": ["config", "show", "{job}"],
    "run": ["run", "{source}", "-o", "{folder}/two.jsonl", "--mock", "--name", HOSTILE],
    "retry": ["retry", "{out}", "--only", HOSTILE],
    "init": ["init", "{folder}/" + HOSTILE],
    "a flag that is wrong": ["run", "{source}", "-o", "o", "--" + HOSTILE],
    "a command that is wrong": [HOSTILE],
    "a file that is missing": ["run", HOSTILE, "-o", "{folder}/no.jsonl", "--mock"],
}
COLORED = ["show", "score", "report", "a file that is missing"]


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="backslashreplace")

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError("not of this system")

    @property
    def text(self) -> str:
        self.flush()
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


def request(name: str, model: str) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": f"{HOSTILE} {name}"}]}
    return {"custom_id": name, "url": "/v1/chat/completions", "body": body}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """A run of lines, models, labels, tags, files and a job that all bear a hostile name."""
    folder = tmp_path_factory.mktemp("terminal") / HOSTILE
    folder.mkdir()
    names = [HOSTILE, *(f"{HOSTILE} {n}" for n in range(5))]
    lines = [request(name, HOSTILE) for name in names]
    (folder / "in.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    bad = [*lines, {"custom_id": HOSTILE, "url": f"/{HOSTILE}", "body": {}}, {HOSTILE: HOSTILE}]
    (folder / "broken.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in bad))
    gold = [{"id": name, "label": f"{HOSTILE} {n % 2}"} for n, name in enumerate(names)]
    (folder / "gold.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in gold))
    quoted = json.dumps(HOSTILE)
    (folder / "job.toml").write_text(
        f'name = {quoted}\ninputs = ["in.jsonl"]\noutput = "out.jsonl"\n'
        f"[request]\nmodel = {quoted}\n[tags]\n{quoted} = {quoted}\n"
        f"[label]\nlabels = [{json.dumps(f'{HOSTILE} 0')}, {json.dumps(f'{HOSTILE} 1')}]\n"
        "retries = 0\n"
        '[run]\nmock = true\nmock_fail = "label=30%"\n'
    )
    with on_terminal() as (out, err):
        code = answer(["run", str(folder / "job.toml")], Caller())
    assert code in (0, 3), out.text + err.text
    of = {"source": "in.jsonl", "broken": "broken.jsonl", "gold": "gold.jsonl", "job": "job.toml"}
    return {
        "folder": str(folder),
        "out": str(folder / "out.jsonl"),
        **{name: str(folder / file) for name, file in of.items()},
    }


@contextlib.contextmanager
def on_terminal() -> Iterator[tuple[Terminal, Terminal]]:
    out, err = Terminal(), Terminal()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


def said(name: str, places: Mapping[str, str], flags: list[str], **environ: str) -> tuple[str, str]:
    """Return what a command writes on the two streams of a terminal."""
    args = [part.format(**places) for part in RUN[name]]
    engine = None
    if name == "models":
        engine = FakeEngine()
        listed = (Listed(HOSTILE, (HOSTILE,)), Listed(f"{HOSTILE}2", None))
        engine.catalogue = Catalogue(
            "https://g", ((HOSTILE, HOSTILE),), (KeyReport(HOSTILE, HOSTILE, listed),)
        )
    caller = Caller(engine, {"XDG_CONFIG_HOME": "/nowhere", "COLUMNS": "120", **environ})
    with on_terminal() as (out, err):
        answer([*args, *flags], caller)
    return out.text, err.text


@pytest.mark.parametrize("name", RUN)
@pytest.mark.parametrize(
    ("flags", "environ"),
    [
        ([], {"NO_COLOR": "1"}),
        ([], {"NO_COLOR": "1", "FORCE_COLOR": "1"}),
        ([], {"TERM": "dumb"}),
        (["--no-color"], {"FORCE_COLOR": "1"}),
    ],
)
def test_without_colors_a_terminal_gets_text_and_nothing_else(
    name: str, flags: list[str], environ: dict[str, str], places: Mapping[str, str]
) -> None:
    out, err = said(name, places, flags, **environ)

    assert out + err
    assert {char for char in out + err if not char.isprintable()} <= {"\n"}


@pytest.mark.parametrize("name", RUN)
@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb", "FORCE_COLOR": "1"}])
def test_with_colors_it_gets_colors_and_nothing_that_data_brought(
    name: str, environ: dict[str, str], places: Mapping[str, str]
) -> None:
    out, err = said(name, places, [], **environ)

    text = out + err
    assert {char for char in COLOR.sub("", text) if not char.isprintable()} <= {"\n"}
    if name in COLORED:
        assert COLOR.search(text)


def test_what_is_for_programs_is_as_it_is_where_no_terminal_shows_it(
    places: Mapping[str, str],
) -> None:
    out = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(out):
        answer(["show", places["out"], "1", "--json"], Caller(None, {}))

    (shown,) = json.loads(out.buffer.getvalue())["data"]  # type: ignore[attr-defined]
    assert shown["custom_id"].startswith(HOSTILE)


@pytest.mark.parametrize(
    "args",
    [
        ["show", "{out}", "--id", "a\udcff"],
        ["report", "{out}", "--mock", "--by", "tag:a\udcff", "--format", "csv"],
        ["report", "{out}", "--mock", "--currency", "a\udcff"],
        ["export", "{out}", "-o", "{folder}/three.csv", "--columns", "a\udcff"],
        ["check", "{source}", "-m", "a\udcff"],
        ["config", "show", "{job}", "--name", "a\udcff"],
    ],
    ids=lambda args: args[0],
)
def test_a_stray_byte_on_the_command_line_is_a_bad_flag(
    args: list[str], places: Mapping[str, str]
) -> None:
    with on_terminal() as (out, err):
        code = answer([part.format(**places) for part in args], Caller(None, {}))

    assert (code, out.text) == (2, "")
    assert "this is a bug" not in err.text


@pytest.mark.parametrize("name", COLORED)
def test_a_pipe_gets_colors_only_if_they_are_forced(name: str, places: Mapping[str, str]) -> None:
    texts = []
    for environ in ({}, {"FORCE_COLOR": "1"}, {"FORCE_COLOR": ""}):
        caller = Caller(None, {"XDG_CONFIG_HOME": "/nowhere", **environ})
        out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            answer([part.format(**places) for part in RUN[name]], caller)
        texts.append(out.buffer.getvalue() + err.buffer.getvalue())  # type: ignore[attr-defined]

    assert [b"\x1b" in text for text in texts] == [False, True, False]
