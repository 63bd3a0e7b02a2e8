"""Kill a run of video tasks again and again, and see that nothing is submitted or fetched in vain.

    python -m tests.proofs.tasks --lines 300 --kills 20

Gateway and run are processes of their own. A quarter of the kills fall while tasks are submitted,
the others when all are: while hundreds wait, while films are fetched, while a session starts. When
to kill depends on what the run has written, not on a clock.

at each kill   the lines with an intent and no id in the journal: at most as many as may be on the
               wire, and these alone will end as ``outcome_unknown``
at the end     a film or ``outcome_unknown`` for each line; no line was submitted twice; far more
               tasks waited at once than calls may be on the wire; each film is whole and was
               fetched once, but for those under way at a kill; no key went to the films' host;
               the same command again sends nothing
memory         a session in which all tasks wait takes no more than one with a tenth of them
"""

from __future__ import annotations

import hashlib
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import orjson

from tests.proofs.processes import (
    Gateway,
    Process,
    finish,
    gateway,
    lines_of,
    prove_at_scale,
    require,
    wait_until,
    wbatch,
)

MB: Final = 1_000_000
SAME: Final = 4 * MB  # between the memory of many waiting tasks and of few
LATENCY_MS: Final = 60  # of each answer: so that some are on the wire at any time
JITTER: Final = 0.5
AFTER: Final = 0.2  # seconds at most between what a kill waits for and the kill


class Scale(msgspec.Struct, frozen=True):
    """How large the proof is."""

    lines: int = 300
    kills: int = 20
    concurrency: int = 20
    wait: int = 30  # seconds from the submit to the film, more or less
    seed: int = 1


class Report(msgspec.Struct):
    """What was found."""

    scale: Scale
    films: int = 0
    unknown: int = 0
    worst: int = 0  # unknown by one kill
    submits: int = 0
    waiting: int = 0  # tasks that waited at once
    late: int = 0  # kills when all was submitted
    fetches: int = 0
    on_the_wire: int = 0  # calls at once, at most, as the gateway saw them
    memory: Mapping[str, int] = {}
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return it as text."""
        scale, memory = self.scale, self.memory
        return (
            f"kills      {scale.kills} in {self.seconds:.0f} s, {self.late} of them when all was "
            "submitted\n"
            f"records    {self.films} films, {self.unknown} outcome_unknown (at most {self.worst} "
            f"by one kill; allowed: {scale.concurrency}) for {scale.lines} lines\n"
            f"submits    {self.submits}, none for a line that had one\n"
            f"waiting    {self.waiting} tasks at once; calls on the wire: at most "
            f"{self.on_the_wire}\n"
            f"fetches    {self.fetches} for {self.films} films\n"
            f"memory     {memory['few'] / MB:.1f} MB with a tenth of the tasks, "
            f"{memory['many'] / MB:.1f} MB with all"
        )


class Lines:
    """The whole lines of a log that grows: each is read once, and a torn tail never."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0  # of the last whole line

    def fresh(self) -> list[bytes]:
        """Return those that were not there before."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._end)
            *whole, tail = file.read().split(b"\n")
            self._end = file.tell() - len(tail)
        return whole


class Journal:
    """What a run's journal and results say by now."""

    def __init__(self, folder: Path) -> None:
        self._journal = Lines(folder / "out.run" / "journal.jsonl")
        self._results = Lines(folder / "out.jsonl")
        self._answers = 0
        self._lines: dict[str, set[int]] = {"intent": set(), "task": set()}

    def results(self) -> int:
        """Return how many answers there are."""
        self._answers += len(self._results.fresh())
        return self._answers

    def submitted(self) -> set[int]:
        """Return the lines whose task is known by its id."""
        return self._read()["task"]

    def begun(self) -> set[int]:
        """Return the lines with an intent."""
        return self._read()["intent"]

    def lost(self) -> set[int]:
        """Return the lines with an intent and no id."""
        return self.begun() - self.submitted()

    def _read(self) -> Mapping[str, set[int]]:
        """Return the lines by the kinds of their entries."""
        for entry in map(orjson.loads, self._journal.fresh()):
            if entry["kind"] in self._lines:
                self._lines[entry["kind"]].add(entry["line"])
        return self._lines


