"""Kill a run with SIGKILL again and again, and check every line and every token of what it leaves.

    python -m tests.proofs.kills --lines 20000 --kills 500

Gateway and run are processes of their own, and the gateway fails in every way it knows. The kills
fall all over the run: while a session starts and reads what is there, at work, between the last
record and the end, and after it. When to kill depends on what the run has done, not on a clock, so
that a slow machine sees the same run. After some of the kills half a line is left in a log, as a
power loss may leave it; now and then SIGTERM ends a session in order, which leaves a checkpoint.

after each kill   every log is JSONL but for one torn tail; what was whole has not changed (logs)
at the end        one terminal record for each line, with its custom_id; exit code 0 or 3; the same
                  command again sends nothing and returns the same; every token (reckoning)
repeats           a paid request that no record tells of, because of a kill, and whose line was
                  therefore asked again: for one kill at most twice the concurrency
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from tests.proofs.processes import (
    FAULTS,
    Gateway,
    gateway,
    prove_at_scale,
    require,
    settled,
    write_prompts,
)
from tests.proofs.reckoning import Reckoning, Row, Terms
from tests.proofs.sessions import Sessions

LATENCY_MS: Final = 10
MUTE: Final = 200  # one line in so many asks nothing, and is an error without a request
STARTING: Final = 6  # one kill in so many comes while a session starts
STOPPED: Final = 10  # before one kill in so many a session is ended in order


class Scale(msgspec.Struct, frozen=True):
    """How large the proof is."""

    lines: int = 20_000
    kills: int = 500
    concurrency: int = 32
    seed: int = 1


class Report(msgspec.Struct):
    """What was found."""

    scale: Scale
    terms: Terms
    results: int
    errors: int
    code: int
    kills: Mapping[str, int]  # by when they came
    torn: Mapping[str, int]  # tails, by who left them
    seconds: float = 0.0

    @property
    def worst(self) -> int:
        """Return the most paid requests that one kill repeated."""
        return max(self.terms.repeats.values(), default=0)

    def __str__(self) -> str:
        """Return it as text."""
        terms, lines = self.terms, self.scale.lines
        return (
            f"kills      {self.scale.kills} in {self.seconds:.0f} s: {_counted(self.kills)}\n"
            f"records    {self.results + self.errors:,} for {lines:,} lines: {self.results:,} "
            f"results, {self.errors:,} errors; exit code {self.code}, twice\n"
            f"repeats    {terms.killed.count:,} paid requests, at most {self.worst} by one kill "
            f"(allowed: {2 * self.scale.concurrency}); {terms.undelivered:,} were not delivered\n"
            f"torn tails {_counted(self.torn)}\n"
            f"cut        {terms.cut.count:,} answers; of {terms.cut_untold:,} no record tells\n"
            f"{terms.table()}"
        )


class Loop:
    """One run and its kills."""

    def __init__(self, folder: Path, scale: Scale, mock: Gateway) -> None:
        self._folder = folder
        self._scale = scale
        self._mock = mock
        self._prompts = {
            n: f"Line {n} asks for an answer." if n % MUTE else None
            for n in range(1, scale.lines + 1)
        }
        at = ("--base-url", mock.url, "-c", scale.concurrency, "--max-attempts", 1000, "--quiet")
        command = ("run", "in.jsonl", "-o", "out.jsonl", *settled(folder), *at)
        self.sessions = Sessions(folder, command, scale.seed)
        self._logs = self.sessions.logs

    def run(self) -> Report:
        """Kill as often as asked, let the run end, and check. Raises ``Failed``."""
        begun = time.monotonic()
        sessions = self.sessions
        write_prompts(self._folder / "in.jsonl", self._prompts)
        self.disturb(targets(self._scale))
        code = sessions.finish()
        rows = self._rows()
        require(sessions.finish() == code, "a finished run ended with another code when repeated")
        arrived = self._mock.counts()["arrived"]
        require(arrived == len(rows), "a finished run sent requests when repeated")
        report = self._check(code, rows)
        report.seconds = time.monotonic() - begun
        return report

    def disturb(self, moments: Sequence[int | None]) -> None:
        """Kill a session at each of these moments."""
        for number, target in enumerate(moments):
            if number % STOPPED == STOPPED // 2:
                self.sessions.stop()
            if not self.sessions.kill(target):
                # It was faster than the kill: from now on a session has nothing left to do.
                while not self.sessions.kill(None):
                    pass

    def _check(self, code: int, rows: Sequence[Row]) -> Report:
        """Check what a finished run has left."""
        logs, sessions = self._logs, self.sessions
        results, errors = len(logs.results.records), len(logs.errors.records)
        require((code == 3) == (errors > 0), f"exit code {code} with {errors} errors")
        self._every_line_once()
        reckoning = Reckoning(logs, rows, sessions.killed, sessions.stopped)
        terms = reckoning.settle(self._folder / "out.run" / "usage.jsonl")
        kills = {
            "before their session's first record": len(sessions.killed - logs.sessions()),
            "after it": len(sessions.killed & logs.sessions()),
            "sessions ended in order besides": len(sessions.stopped),
        }
        report = Report(self._scale, terms, results, errors, code, kills, sessions.torn)
        allowed = 2 * self._scale.concurrency
        require(report.worst <= allowed, f"one kill repeated too many paid requests:\n{report}")
        return report

    def _rows(self) -> list[Row]:
        """Return the gateway's rows, each with the line and the session that it belongs to."""
        lines = {prompt: number for number, prompt in self._prompts.items() if prompt}
        marks = self.sessions.by_mark()
        return [
            row | {"line": lines[row["prompt"]], "session": marks[row["key"]]}
            for row in self._mock.rows()
        ]

    def _every_line_once(self) -> None:
        ids = {}
        for log in (self._logs.results, self._logs.errors):
            for _, record in log.records:
                line = record["x_run"]["line"]
                require(line not in ids, f"line {line} has two records")
                ids[line] = record["custom_id"]
        lost = [line for line in self._prompts if line not in ids]
        require(not lost, f"{len(lost)} lines have no record, such as {lost[:3]}")
        require(ids == {n: f"row-{n}" for n in self._prompts}, "a record has another line's id")


def targets(scale: Scale) -> Sequence[int | None]:
    """Return for each kill how many records it waits for; None: it comes while a session starts."""
    chance = Random(scale.seed)
    starting = max(1, scale.kills // STARTING)
    working = scale.kills - starting - 1
    step = scale.lines / (working + 1)
    targets: list[int | None] = [round(step * (n + chance.random())) for n in range(working)]
    for _ in range(starting - 1):
        targets.insert(chance.randrange(len(targets) + 1), None)
    # After the last record, and once more when nothing is left to do.
    return [*targets, scale.lines, None]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


def prove(scale: Scale) -> Report:
    """Prove it at a scale. Raises ``Failed``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = ("--latency", LATENCY_MS, "--fail", FAULTS, "--seed", scale.seed)
        with gateway(folder, *flags) as mock:
            return Loop(folder, scale, mock).run()


if __name__ == "__main__":
    prove_at_scale(__doc__, Scale, prove)
