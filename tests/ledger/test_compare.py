from types import SimpleNamespace

import pytest

from batch.ledger.compare import Changed, Comparison, changed_since, sums_of
from batch.ledger.recover import recover
from batch.ledger.state import BLOCK
from tests.ledger.kit import PATHS, answered, disk, entry, failed, sum_of, wrote
from tests.virtual import run

FAR = 3 * BLOCK + 5


@pytest.fixture
def files():
    files = disk()
    run(
        wrote(
            files, answered(1), failed(2), answered(3), failed(3), entry("intent", 5), answered(FAR)
        )
    )
    return files


def compared(history, lines):
    comparison = Comparison(history)
    for ordinal, value in lines.items():
        comparison.visit(SimpleNamespace(ordinal=ordinal, sum=value))
    return comparison


def changed_in(files, lines):
    found = recover(files, PATHS)
    comparison = compared(found.history, lines)
    blocks = comparison.blocks()
    now = sums_of((line, value) for line, value in lines.items() if line // BLOCK in blocks)
    _, results, errors = found.ends
    changed = set(changed_since(files, errors, results, found.history, now))
    return changed | set(comparison.begun)


def inputs(*changed):
    return {n: sum_of(n, "!" if n in changed else "") for n in (*range(1, 9), FAR)}


@pytest.mark.parametrize(
    ("ordinal", "was_answered"), [(1, True), (2, False), (3, True), (5, False), (FAR, True)]
)
def test_a_line_that_changed_is_named(files, ordinal, was_answered):
    assert changed_in(files, inputs(ordinal)) == {Changed(ordinal, sum_of(ordinal), was_answered)}


def test_all_lines_that_changed_are_named(files):
    assert {one.ordinal for one in changed_in(files, inputs(1, 2, 3, 5, FAR))} == {1, 2, 3, 5, FAR}


def test_lines_that_were_never_asked_may_be_others(files):
    assert changed_in(files, inputs(4, 6, 7, 8)) == set()


def test_two_lines_that_changed_places_are_named(files):
    lines = inputs()
    lines[1], lines[2] = lines[2], lines[1]

    assert {one.ordinal for one in changed_in(files, lines)} == {1, 2}


def test_only_the_block_of_a_changed_line_differs(files):
    comparison = compared(recover(files, PATHS).history, inputs(FAR))

    assert comparison.blocks() == {3}
    assert comparison.missing == 0


def test_lines_that_are_gone_are_counted(files):
    lines = inputs()
    del lines[2], lines[FAR]

    assert compared(recover(files, PATHS).history, lines).missing == 2


@pytest.mark.parametrize("path", [PATHS.errors, PATHS.results])
@pytest.mark.parametrize("tail", [b'{"x_run":', bytes(80), b"\0\0\n"])
def test_a_torn_tail_hides_no_changed_line(files, path, tail):
    files.put(path, files.content(path) + tail)

    assert {one.ordinal for one in changed_in(files, inputs(1, 2))} == {1, 2}


def test_an_error_that_a_result_replaced_counts_for_nothing(files):
    lines = inputs()

    changed = changed_in(files, lines | {3: 7})

    assert changed == {Changed(3, sum_of(3), answered=True)}
