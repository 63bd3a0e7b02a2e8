"""Every call of the file layer fails, one at a time, under the whole command."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.disk.cases import CASES, Case
from tests.disk.failing import ANY, OPERATIONS
from tests.disk.nth import CANNOT_WRITE, Verdict, some_faults

# A new run meets all kinds of calls, so that every n of each is failed; of the others each eighth.
EVERY, SOME = 1, 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whichever_call_fails_nothing_is_lost_and_the_same_command_completes(
    case: Case, tmp_path: Path
) -> None:
    step = EVERY if case is CASES[0] else SOME

    verdicts = list(some_faults(case, tmp_path / "run", step))

    assert [f"{one.fault}: {what}" for one in verdicts for what in one.broken] == []
    assert CANNOT_WRITE in {one.code for one in verdicts}
    if step == EVERY:
        assert_every_kind_of_call_was_failed(verdicts)


def assert_every_kind_of_call_was_failed(verdicts: list[Verdict]) -> None:
    failed = Counter(one.fault.operation for one in verdicts)
    assert set(failed) == {*OPERATIONS, ANY}
    assert failed["write"] >= 10
    assert failed["sync"] >= 10
