"""Thirty nights against a gateway that keeps books: kills, missing inputs, the clocks changed.

Commands and gateway are processes of their own, and the kills are real. After each command whatever
stands in a day's place is the whole day; at the end every day whose input ever came is there; and
no line was sent again whose record had been on disk when a command was killed.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.nightly.kit import KILLED, Site, calendar, ended, night_after
from tests.proofs.processes import Gateway, gateway
from tests.transport.kit import TLS_FILE

LINES: Final = 3  # of a day
NEVER_REACHED: Final = 1_000_000
DAYS: Final = calendar("2026-03-10", 30)  # in Berlin the clocks go forward on the 29th
NEVER: Final = DAYS[20]  # its input does not come
LATE: Final = {DAYS[4]: 1, DAYS[11]: 2, DAYS[12]: 2}  # and theirs so many nights late
OFF: Final = (DAYS[15], DAYS[16])  # in the nights after these nobody starts anything
AT_OPERATION: Final = {2: 1, 3: 9, 6: 17, 8: 24, 10: 31, 14: 38, 19: 45, 23: 52, 25: 58, 28: 63}
AT_ANY_TIME: Final = (1, 5, 9, 18, 22, 27)
TWICE: Final = (7, 19)  # two are started at once


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), "--latency", 5) as serving:
        yield serving


def a_site(folder: Path, books: Gateway) -> Site:
    folder.mkdir(exist_ok=True)
    # A bundle of one certificate is read at once, and half of a small night is the reading.
    more = (
        f'[gateway]\nbase_url = "{books.url}"\nca_bundle = "{TLS_FILE}"\n'
        "[limits]\nconcurrency = 1\n"
    )
    site = Site(folder, 'when_missing = "skip"\nlatest = "latest"', more)
    (folder / ".env").write_text("OPENAI_API_KEY=sk-of-a-night\n")
    (folder / ".env").chmod(0o600)
    return site


class Watch:
    """Compares what was on disk when a command was killed with what was sent after it."""

    def __init__(self, site: Site, books: Gateway) -> None:
        self.site, self.books = site, books
        self.kills: Counter[str] = Counter()  # by day that was made just then
        self._safe: set[str] = set()
        self._seen = 0

    def look(self) -> None:
        """Fail if a line was sent again that was safe, or if a day that is there is not whole."""
        rows = self.books.rows()
        again = [row["prompt"] for row in rows[self._seen :] if row["prompt"] in self._safe]
        assert again == []
        self._seen = len(rows)
        for day in DAYS:
            self._safe |= {f"{day}, line {line}" for line in self.site.recorded(day)}
        for day in self.site.days():
            assert self.site.recorded(day) == set(range(1, LINES + 1))
            told = self.site.summary(day)
            assert told["status"] == "completed"
            assert told["x_run"]["folder"] == str(self.site.triage / day / "answers.run")

    def killed(self, code: int) -> None:
        """Note which day was made when a command was killed."""
        if code == KILLED:
            for name in self.site.hidden():
                if name.endswith(".lock"):
                    self.kills[name[1:-5]] += 1


def sent(books: Gateway, since: int = 0) -> Counter[str]:
    return Counter(str(row["prompt"]) for row in books.rows()[since:])


def start_and_kill(site: Site, after: float, at: float) -> int:
    """Start a command, and kill it after so many seconds; return its exit code."""
    pid = site.start("--catch-up", 3, at=at)
    time.sleep(after)  # a kill at any time needs a clock that is real
    os.kill(pid, signal.SIGKILL)
    return ended(pid)


def test_thirty_nights_leave_each_day_whole_or_absent_and_nothing_is_sent_twice(
    tmp_path: Path, books: Gateway
) -> None:
    chance = Random(5)
    site = a_site(tmp_path / "site", books)
    watch, codes = Watch(site, books), Counter[int]()
    begun = len(books.rows())

    for number, day in enumerate(DAYS):
        for late in [day, *(one for one, nights in LATE.items() if DAYS[number - nights] == one)]:
            if late != NEVER and (late != day or day not in LATE):
                site.receive(late)
        if day in OFF:
            continue
        at = night_after(day)
        flags = ("--catch-up", 3)
        if number in AT_ANY_TIME:
            code = start_and_kill(site, chance.uniform(0.0, 0.15), at)
        elif number in TWICE:
            both = [site.start(*flags, at=at) for _ in range(2)]
            code = max(map(ended, both))
        else:
            code = site.night(*flags, at=at, kill_at=AT_OPERATION.get(number))
        codes[code] += 1
        watch.killed(code)
        watch.look()
    for _ in range(2):
        assert site.night("--catch-up", 29, at=night_after(DAYS[-1])) == 0
        watch.look()

    assert set(codes) <= {0, 75, KILLED}
    assert codes[KILLED] >= len(AT_OPERATION) - 2
    assert site.days() == [day for day in DAYS if day != NEVER]
    assert site.hidden() == []
    assert os.readlink(site.folder / "latest") == f"triage/{DAYS[-1]}"
    times = sent(books, begun)
    assert set(times) == {f"{day}, line {n}" for day in DAYS if day != NEVER for n in (1, 2, 3)}
    for day in DAYS:
        repeats = sum(times[f"{day}, line {line}"] - 1 for line in (1, 2, 3) if day != NEVER)
        assert repeats <= 2 * watch.kills[day]


def test_a_kill_before_a_file_operation_of_a_night_costs_at_most_what_was_under_way(
    tmp_path: Path, books: Gateway
) -> None:
    day = DAYS[0]
    at = night_after(day)
    left_alone = a_site(tmp_path / "left-alone", books)
    left_alone.receive(day)
    assert left_alone.night(at=at, kill_at=NEVER_REACHED) == 0
    operations = int((left_alone.folder / "operations").read_text())
    there = []

    # All of those by which a day ends and is published, and some of those before.
    for operation in (*range(1, operations - 10, 12), *range(operations - 10, operations + 1)):
        site = a_site(tmp_path / f"site-{operation}", books)
        site.receive(day)
        begun = len(books.rows())

        assert site.night(at=at, kill_at=operation) == KILLED
        safe = site.recorded(day)
        there.append(site.days())
        assert site.night(at=at) == 0

        assert site.recorded(day) == {1, 2, 3}
        assert (site.days(), site.hidden()) == ([day], [])
        times = sent(books, begun)
        assert all(times[f"{day}, line {line}"] == 1 for line in safe)
        assert sum(times.values()) <= LINES + 2
    assert [there[0], there[-1]] == [[], [day]]
    assert there == sorted(there)
