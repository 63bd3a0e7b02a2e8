"""What happens in a run and is worth a line of its log."""

from __future__ import annotations

from batch.errors import Throttled
from batch.gate.breakers import Breaker
from batch.gate.holdups import Holdup
from batch.session.event import Changes, asked_again

SILENT = Holdup("silence", "no answer from the gateway, trying: HTTP 502")
LIMIT = Holdup("yours", "limit of 500 requests/min")


def test_a_line_that_is_asked_again_is_told_with_why_and_when() -> None:
    event = asked_again(7, 2, Throttled("HTTP 429: slow down.", status=429), 1.25)

    assert (event.event, event.line, event.attempt) == ("retry", 7, 2)
    assert (event.code, event.status, event.wait_s) == ("rate_limited", 429, 1.25)
    assert event.message == "line 7: HTTP 429: slow down. It is asked again in 1.2 s"
    assert asked_again(7, 2, Throttled("x"), 0.0).message.endswith("as soon as it may be")


def test_what_is_closed_is_told_once_and_again_when_it_is_open() -> None:
    changes, bad = Changes(), Breaker("key", "m", "KEY", message="HTTP 401")

    first = [*changes.closures([bad])]
    second = [*changes.closures([bad])]
    bad.mended = True
    third = [*changes.closures([bad])]
    bad.mended = False
    fourth = [*changes.closures([bad])]

    assert [(one.event, one.message) for one in first] == [("closed", "key 'KEY': HTTP 401")]
    assert second == []
    assert [one.event for one in third] == ["opened"]
    assert [one.event for one in fourth] == ["closed"]


def test_a_gateway_that_falls_silent_is_told_once_until_it_answers() -> None:
    changes = Changes()

    told = [
        [one.event for one in changes.silence(holdup, down=down)]
        for holdup, down in (
            (None, False),
            (LIMIT, False),
            (SILENT, True),
            (SILENT, True),
            (None, True),  # somebody tries whether it is back
            (SILENT, True),
            (LIMIT, False),
            (None, False),
            (SILENT, True),
        )
    ]

    assert told == [[], [], ["paused"], [], [], [], ["resumed"], [], ["paused"]]
