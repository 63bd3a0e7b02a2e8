from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from batch.pricing import Price
from batch.settings.apart import Apart, started
from batch.settings.pricelist import listed
from batch.usage import Meter

AT = 1_795_800_000.0
HALF = Decimal("0.5")


def here(model: str, at: float) -> Price | None:
    look = listed(HALF)
    assert look is not None
    return look(model, at)


@pytest.mark.parametrize(
    "model", ["gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "whisper-1", "of nobody"]
)
def test_another_process_knows_the_same_prices_to_the_last_digit(model: str) -> None:
    apart = Apart(HALF, here)

    found = [apart(model, AT), apart(model, AT)]

    assert found == [here(model, AT)] * 2
    assert (found[0] is None) == (model == "of nobody")


def test_one_that_has_ended_is_started_anew() -> None:
    children: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        children.append(started())
        return children[-1]

    apart = Apart(HALF, here, start)
    first = apart("gpt-4o-mini", AT)
    children[0].kill()
    children[0].wait()

    second = apart("gpt-4o", AT)

    assert len(children) == 2
    assert first == here("gpt-4o-mini", AT)
    assert second == here("gpt-4o", AT)


@pytest.mark.parametrize("command", [[sys.executable, "-c", "pass"], ["/nowhere/at/all"]])
def test_where_no_other_process_can_be_had_it_is_looked_up_here(command: list[str]) -> None:
    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    price = Apart(Decimal(1), lambda model, at: Price({}, "here", per_request=HALF), start)

    found = price("gpt-4o-mini", AT)

    assert found is not None
    assert found.source == "here"
    assert Meter.INPUT not in found.rates
