"""What people see at the end of a bench."""

from __future__ import annotations

from tests.bench.rows import HEADS, Row, aligned, verdict

FAST = Row(what="a plain answer", own="90 µs", yardstick="80 µs", ratio=1.125, reached=True)
SLOW = Row(what="export", own="3 s", yardstick="1 s", ratio=3, reach="≤ 2.00", reached=False)
SEEN = Row(what="check", own="4 s")


def test_columns_stand_below_their_heads_and_numbers_on_the_right() -> None:
    shown = aligned(("what", "ratio:"), [("a plain answer", "1.12"), ("export", "13.00")])

    assert shown.splitlines() == [
        "what            ratio",
        "──────────────  ─────",
        "a plain answer   1.12",
        "export          13.00",
    ]


def test_a_row_says_whether_it_reached_what_it_should() -> None:
    assert [row.cells[-1] for row in (FAST, SLOW, SEEN)] == ["yes", "no", ""]
    assert len(FAST.cells) == len(HEADS)


def test_a_row_without_a_ratio_leaves_it_out() -> None:
    assert SEEN.cells == ("check", "", "4 s", "", "", "", "")


def test_what_was_missed_is_named() -> None:
    assert verdict([FAST, SLOW, SEEN]) == "1 of 2 reached. Missed: export."


def test_where_all_was_reached_nothing_is_named() -> None:
    assert verdict([FAST, SEEN]) == "1 of 1 reached."
