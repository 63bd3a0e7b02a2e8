"""Why a session ends, and how much time that leaves to what is on the wire."""

from __future__ import annotations

import asyncio
import signal

import pytest

from batch.errors import CAPPED
from batch.halt import Halt
from batch.session.ending import Ending, signals
from batch.session.runlog import Watches
from batch.signals import restored
from tests.proofs.processes import heeding


@pytest.mark.parametrize(("code", "pressed"), [(CAPPED, False), (69, True), (78, True)])
def test_only_a_limit_of_the_runs_own_leaves_what_was_sent_all_its_time(code, pressed):
    halt = Halt()

    Ending(halt, Watches()).stop(code, "for a reason")

    assert (halt.reason, halt.is_pressed) == ("for a reason", pressed)


def test_a_signal_then_leaves_it_a_moment_and_a_second_one_none():
    said: list[str] = []

    class Heard(Watches):
        def say(self, message: str) -> None:
            said.append(message)

    ending = Ending(Halt(), Heard())
    ending.stop(CAPPED, "--max-duration is over")

    ending.on_signal(signal.SIGTERM)
    ending.on_signal(signal.SIGTERM)

    assert [one.partition(",")[0] for one in said] == [
        "--max-duration is over: sending no more",
        "SIGTERM: sending no more",
        "stopping now",
    ]
    assert ending.reasons == {CAPPED: "--max-duration is over", 143: "by SIGTERM"}


def test_ctrl_c_costs_nobody_the_closing_words_and_means_the_same_again_after_them():
    said: list[str] = []

    async def run() -> None:
        with signals(Ending(Halt(), Watches())):
            pass
        signal.raise_signal(signal.SIGINT)
        said.append("the closing words")

    with heeding():
        with restored():
            asyncio.run(run())
        meaning = signal.getsignal(signal.SIGINT)

    assert said == ["the closing words"]
    assert meaning is signal.default_int_handler