class Loop:
    """One run and its kills."""

    def __init__(self, folder: Path, scale: Scale, mock: Gateway) -> None:
        self._folder = folder
        self._scale = scale
        self._mock = mock
        self._journal = Journal(folder)
        self._chance = Random(scale.seed)
        self._expected: set[int] = set()  # lines whose outcome cannot be known
        self._report = Report(scale)
        at = ("--base-url", mock.url, "-c", scale.concurrency, "--quiet")
        self._command = ("run", "in.jsonl", "-o", "out.jsonl", *at)

    def run(self) -> Report:
        """Kill as often as asked, let the run end, and check. Raises ``Failed``."""
        begun = time.monotonic()
        write_films(self._folder / "in.jsonl", self._scale.lines)
        for reached in self._targets():
            self._kill(reached)
        code, said = finish(self._folder, *self._command)
        require(code == (3 if self._expected else 0), f"the run ended with {code}: {said}")
        self._check()
        arrived = self._mock.counts()["arrived"]
        require(finish(self._folder, *self._command)[0] == code, "another code when repeated")
        require(self._mock.counts()["arrived"] == arrived, "a finished run sent requests")
        self._report.seconds = time.monotonic() - begun
        return self._report

    def _targets(self) -> Sequence[Callable[[], bool]]:
        """Return what each kill waits for."""
        scale, chance, journal = self._scale, self._chance, self._journal
        early = scale.kills // 4
        submits = sorted(chance.sample(range(5, scale.lines - 5), early))
        # Not the last films: on a slow machine many are due at once, and a session would end before
        # its kill.
        films = sorted(chance.sample(range(scale.lines // 2), scale.kills - early - 1))
        # The first of the late kills comes when all wait.
        return [
            *((lambda n=n: len(journal.begun()) >= n) for n in submits),
            self._all_submitted,
            *((lambda n=n: self._all_submitted() and journal.results() >= n) for n in films),
        ]

    def _all_submitted(self) -> bool:
        known = self._journal.submitted() | self._expected
        return len(known) >= self._scale.lines

    def _kill(self, reached: Callable[[], bool]) -> None:
        """Start a session, kill it at its moment, and note what cannot be known any more."""
        process = wbatch(self._folder, *self._command)
        with process:
            try:
                wait_until(lambda: reached() or process.poll() is not None, "the moment has come")
                time.sleep(self._chance.uniform(0, AFTER))
                self._look(process)
                process.send_signal(signal.SIGKILL)
            finally:
                process.kill()
        require(process.returncode == -signal.SIGKILL, "a session ended before it was killed")
        lost = self._journal.lost() - self._expected
        self._expected |= lost
        report = self._report
        report.worst = max(report.worst, len(lost))
        require(len(lost) <= self._scale.concurrency, f"one kill lost {len(lost)} lines")

    def _look(self, process: Process) -> None:
        report, journal = self._report, self._journal
        if self._all_submitted():
            report.late += 1
        waiting = len(journal.submitted()) - journal.results()
        if waiting > report.waiting:
            report.waiting = waiting
            report.memory = {"many": peak(process)}

    def _check(self) -> None:
        report, scale = self._report, self._scale
        results = lines_of(self._folder / "out.jsonl")
        errors = lines_of(self._folder / "out.run" / "errors.jsonl")
        ended = sorted(record["x_run"]["line"] for record in (*results, *errors))
        require(ended == list(range(1, scale.lines + 1)), "a line has no record, or two")
        unknown = {record["x_run"]["line"] for record in errors}
        classes = Counter(record["x_run"]["class"] for record in errors)
        require(set(classes) <= {"outcome_unknown"}, f"other failures: {classes}")
        require(unknown == self._expected, f"{unknown ^ self._expected} ended otherwise")
        report.films, report.unknown = len(results), len(unknown)
        self._films(results)
        self._rows()

    def _films(self, results: Sequence[Mapping[str, Any]]) -> None:
        folder = self._folder / "out.run" / "files"
        named = set()
        for record in results:
            (file,) = record["x_run"]["files"]
            data = (folder / file["path"]).read_bytes()
            whole = (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
            require(whole and file["type"] == "video/mp4", f"no whole film: {file}")
            named.add(file["path"])
        require(len(named) == len(results), "two lines have the same film")
        left = {path.name for path in folder.iterdir() if path.suffix != ".part"} - named
        require(not left, f"films of nobody: {left}")

    def _rows(self) -> None:
        report = self._report
        rows = self._mock.rows()
        submits = Counter(row["prompt"] for row in rows if row["method"] == "POST")
        require(max(submits.values()) == 1, "a line was submitted twice")
        report.submits = sum(submits.values())
        require(report.submits <= self._scale.lines, "more submits than lines")
        films = [row for row in rows if "/files/" in row["path"] or "/content" in row["path"]]
        report.fetches = len(films)
        again = report.fetches - report.films
        require(again <= 2 * self._scale.concurrency * self._scale.kills, "films fetched in vain")
        told = {row["key"] for row in films if "/files/" in row["path"]}
        require(told <= {"none"}, "a key went to the films' host")
        require(
            report.waiting > 8 * self._scale.concurrency or self._scale.lines < 200,
            f"only {report.waiting} tasks waited at once",
        )
        report.on_the_wire = self._mock.counts()["max_in_flight"]


def write_films(path: Path, lines: int) -> None:
    """Write a file of video tasks, each with a prompt of its own."""
    with path.open("wb") as file:
        for number in range(1, lines + 1):
            body = {"model": "sora-2", "prompt": f"Scene {number}: rain on a roof.", "seconds": "4"}
            line = {"custom_id": f"film-{number}", "url": "/v1/videos", "body": body}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def peak(process: Process) -> int:
    """Return the high-water mark of a process so far, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    require(found, "the kernel tells no memory")
    assert found is not None
    return 1024 * int(found[1])


def _few(scale: Scale) -> int:
    """Return the memory of a session in which a tenth of the tasks wait."""
    with _world(scale) as (folder, mock):
        write_films(folder / "in.jsonl", scale.lines // 10)
        journal = Journal(folder)
        command = ("run", "in.jsonl", "-o", "out.jsonl", "--base-url", mock.url, "--quiet")
        with wbatch(folder, *command, "-c", scale.concurrency) as process:
            wait_until(lambda: len(journal.submitted()) == scale.lines // 10, "all wait")
            time.sleep(AFTER)
            used = peak(process)
            process.kill()
    return used


@contextmanager
def _world(scale: Scale) -> Iterator[tuple[Path, Gateway]]:
    """Open a folder with a gateway."""
    dials = ("--latency", LATENCY_MS, "--jitter", JITTER, "--task", 1000 * scale.wait)
    with tempfile.TemporaryDirectory() as name, gateway(Path(name), *dials) as mock:
        yield Path(name), mock


def prove(scale: Scale) -> Report:
    """Prove it at a scale. Raises ``Failed``."""
    with _world(scale) as (folder, mock):
        report = Loop(folder, scale, mock).run()
    few = _few(scale)
    report.memory = {"few": few, **report.memory}
    grown = report.memory["many"] - few
    require(grown <= SAME, f"memory grows with the tasks that wait:\n{report}")
    require(report.late * 2 >= scale.kills, f"too many kills came early:\n{report}")
    require(report.films * 3 >= scale.lines * 2, f"too few films:\n{report}")
    return report


if __name__ == "__main__":
    prove_at_scale(__doc__, Scale, prove)
