"""Every bad input of the catalogue is attacked."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest

from tests.catalogues.bad_inputs_again import CHANGES
from tests.catalogues.bad_inputs_files import FILES
from tests.catalogues.bad_inputs_heavy import HEAVIES
from tests.catalogues.bad_inputs_lines import REQUESTS
from tests.catalogues.bad_inputs_names import BEYOND, NAMES
from tests.catalogues.bad_inputs_places import EVERY_PLACE
from tests.catalogues.bad_inputs_rows import PROMPTS
from tests.catalogues.bad_inputs_settings import SETTINGS

# Tests of their own, as each needs something around the command that no table can put there.
SURROUNDINGS: Final = (
    "stream as input",
    "folder that cannot be written",
    "input changes during the run",
    "few file descriptors",
    "closed streams",
    "bare terminal and locale",
    "two runs at once",
)
TABLES: Final = (REQUESTS, PROMPTS, FILES, EVERY_PLACE, SETTINGS, CHANGES, HEAVIES)
ROWS: Final = Counter(one.entry for table in TABLES for one in table) + Counter(SURROUNDINGS)


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_of_the_catalogue_has_a_row(name: str) -> None:
    assert ROWS[name]


def test_rows_name_entries_that_there_are() -> None:
    assert len(set(NAMES)) == len(NAMES) == 64
    assert ROWS.keys() <= {BEYOND, *NAMES}
    assert ROWS[BEYOND] >= 50
