"""What people see while a run goes on, with clock and stream handed in."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import struct
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from batch.bottleneck import Bottleneck, Kind
from batch.session.progress import Progress, Style, choose_style
from batch.session.snapshot import Snapshot, plain_line, postfix, span, visible

EPOCH = 1_795_313_400.0  # 2026-11-22T02:10:00Z


def snapshot(done: int = 6000, seconds: float = 5.0, **changes: Any) -> Snapshot:
    facts: dict[str, Any] = {
        "total": 12_000,
        "done": done,
        "ok": max(0, done - 3),
        "failed": 3,
        "pending_blocked": 0,
        "retries": 0,
        "in_flight": 0,
        "tasks": 0,
        "waiting_for": None,
        "seconds": seconds,
    }
    return Snapshot(**facts | changes)


def progress(style: Style, stream: io.StringIO, quiet: bool = False) -> Progress:
    return Progress(style, stream, lambda: EPOCH, quiet=quiet)


def slowed(kind: Kind = "yours", share: float = 0.97, detail: str = "") -> Bottleneck:
    return Bottleneck(kind, "", share, "your limit", "your limit of 500/min", "raise it", detail)


class Broken(io.StringIO):
    """A stream whose reader has gone."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def write(self, text: str) -> int:
        self.tried += 1
        raise BrokenPipeError(32, "Broken pipe")


def test_a_plain_line_says_where_the_run_stands_how_fast_and_why_not_faster() -> None:
    stream = io.StringIO()
    shown = progress("plain", stream)
    shown.begin(12_000, 5961)

    shown.tick(snapshot(seconds_left=769.0, bottleneck=slowed()))

    assert stream.getvalue() == (
        "2026-11-22T02:10:00Z done 6,000/12,000 (50 %) ok 5,997 failed 3 · 468/min · left 12m49s"
        " · slowed by your limit (97 %)\n"
    )


def test_plain_lines_come_at_5_15_and_60_seconds_and_then_every_minute() -> None:
    stream = io.StringIO()
    shown = progress("plain", stream)
    shown.begin(12_000, 0)
    came = []

    for quarter in range(4 * 190):
        before = stream.tell()
        shown.tick(snapshot(done=quarter, seconds=quarter / 4))
        if stream.tell() > before:
            came.append(quarter / 4)

    assert came == [5, 15, 60, 120, 180]


def test_a_machine_that_slept_is_not_followed_by_a_burst_of_lines() -> None:
    stream = io.StringIO()
    shown = progress("plain", stream)
    shown.begin(12_000, 0)

    for seconds in (5.0, 3600.5, 3600.75, 3659.0):
        shown.tick(snapshot(seconds=seconds))

    assert stream.getvalue().count("\n") == 2


def test_the_rate_counts_only_what_was_done_since_the_last_line() -> None:
    stream = io.StringIO()
    shown = progress("plain", stream)
    shown.begin(12_000, 5000)
    shown.tick(snapshot(done=6000, seconds=5.0))

    shown.tick(snapshot(done=6001, seconds=15.0))

    assert " · 6.0/min · " in stream.getvalue().splitlines()[1]


def test_a_log_never_gets_a_carriage_return_or_an_escape() -> None:
    stream = io.StringIO()
    shown = progress("plain", stream)
    shown.begin(12_000, 0)

    shown.say("bad\r\x1b[2Jname\n2026 forged line")
    shown.tick(snapshot(seconds=90.0, bottleneck=slowed("gateway", detail="a\rb\x9bc")))
    shown.end()

    text = stream.getvalue()
    assert text.count("\n") == 3
    assert all(char.isprintable() for char in text.replace("\n", ""))


def test_a_bar_says_how_fast_it_goes_how_long_and_why_not_faster() -> None:
    stream = io.StringIO()
    shown = progress("bar", stream)
    shown.begin(12_000, 3000)

    shown.tick(snapshot(done=6000, rate=7.8, seconds_left=769.0, bottleneck=slowed()))
    shown.end()

    frames = [frame.rstrip() for frame in stream.getvalue().split("\r")]
    assert any(frame.endswith("| 3,000/12,000") for frame in frames)
    assert any(
        frame.endswith("| 6,000/12,000, 468/min, 12m49s left, your limit (97 %), 3 failed")
        for frame in frames
    )


