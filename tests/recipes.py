"""The recipes of docs/recipes.md, each with what it needs, and the folder in which they are run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Final

from tests.pages import ROOT, Section, page, run, sections, surroundings

TOOLS: Final = {"jq": r"^jq |\| jq ", "pandas": "import pandas", "duckdb": "import duckdb"}
WORDS: Final = ("kettle", "lamp", "chair", "clock", "spoon", "kettle")
_INTRODUCTION, *_ALL = [one for one in sections(page("recipes.md")) if one.steps]
RECIPES: Final = tuple(_ALL)


def needs(recipe: Section) -> set[str]:
    """Return the tools of others that a recipe takes."""
    return {
        tool
        for tool, sign in TOOLS.items()
        if any(re.search(sign, step.text, re.MULTILINE) for step in recipe.steps)
    }


def put(folder: Path, **more: object) -> None:
    """Put the files there that people begin with; ``more`` stands in each prompt."""
    prompts = [{"id": f"p{n}", "prompt": f"What is a {one}?"} for n, one in enumerate(WORDS)]
    prompts[-1]["max_tokens"] = 2
    texts = [{"id": f"t{n}", "prompt": f"A {one}."} for n, one in enumerate(WORDS)]
    for name, lines in (("prompts.jsonl", prompts), ("texts.jsonl", texts)):
        (folder / name).write_text("".join(f"{json.dumps(line | more)}\n" for line in lines))
    shutil.copy(ROOT / "sample_inputs" / "review.prompt.txt", folder / "prompt.txt")
    rows = [f"r{n},The {word} is good.,5" for n, word in enumerate(WORDS)]
    (folder / "reviews.csv").write_text("\n".join(["id,text,stars", *rows, ""]))
    gold = [f"r{n},positive" for n in range(len(WORDS))]
    (folder / "gold.csv").write_text("\n".join(["id,label", *gold, ""]))
    (folder / "judge.txt").write_text("Is this polite? {{ text }}\n")
    (folder / "inbox").mkdir()
    shutil.copy(folder / "texts.jsonl", folder / "inbox" / "a.jsonl")


def fill(folder: Path) -> None:
    """Put these files there, and have the runs that all recipes take; two lines of one fail."""
    put(folder)
    (runs,) = _INTRODUCTION.steps
    first, *others = runs.text.splitlines()
    well = surroundings(folder)
    ill = well | {"WBATCH_MOCK_FAIL": "empty-choices=100%", "WBATCH_HEAD": "2"}
    for line, environ, code in (
        (first, ill, 3),
        (first, well, 3),
        *((line, well, 0) for line in others),
    ):
        done = run(runs._replace(text=line), folder, environ)
        assert done.returncode == code, done.stderr


def follow(recipe: Section, filled: Path, folder: Path) -> None:
    """Run a recipe in a copy of the folder. Fails if a step does, or if nothing comes of one."""
    shutil.copytree(filled, folder, dirs_exist_ok=True)
    environ = surroundings(folder)
    for step in recipe.steps:
        before = {path: path.stat().st_mtime_ns for path in _files(folder)}
        done = run(step, folder, environ)
        after = {path: path.stat().st_mtime_ns for path in _files(folder) if path.stat().st_size}
        assert done.returncode == 0, f"{step.text}\n{done.stderr}"
        assert done.stdout.strip() or after.items() - before.items(), step.text


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
