import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.ledger.lines import LineSet, Repeated

LINES = st.integers(0, 500)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), LINES)))
def test_a_line_set_is_a_set(steps):
    lines, truth = LineSet(), set()

    for adds, line in steps:
        fresh = line not in truth
        if adds:
            assert lines.add(line) == fresh
            truth.add(line)
        else:
            assert lines.discard(line) != fresh
            truth.discard(line)

    assert lines.count == len(truth)
    assert lines.last() == max(truth, default=0)
    assert all((line in lines) == (line in truth) for line in range(502))


@settings(deadline=None)
@given(st.sets(LINES))
def test_a_line_set_survives_its_bytes(truth):
    lines = LineSet()
    for line in truth:
        lines.add(line)

    again = LineSet(bytes(lines.bits))

    assert again.count == len(truth)
    assert again.last() == lines.last()
    assert all(line in again for line in truth)


def test_a_line_far_beyond_the_set_is_not_in_it():
    lines = LineSet()
    lines.add(3)

    assert 10**12 not in lines
    assert not lines.discard(10**12)
    assert len(lines.bits) < 10


def test_many_lines_take_a_bit_each_and_an_eighth_more():
    lines = LineSet()

    for line in range(1, 100_001):
        lines.add(line)

    assert lines.count == 100_000
    assert len(lines.bits) <= 100_000 / 8 * 9 / 8 + 1


@settings(deadline=None)
@given(st.lists(LINES), st.sets(LINES))
def test_many_lines_are_put_in_up_to_the_first_that_is_there(many, before):
    lines, truth = LineSet(), LineSet()
    for line in before:
        lines.add(line)
        truth.add(line)
    new = next((at for at, line in enumerate(many) if not truth.add(line)), len(many))

    if new < len(many):
        with pytest.raises(Repeated) as again:
            lines.add_all(many)
        assert (again.value.place, again.value.ordinal) == (new, many[new])
    else:
        lines.add_all(many)

    assert lines.count == truth.count
    assert all((line in lines) == (line in truth) for line in range(502))