def test_what_slows_a_run_down_fits_beside_a_bar_of_80_columns() -> None:
    now = snapshot(done=1_234_567, rate=200.0, seconds_left=769.0, bottleneck=slowed())

    bar = f"100% |{10 * '#'}| 1,234,567/9,999,999, {postfix(now)}"

    assert bar.index("(97 %)") + len("(97 %)") <= 80


def busy() -> Snapshot:
    return snapshot(
        retries=31,
        in_flight=64,
        rate=70.0,
        seconds_left=769.0,
        bottleneck=slowed(detail="key claude-* waits for 3 of 500"),
    )


FIELDS = [
    "4,200/min",
    "12m49s left",
    "your limit (97 %): key claude-* waits for 3 of 500",
    "3 failed",
    "31 retries",
    "64 in flight",
]


@pytest.mark.parametrize("columns", range(120))
def test_a_field_beside_the_bar_is_there_whole_or_not_at_all(columns: int) -> None:
    told = postfix(busy(), columns)

    assert len(told) <= columns
    fields = told.split(", ") if told else []
    whole = [*FIELDS, "your limit (97 %)"]
    assert all(field in whole for field in fields)
    # What people ask first is there before what they ask later.
    assert fields[:1] == [FIELDS[0]] or columns < len("12m49s left")


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        (40, []),
        (60, FIELDS[:2]),
        (80, [*FIELDS[:2], "your limit (97 %)"]),
        (120, FIELDS[:4]),
        (160, FIELDS),
    ],
)
def test_a_bar_on_a_terminal_ends_with_a_whole_field(columns: int, fields: list[str]) -> None:
    # Given a terminal of so many columns
    seen, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with open(seen, "rb", buffering=0) as screen:
        # When a bar is drawn there
        with open(terminal, "w", encoding="utf-8") as stream:
            shown = progress("bar", stream)
            shown.begin(12_000, 3000)
            shown.tick(busy())
            stream.flush()
        drawn = "".join(pieces_of(screen))

    # Then it holds these fields and no part of another
    _, _, bar = drawn.split("\r")
    assert len(bar) <= columns
    assert bar.partition("/12,000")[2] == "".join(f", {field}" for field in fields)


def pieces_of(screen: io.RawIOBase) -> Iterator[str]:
    """Yield what was written on a terminal, until nobody has it open any more."""
    with contextlib.suppress(OSError):
        while piece := screen.read(100_000):
            yield piece.decode()


def test_advice_is_given_once_for_each_cause_that_holds_for_long() -> None:
    stream = io.StringIO()
    shown = progress("none", stream)
    shown.begin(12_000, 0)

    for seconds, cause in (
        (59.0, slowed()),  # too early
        (60.0, slowed(share=0.4)),  # too little
        (61.0, slowed("window")),  # nothing to be done
        (62.0, slowed()),
        (63.0, slowed()),  # said already
        (64.0, slowed("cpu")),
        (65.0, None),
    ):
        shown.tick(snapshot(seconds=seconds, seconds_left=600.0, bottleneck=cause))

    line = "slowed by your limit of 500/min (97 % of the last minute): raise it\n"
    assert stream.getvalue() == 2 * line


def test_no_advice_is_given_for_a_run_that_is_soon_over_and_none_to_whom_wants_quiet() -> None:
    spoken, silent = io.StringIO(), io.StringIO()
    for stream, quiet, left in ((spoken, False, 30.0), (silent, True, 600.0)):
        shown = progress("none", stream, quiet)
        shown.begin(12_000, 0)
        shown.tick(snapshot(seconds=90.0, seconds_left=left, bottleneck=slowed()))

    assert (spoken.getvalue(), silent.getvalue()) == ("", "")


