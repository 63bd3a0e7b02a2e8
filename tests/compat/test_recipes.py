"""The recipes with jq, pandas and DuckDB work. A tool that is missing is a failure here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import Section
from tests.recipes import RECIPES, fill, follow, needs

OTHERS = [recipe for recipe in RECIPES if needs(recipe)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    fill(folder)
    return folder


@pytest.mark.parametrize("recipe", OTHERS, ids=lambda recipe: recipe.title)
def test_a_recipe_works(recipe: Section, filled: Path, tmp_path: Path) -> None:
    follow(recipe, filled, tmp_path)
