from __future__ import annotations

import pytest

from batch.mock._ratelimit import said, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.012, "12ms"),
        (0.9996, "1s"),
        (1, "1s"),
        (7.66, "7.66s"),
        (59.9999, "1m0s"),
        (73.5, "1m13.5s"),
        (360, "6m0s"),
        (3600, "1h0m0s"),
        (86_399, "23h59m59s"),
    ],
)
def test_a_time_is_told_in_the_vendor_s_notation(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_what_is_left_is_told_in_whole_units() -> None:
    assert said("tokens", 150_000, 149.9, 0.05) == {
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149",
        "x-ratelimit-reset-tokens": "50ms",
    }
