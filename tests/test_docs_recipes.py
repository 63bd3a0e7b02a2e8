"""Every recipe of docs/recipes.md that needs no tool of others works, on runs of this machine.

Those that need one are followed in the compat tests, where the tools are.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.pages import (
    Section,
    Step,
    mentioned,
    page,
    run,
    section,
    steps,
    surroundings,
)
from tests.recipes import RECIPES, TOOLS, fill, follow, needs

MENTIONED = mentioned(page("recipes.md") + page("from-your-script.md"))
OURS = [recipe for recipe in RECIPES if not needs(recipe)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    fill(folder)
    return folder


@pytest.mark.parametrize("recipe", OURS, ids=lambda recipe: recipe.title)
def test_a_recipe_works(recipe: Section, filled: Path, tmp_path: Path) -> None:
    follow(recipe, filled, tmp_path)


@pytest.mark.parametrize("command", sorted(MENTIONED))
def test_a_command_in_the_middle_of_a_sentence_runs(
    command: str, filled: Path, tmp_path: Path
) -> None:
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)

    done = run(Step("sh", command), tmp_path, surroundings(tmp_path))

    assert done.returncode == 0, done.stderr


def test_the_lines_that_failed_are_those_that_are_asked_again(filled: Path, tmp_path: Path) -> None:
    failed = (tmp_path / "out.run" / "errors.jsonl", tmp_path / "again.out.jsonl")

    follow(
        section(page("recipes.md"), "The lines that failed, asked of another model"),
        filled,
        tmp_path,
    )

    ids = [
        {json.loads(line)["custom_id"] for line in path.read_text().splitlines()} for path in failed
    ]
    assert ids[0] == ids[1] != set()


def test_a_file_to_train_with_has_the_text_that_was_asked_and_its_label(
    filled: Path, tmp_path: Path
) -> None:
    follow(section(page("recipes.md"), "A file to train with"), filled, tmp_path)

    first = json.loads((tmp_path / "train.jsonl").read_text().splitlines()[0])["messages"]
    assert first[0] == {"role": "user", "content": "The kettle is good."}
    assert first[1]["content"] in ("positive", "negative", "mixed")


def test_each_tool_of_others_has_recipes_that_need_it() -> None:
    assert {tool for recipe in RECIPES for tool in needs(recipe)} == set(TOOLS)


def test_the_way_from_a_script_works_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Positive or negative? {{ text }}\n")
    (tmp_path / "reviews.csv").write_text("id,text\nr1,It works.\nr2,It broke.\n")
    environ = surroundings(tmp_path)
    blocks = steps(page("from-your-script.md"), "sh", "python")

    for block in blocks:
        done = run(block, tmp_path, environ)
        assert done.returncode == 0, f"{block.text}\n{done.stderr}"

    assert len(blocks) == 6
    assert json.loads((tmp_path / "answers.json").read_text()).keys() == {"r1", "r2"}
    assert "{'total': 2, 'completed': 2, 'failed': 0}" in done.stdout or done.stdout == ""
