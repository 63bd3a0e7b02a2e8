"""Some cases of `make proof-hopeless`, with fewer lines; each has its bound in there.

A key that is refused from the start is `test_bad_key.py`'s.
"""

from pathlib import Path

import pytest

from batch.errors import CallFailed
from tests.proofs.hopeless import CASES, SILENT, Case, meet_case, silent

LINES = 300
SOME = (
    "the key expires in the middle",
    "one key of three is refused",
    "the key is of the wrong group for one family of models",
    "the money runs out in the middle",
    "the address is that of another web site",
)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in SOME], ids=lambda case: case.name
)
def test_a_hopeless_case_costs_a_handful_of_requests_and_goes_on_once_it_is_mended(
    tmp_path: Path, case: Case
) -> None:
    found = meet_case(tmp_path, case, LINES)

    assert found.sick.arrived - found.sick.answered <= case.in_vain


@pytest.mark.parametrize(("name", "failure"), SILENT, ids=[name for name, _ in SILENT])
def test_a_gateway_that_gives_no_answer_is_tried_a_few_times_in_ten_minutes(
    name: str, failure: CallFailed
) -> None:
    found = silent(name, failure, LINES)

    assert found.sick.arrived <= 8 + 30
    assert found.pending == LINES
