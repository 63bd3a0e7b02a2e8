"""Everything that can happen to a run, in any order: a hypothesis state machine over the house.

``python -m tests.stateful`` runs it at any size, ``test_machine.py`` in small. What must hold after
each rule stands in ``promises.py``.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.stateful.asked import SETUPS
from tests.stateful.disk import Crash
from tests.stateful.gateway import DEEDS
from tests.stateful.promises import require
from tests.stateful.world import World

CLASSES = ("outcome_unknown", "refused", "server_error", "interrupted", "label_invalid", "no_media")
OPERATIONS = 60  # of files, of one session, before which it may crash

deeds = st.lists(st.sampled_from(sorted(DEEDS)), max_size=10)
powers = st.none() | st.integers(0, 999)
crashes = st.builds(Crash, operation=st.integers(0, OPERATIONS), power=powers) | st.builds(
    Crash,
    seconds=st.sampled_from([0.001, 0.005, 0.011, 0.02, 0.05, 0.5, 5.0, 11.0, 30.0]),
    power=powers,
)
kinds = st.lists(st.integers(0, 5), min_size=1, max_size=4)
places = st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99])


class Life(RuleBasedStateMachine):
    """A run's life."""

    folder: Path  # where its input is
    tally: Counter[str]

    @initialize(
        setup=st.sampled_from(sorted(SETUPS)),
        concurrency=st.sampled_from([1, 2, 4, 8]),
        more=kinds,
    )
    def begin(self, setup: str, concurrency: int, more: list[int]) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.world = World(self.folder, setup, concurrency)
        self.add([0, *more])

    @rule(numbers=kinds)
    def add(self, numbers: list[int]) -> None:
        self._count("lines added")
        known = SETUPS[self.world.asked.setup]
        self.world.asked.add([known[number % len(known)] for number in numbers])

    @rule(which=st.integers(0, 99))
    def edit_a_line(self, which: int) -> None:
        self._count("lines edited")
        lines = [line for line in self.world.asked.lines if line.kind != "blank"]
        self.world.asked.edit(lines[which % len(lines)])

    @precondition(lambda self: any(len(one.versions) > 1 for one in self.world.asked.lines))
    @rule()
    def bring_all_lines_back(self) -> None:
        self._count("lines brought back")
        for line in self.world.asked.lines:
            while len(line.versions) > 1:
                self.world.asked.restore(line)

    @rule(which=st.integers(0, 2), value=st.integers(0, 2))
    def change_a_setting(self, which: int, value: int) -> None:
        self._count("settings changed")
        names = self.world.asked.changes
        self.world.asked.change(names[which % len(names)], value)

    @rule(deeds=deeds)
    def run(self, deeds: list[str]) -> None:
        self._count("runs")
        self.world.run(deeds)

    @rule(deeds=deeds, crash=crashes)
    def run_and_crash(self, deeds: list[str], crash: Crash) -> None:
        self._count("runs to crash")
        self.world.run(deeds, crash)

    @rule(deeds=deeds, head=st.integers(1, 8))
    def run_the_head(self, deeds: list[str], head: int) -> None:
        self._count("runs of the head")
        self.world.run(deeds, head=head)

    @rule(deeds=deeds, crash=st.none() | crashes)
    def keep_answers(self, deeds: list[str], crash: Crash | None) -> None:
        self._count("runs that keep answers")
        self.world.run(deeds, crash, keep_answers=True)

    @rule(deeds=deeds, crash=st.none() | crashes)
    def start_over(self, deeds: list[str], crash: Crash | None) -> None:
        self._count("new runs")
        self.world.run(deeds, crash, new_run=True)

    @rule(
        deeds=deeds,
        crash=st.none() | crashes,
        only=st.none() | st.sampled_from(CLASSES).map(lambda name: frozenset({name})),
        ambiguous=st.booleans(),
    )
    def retry(
        self, deeds: list[str], crash: Crash | None, only: frozenset[str] | None, ambiguous: bool
    ) -> None:
        self._count("retries")
        self.world.retry(only, ambiguous, deeds, crash)

    @rule()
    def write_beside(self) -> None:
        self._count("second writers")
        self.world.second_writer()

    @rule(deeds=deeds, seconds=st.sampled_from([0.005, 0.015, 1.0, 12.0]))
    def run_while_another_comes(self, deeds: list[str], seconds: float) -> None:
        self._count("runs with a second writer")
        self.world.run(deeds, intruder=seconds)

    @rule()
    def delete_the_cache(self) -> None:
        self._count("caches deleted")
        self.world.delete_cache()

    @rule(log=st.integers(0, 2), place=places)
    def truncate_a_log(self, log: int, place: float) -> None:
        self._count("logs truncated")
        self.world.truncate(log, place)

    @rule(
        log=st.integers(0, 2),
        place=places,
        fill=st.sampled_from([b"#", b"\0\0\0\0", b"{}{}"]),
        cached=st.booleans(),
    )
    def damage_a_log(self, log: int, place: float, fill: bytes, cached: bool) -> None:
        self._count("logs damaged")
        self.world.damage(log, place, fill, cached)

    def teardown(self) -> None:
        """Let all be well at last: then every line asked for has its record."""
        world = getattr(self, "world", None)
        if world is None or sys.exc_info()[1] is not None:
            return
        ended = world.run()
        if ended.refusal is not None:
            ended = world.run(new_run=True)
        require(ended.code in (0, 3), f"all is well, and the run ends with {ended.code}")
        self.tally.update(world.counts)
        self.tally["examples"] += 1

    def _count(self, what: str) -> None:
        self.tally["rules"] += 1
        self.tally[what] += 1


def life(folder: Path, tally: Counter[str]) -> type[Life]:
    """Return the machine with its folder, and with a tally that it keeps."""
    return type("Life", (Life,), {"folder": folder, "tally": tally})