def test_a_message_stands_above_the_bar_which_is_drawn_again() -> None:
    stream = io.StringIO()
    shown = progress("bar", stream)
    shown.begin(12_000, 3000)

    shown.say("a torn tail was cut")
    shown.end()

    _, _, after = stream.getvalue().partition("a torn tail was cut")
    assert "3,000/12,000" in after


@pytest.mark.parametrize("style", ["bar", "plain", "none"])
def test_no_style_stumbles_over_an_empty_run(style: Style) -> None:
    shown = progress(style, io.StringIO())
    shown.begin(0, 0)

    shown.tick(snapshot(done=0, total=0, failed=0))
    shown.end()
    shown.end()


@pytest.mark.parametrize("style", ["bar", "plain", "none"])
def test_a_stream_that_breaks_ends_the_talking_and_not_the_run(style: Style) -> None:
    stream = Broken()
    shown = progress(style, stream)

    shown.begin(12_000, 0)
    shown.say("first")
    tried = stream.tried
    shown.tick(snapshot())
    shown.say("second")
    shown.end()

    assert stream.tried == tried > 0


def test_none_shows_messages_alone_and_quiet_not_even_those() -> None:
    spoken, silent = io.StringIO(), io.StringIO()
    for stream, quiet in ((spoken, False), (silent, True)):
        shown = progress("none", stream, quiet)
        shown.begin(12_000, 0)
        shown.tick(snapshot())
        shown.say("a note")
        shown.end()

    assert (spoken.getvalue(), silent.getvalue()) == ("a note\n", "")


@pytest.mark.parametrize(
    ("wanted", "columns", "term", "style"),
    [
        ("auto", 80, "xterm", "bar"),
        ("auto", 0, "xterm", "plain"),
        ("auto", 80, "dumb", "plain"),
        ("bar", 0, "dumb", "bar"),
        ("plain", 80, "xterm", "plain"),
        ("none", 80, "xterm", "none"),
    ],
)
def test_auto_is_a_bar_where_one_can_be_drawn(
    wanted: str, columns: int, term: str, style: str
) -> None:
    assert choose_style(wanted, columns=columns, term=term) == style


def test_the_fields_beside_the_bar_are_few_and_leave_out_what_is_nothing() -> None:
    full = snapshot(
        failed=1,
        pending_blocked=2,
        retries=3,
        in_flight=4,
        rate=0.1,
        seconds_left=90.0,
        bottleneck=slowed(),
    )

    assert postfix(full) == (
        "6.0/min, 1m30s left, your limit (97 %), 1 failed, 2 blocked, 3 retries, 4 in flight"
    )
    assert postfix(snapshot(failed=0)) == ""


def test_a_run_whose_lines_have_ended_has_no_time_left() -> None:
    done = snapshot(done=12_000, failed=0, rate=1.0, seconds_left=0.0)

    assert postfix(done) == "60/min"
    assert "left" not in plain_line(done, 1.0)


def test_tasks_that_are_waited_for_stand_beside_what_is_on_the_wire() -> None:
    waiting = snapshot(failed=0, in_flight=2, tasks=300)

    assert postfix(waiting) == "2 in flight + 300 tasks"
    assert "· 300 tasks" in plain_line(waiting, 1.0)


def test_a_run_that_stands_still_has_no_end_in_sight() -> None:
    assert "0.0/min · left ?" in plain_line(snapshot(), 0.0)


def test_not_quite_done_is_not_100_percent() -> None:
    assert "(99 %)" in plain_line(snapshot(done=11_999), 1.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0s"),
        (45, "45s"),
        (59.6, "1m00s"),
        (750, "12m30s"),
        (11_100, "3h05m"),
        (187_200, "2d04h"),
    ],
)
def test_a_span_has_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_only_what_can_be_seen_is_shown() -> None:
    assert visible("naïve 模型 🎉") == "naïve 模型 🎉"
    assert visible("a\x00b\x1b[31m\u202ec\ud800") == "a b [31m c "
