"""What the pages of the documentation show: blocks, commands and links, and a way to run them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
READMES: Final = ("README.md", "README.zh-CN.md")
PATIENCE: Final = 120  # seconds for a block, which may start several processes
_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A heading, or a whole block, whose lines may begin with the same sign.
_HEADED: Final = re.compile(r"^```.*?^```$|^#{1,3} ([^\n]+)$", re.MULTILINE | re.DOTALL)
_INLINE: Final = re.compile(r"(?<!`)`(wbatch [^`\n]+)`")
# What stands in a command for something that the reader knows.
_PLACEHOLDER: Final = re.compile(r"\b[A-Z]{2,}\b(?!_)|\b[A-Z]\b|[…|]|\.\.\.")


class Step(NamedTuple):
    """A block of a page."""

    language: str
    text: str


class Section(NamedTuple):
    """What stands under a heading, up to the next one."""

    title: str
    text: str

    @property
    def steps(self) -> list[Step]:
        """Return the blocks that can be run."""
        return steps(self.text, "sh", "python")


def page(name: str) -> str:
    """Return the text of a page in ``docs``, or of one beside that folder."""
    return (ROOT / name if name in READMES else DOCS / name).read_text(encoding="utf-8")


def steps(text: str, *languages: str) -> list[Step]:
    """Return the blocks of these languages in their order."""
    return [Step(*found) for found in _FENCED.findall(text) if found[0] in languages]


def sections(text: str) -> list[Section]:
    """Return what stands under each heading."""
    heads = [found for found in _HEADED.finditer(text) if found[1]]
    ends = [*(head.start() for head in heads[1:]), len(text)]
    return [Section(head[1], text[head.end() : end]) for head, end in zip(heads, ends, strict=True)]


def table(section: Section) -> list[list[str]]:
    """Return the cells of the first table of a section, row by row, without its head."""
    rows = [line for line in section.text.splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", row.strip()[1:-1]) for row in rows[2:]]
    return [[cell.strip() for cell in row] for row in cells]


def section(text: str, title: str) -> Section:
    """Return the section with a heading."""
    return next(one for one in sections(text) if one.title == title)


def shown(text: str) -> list[str]:
    """Return the commands after a ``$``, without what is said of them."""
    lines = [line for step in steps(text, "console") for line in step.text.splitlines()]
    return [line[2:].partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


def mentioned(text: str) -> list[str]:
    """Return the commands in the middle of sentences that leave nothing to fill in."""
    prose = _FENCED.sub("", text)
    found = [one for one in _INLINE.findall(prose) if not _PLACEHOLDER.search(one)]
    return [one for one in dict.fromkeys(found) if len(one.split()) > 2]


def words(command: str) -> list[str]:
    """Return the arguments of a command of ours, as a shell would give them."""
    return shlex.split(command)[1:]


def surroundings(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment in which ``wbatch`` is this one and asks the mock gateway.

    Nothing of the person who runs the tests is in it.
    """
    place = folder / ".bin"
    place.mkdir(exist_ok=True)
    for name, call in (("wbatch", "-m batch"), ("python", ""), ("python3", "")):
        (place / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n')
        (place / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not _is_set_by_people(name)}
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / ".config")}
    path = f"{place}{os.pathsep}{os.environ['PATH']}"
    return {**kept, **home, "PATH": path, "PYTHONPATH": str(ROOT), "WBATCH_MOCK": "1", **more}


def _is_set_by_people(name: str) -> bool:
    return name.startswith(("WBATCH_", "OPENAI_")) or name.endswith("_KEY")


def run(step: Step, folder: Path, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a block in a folder as a reader would who pastes it; a failing command ends it."""
    python = [sys.executable, "-c", step.text]
    call = python if step.language == "python" else ["bash", "-euo", "pipefail", "-c", step.text]
    return subprocess.run(
        call,
        cwd=folder,
        env=dict(environ),
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@contextmanager
def serving(*flags: str) -> Iterator[str]:
    """Serve a mock gateway of its own process, and return its address."""
    command = [sys.executable, "-m", "batch", "mock", "--port", "0", *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            told = process.stderr.readline()
            found = re.search(r"http://\S+:\d+", told)
            assert found, told + process.stderr.read()
            yield found[0]
        finally:
            process.terminate()
