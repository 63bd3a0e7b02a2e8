"""What a gateway, or something in front of it, can do wrong, and what becomes of a line then."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.catalogues import bad_gateways_large as large
from tests.catalogues.bad_gateways_bytes import BODIES, BORNE, FRAMING
from tests.catalogues.bad_gateways_media import FETCHES, PICTURES, POLLS, SUBMITS
from tests.catalogues.bad_gateways_streams import STREAMS, UNASKED
from tests.catalogues.bad_gateways_time import SLOW, SLOW_STREAMS
from tests.catalogues.bad_gateways_words import CHATS, CLOSERS, ELSEWHERE, LAST, LIMITS, STATUSES
from tests.catalogues.kit import End, Line, Ran, ask, lines

RUNS: Final[dict[str, tuple[Sequence[Line], Sequence[object]]]] = {
    "framing of chats": (lines(FRAMING, "chat"), ()),
    "framing of streams": (lines(FRAMING, "stream"), ()),
    "framing of what is paid once": (lines(FRAMING, "image", "submit"), ()),
    "framing of questions and files": (lines(FRAMING, "poll", "fetch"), ()),
    "borne": (lines(BORNE, "chat", "stream", "image", "submit", "poll", "fetch"), ()),
    "bodies": (lines(BODIES, "chat", "image"), ()),
    "statuses": (lines(STATUSES, "chat", "image"), ()),
    "chats": (lines((*CHATS, *UNASKED), "chat"), ()),
    "streams": ((*lines(STREAMS, "stream"),), ()),
    "limits": (lines(LIMITS, "chat"), ()),
    "with one attempt": (lines(LAST, "chat"), ("--max-attempts", 1)),
    "pictures, films and files": (
        (
            *lines(PICTURES, "image"),
            *lines(SUBMITS, "submit"),
            *lines(POLLS, "poll"),
            *lines(FETCHES, "fetch"),
        ),
        (),
    ),
    "slow": (
        (*lines(SLOW, "chat", "image"), *lines(SLOW_STREAMS, "stream")),
        ("-c", 7, "--timeout", 1.2, "--media-timeout", 1.2, "--idle-timeout", 0.8),
    ),
    "what sends elsewhere": (lines(ELSEWHERE, "chat", "submit"), ()),
    "what closes a key or a model": (lines(CLOSERS, "chat", "submit"), ()),
}


@pytest.mark.parametrize(("rows", "flags"), RUNS.values(), ids=RUNS.keys())
def test_each_row_ends_as_the_table_says(
    rows: Sequence[Line], flags: Sequence[object], tmp_path: Path
) -> None:
    ran = ask(tmp_path, rows, *flags)

    assert not _wrong_ends(ran, rows)
    assert ran.ended.code == _code(rows)
    assert not _odd_messages(ran, rows)
    _require_secrets_kept(ran)
    _require_usage_is_known_or_not(ran)


# Which of the 75 are no rows of these tables, and where they are tested.
ALONE: Final = "catalogues/test_bad_gateways_alone.py"
NO_ROWS: Final = {
    **dict.fromkeys((37, 69, 70, 71), f"{ALONE}::test_a_gateway_that_answers_nobody"),
    **dict.fromkeys((45, 46, 48), f"{ALONE}::test_what_no_request_can_mend"),
    47: f"{ALONE}::test_a_key_that_expires_in_the_middle",
    68: f"{ALONE}::test_a_certificate_that_is_no_good",
    72: "engine/test_retries.py::test_retries_are_a_tenth_of_the_answers",
    74: "adapt/test_queueing.py::test_answers_that_take_longer_for_another_reason",
}
COUNT: Final = 75


def test_each_behaviour_of_the_list_is_a_row_somewhere() -> None:
    rows = [row for rows, _ in (*RUNS.values(), (LARGE, ())) for row in rows]
    covered = {number for row in rows for number in row.odd.covers}

    assert covered | NO_ROWS.keys() == set(range(1, COUNT + 1))
    for place in NO_ROWS.values():
        path, _, name = place.partition("::")
        assert f"def {name}" in (Path(__file__).parents[1] / path).read_text()


LARGE: Final = (
    *lines(large.CHATS, "chat"),
    *lines(large.STREAMS, "stream"),
    *lines(large.PICTURES, "image"),
)


def test_what_is_too_large_is_given_up_in_bounded_memory(tmp_path: Path) -> None:
    some = [row for row in LARGE if row.odd.name in large.SOME]

    ran = ask(tmp_path, some, "-c", 1, "--max-attempts", 1)

    assert not _wrong_ends(ran, some)
    assert not _odd_messages(ran, some)
    assert ran.ended.peak < large.PEAK_OF_ONE


def _code(rows: Sequence[Line]) -> int:
    ends = {row.end.how for row in rows}
    if "pending" in ends:
        return 77
    return 3 if ends - {"answered"} else 0


MORE: Final = 2  # attempts of a line that meets trouble, on a busy machine


def _wrong_ends(ran: Ran, rows: Sequence[Line]) -> dict[str, tuple[End, End]]:
    """Return rows that did not end as they must: how they did, and how they must."""
    found = {row.name: (ran.end(row), row.end) for row in rows}
    assert len(found) == len(rows), "two rows have one name"
    return {name: ends for name, ends in found.items() if not _is_as_it_must(*ends)}


def _is_as_it_must(found: End, must: End) -> bool:
    # Attempts do not count while nobody else is answered, and on a busy machine that may be so.
    more = MORE if must.how == "server_error" else 0
    return found.how == must.how and must.sent <= found.sent <= must.sent + more


def _odd_messages(ran: Ran, rows: Sequence[Line]) -> list[tuple[str, str]]:
    """Return rows with messages that do not say what they must, or are nothing for people."""
    errors = [row for row in rows if row.end.how not in ("answered", "pending")]
    said = {row: ran.ended.message(row.token) for row in errors}
    return [
        (row.odd.name, text)
        for row, text in said.items()
        if not re.search(row.odd.says, text) or not text.isprintable() or not 10 < len(text) < 800
    ]


def _require_secrets_kept(ran: Ran) -> None:
    for got in ran.gateway.got:
        assert "cookie" not in got.headers
        assert ("authorization" in got.headers) is not got.line.startswith("GET /files/")
    assert "\x1b" not in ran.ended.said


def _require_usage_is_known_or_not(ran: Ran) -> None:
    """What nobody knows is null, and never a guess or a 0 for it."""
    for record in ran.ended.records().values():
        for value in (record["x_run"]["usage"] or {}).values():
            assert value is None or (type(value) in (int, float) and 0 <= value < 10**12)
