"""Run for minutes against a gateway whose every dial is turned, and compare the two ledgers.

    python -m tests.proofs.soak --seconds 600

Gateway and run are processes of their own. Every few seconds another hour of the gateway begins
(``soak_hours``), in the middle of what is under way. The run goes through session after session,
each with keys of its own and another concurrency, and each ended in another way: kill -9, SIGTERM,
SIGHUP, SIGINT once and twice, stopped for a while, or left alone. Between them lines are added at
the end of the input, errors are asked again, the cache is deleted, and half a line is left in a
log. One session in the middle lasts long, and is watched. When the time is over, the run is left in
peace to finish.

at all times   exit codes that fit; no traceback; file handles, threads and memory within bounds
at the end     one record a line, with its id; each row of the gateway's explained, and each meter
               adds up (``soak_books``); what is dear was not paid twice; only errors for which
               asking again is no help; the same command again sends nothing; no key in any file
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from tests.proofs.processes import Gateway, Process, finish, prove_at_scale, require
from tests.proofs.soak_books import Books, Comparison, Reckoned, Row
from tests.proofs.soak_hours import HOPELESS, Weather, calm, dials_of, require_every_dial
from tests.proofs.soak_lines import MUTE, ROOT, Lines, custom_id, number_in
from tests.proofs.soak_sessions import DONE, ENDINGS, LOOK, OFTEN, Sessions
from tests.proofs.soak_watch import Peaks, Watch

AT_ONCE: Final = (2, 8, 24, 48)
EXTRAS: Final[Sequence[tuple[object, ...]]] = (
    *((), (), ("--rpm", 3000), ("--tpm", 200_000)),
    *(("--max-inflight-bytes", "8MiB"), ("--timeout", 3)),
    ("--log-file", "log.txt", "--log-format", "json"),
)
MOMENT: Final = 4.0  # seconds after its first request in which a session is ended
STARTING: Final = 0.15  # share of those that are ended so soon after their start instead
ALONE: Final = 8.0  # seconds after which one that was left alone is ended in order
WHOLE: Final = 60  # seconds of a soak whose sessions last so long: those of a shorter one last less
ENOUGH: Final = 150  # lines that a session should find, at least
LONG: Final = 0.25  # of the time is the long session's
RATE: Final = 20  # lines a second of the long session, so that it lasts
LOST: Final = "file_gone"  # nothing was at a file's address: it is looked for if one says so
UNSAID: Final = "invalid_request"  # of lines that ask nothing
# What asking again is no help for: the line's own fault, or work that may have been paid.
FINAL: Final = frozenset({UNSAID, "outcome_unknown", "task_failed", "no_media"})


class Scale(msgspec.Struct, frozen=True):
    """How large the soak is."""

    seconds: int = 600
    seed: int = 1


class Report(msgspec.Struct):
    """What was found."""

    scale: Scale
    reckoned: Reckoned
    lines: int
    results: int
    errors: Counter[str]  # records by class
    requests: int
    sessions: Counter[str]  # by how they ended
    hours: Counter[str]
    retries: int  # sessions of ``wbatch retry``
    stopped: int
    caches: int  # times that the cache was deleted
    torn: int
    peaks: Peaks
    seconds: float

    def __str__(self) -> str:
        """Return it as text."""
        return (
            f"sessions   {sum(self.sessions.values())} in {self.seconds:.0f} s: "
            f"{_counted(self.sessions)}; {self.retries} were a retry, {self.stopped} were stopped "
            f"for a while\n"
            f"between    {self.caches} times without the cache, {self.torn} torn tails\n"
            f"hours      {_counted(self.hours)}\n"
            f"records    {self.results + sum(self.errors.values()):,} for {self.lines:,} lines: "
            f"{self.results:,} results, errors: {_counted(self.errors)}\n"
            f"requests   {self.requests:,}; of {self.reckoned.untold:,} that were cut no session "
            f"lived to tell\n"
            f"{self.peaks}\n"
            f"{self.reckoned.table()}"
        )


class Soak:
    """One run, its sessions, and the gateway's hours."""

    def __init__(self, folder: Path, keys: Path, scale: Scale, mock: Process) -> None:
        self._folder = folder
        self._scale = scale
        self._mock = mock
        # One for each, so that how sessions end does not hang on how many hours there were.
        randoms = (Random(f"{scale.seed} {number}") for number in range(5))
        self._chance, self._hands, weather, lines, stops = randoms
        self._weather = Weather(self._turn, scale.seed, weather)
        url = self._turn(dials_of("as usual", scale.seed))
        self._gateway = Gateway(url, folder / "ledger.jsonl")
        self._lines = Lines(folder / "in.jsonl", lines)
        self._books = Books(folder)
        self._watch = Watch(folder / "tasks.txt")
        self._sessions = Sessions(folder, keys, url, stops)
        self._tally: Counter[str] = Counter()

    def run(self) -> Report:
        """Soak, finish, and compare. Raises ``Failed``."""
        require_every_dial()
        begun = time.monotonic()
        over, long = begun + self._scale.seconds, False
        while time.monotonic() < over:
            self._between()
            if not long and time.monotonic() > begun + (1 - LONG) / 2 * self._scale.seconds:
                long = True
                self._long(LONG * self._scale.seconds)
            else:
                self._session()
        self._in_peace()
        rows = self._rows()
        report = self._compare(rows, time.monotonic() - begun)
        self._words(report)
        return report

    # The gateway

    def _turn(self, dials: bytes) -> str:
        assert self._mock.stdin is not None
        assert self._mock.stdout is not None
        self._mock.stdin.write(dials)
        self._mock.stdin.flush()
        said = self._mock.stdout.readline().decode().strip()
        require(said, "the gateway has ended")
        return said

    # Sessions

    def _between(self) -> None:
        """Do between two sessions what people, other programs and power losses do."""
        chance = self._hands
        missing = len(self._lines.kinds) - len(self._books.ended())
        if missing < ENOUGH or chance.random() < 0.2:
            self._lines.add(2 * ENOUGH)
        if chance.random() < 0.2:
            shutil.rmtree(self._folder / "out.run" / "cache", ignore_errors=True)
            self._tally["caches"] += 1
        logs = (self._books.results, self._books.journal)
        whole = [log for log in logs if log.records and not log.torn]
        if self._sessions.unfinished and whole and chance.random() < 0.1:
            chance.choice(whole).tear(chance)
            self._tally["torn"] += 1

    def _session(self) -> None:
        """Run one session, and end it in one of the ways."""
        chance = self._chance
        again = chance.random() < 0.2 and bool(self._books.journal.records)
        self._tally["retries"] += again
        (how,) = chance.choices(tuple(ENDINGS), OFTEN)
        stops = chance.random() < 0.15
        more = (*chance.choice(EXTRAS), "-c", chance.choice(AT_ONCE))
        pace = min(1.0, self._scale.seconds / WHOLE)
        moment, early = chance.uniform(0, MOMENT * pace), chance.random() < STARTING
        # Before anything of ours is loaded, Ctrl-C is Python's, which shows a traceback.
        early = early and "Ctrl-C" not in how
        most = ALONE * pace if how == "left alone" else moment
        before, begun = self._arrived(), time.monotonic()
        with self._sessions.started("retry" if again else "run", *more) as process:
            while process.poll() is None:
                self._weather.look()
                if not early and self._arrived() == before:
                    begun = time.monotonic()  # it has not sent anything yet
                now = time.monotonic() - begun
                if stops and now > moment / 2:
                    stops = False
                    self._sessions.stop(process)
                    self._tally["stopped"] += 1
                if now > most:
                    break
                time.sleep(LOOK)
                self._watch.look(process, len(self._lines.kinds))
            self._sessions.end(process, how)
        self._books.look(self._sessions.count)

    def _arrived(self) -> int:
        return int(self._gateway.counts()["arrived"])

    def _long(self, seconds: float) -> None:
        """Run one session for long, and watch it."""
        for _ in range(int(seconds * RATE) // 500 + 1):
            self._lines.add(500)
        before, end = self._arrived(), time.monotonic() + seconds
        with self._sessions.started("run", "--rpm", 60 * RATE, "-c", 24, watched=True) as process:
            while process.poll() is None and time.monotonic() < end:
                if self._arrived() == before:
                    end = time.monotonic() + seconds
                self._weather.look(HOPELESS)
                time.sleep(LOOK)
                self._watch.look(process, len(self._lines.kinds), long=True)
            self._sessions.end(process, "SIGTERM")
        self._books.look(self._sessions.count)

    def _in_peace(self) -> None:
        """Let the run end under a gateway without trouble: what can be asked again is asked."""
        self._turn(calm(self._scale.seed))
        for verb, *more in (("run",), ("retry",), ("retry",), ("retry", "--only", LOST)):
            errors = [one for one in self._books.last().values() if "class" in one["x_run"]]
            if more and not any(one["x_run"]["class"] == LOST for one in errors):
                continue  # whoever asks for a class that is not there is told so
            code, said = finish(self._folder, *self._sessions.next(verb, "-c", 48, *more))
            require(code in DONE, f"{verb} in peace ended with {code}: {said}")
            self._books.look(self._sessions.count)
        arrived = self._arrived()
        again, said = finish(self._folder, *self._sessions.next("run", "-c", 48))
        require(again == code, f"a finished run ended with {again} when repeated: {said}")
        require(self._arrived() == arrived, "a finished run sent requests")

    # The comparison

    def _rows(self) -> list[Row]:
        """Return the gateway's rows, each with its session, and its line if it names one."""
        sessions = self._sessions.by_mark()
        return [
            row | {"line": number_in(row["prompt"]), "session": sessions.get(row["key"])}
            for row in self._gateway.rows()
        ]

    def _compare(self, rows: Sequence[Row], seconds: float) -> Report:
        books, kinds = self._books, self._lines.kinds
        last = books.last()
        require(set(last) == set(kinds), f"lines without a record: {set(kinds) ^ set(last)}")
        ids = {line: record["custom_id"] for line, record in last.items()}
        require(ids == {n: custom_id(n) for n in kinds}, "a record has another line's id")
        errors = [one for one in last.values() if "class" in one["x_run"]]
        classes = Counter(one["x_run"]["class"] for one in errors)
        mute = sum(kind == MUTE for kind in kinds.values())
        require(classes[UNSAID] == mute, f"{mute} lines ask nothing: {classes}")
        # A prompt that is blocked is how some vendors give no answer.
        blocked = {f"{r['sum']}-{r['attempt']}" for r in rows if r["fate"] == "empty_choices"}
        others = [
            one
            for one in errors
            if one["x_run"]["class"] not in FINAL
            and (one["response"] or {}).get("request_id") not in blocked
        ]
        require(not others, f"errors are left that a retry should mend: {classes}: {others[:5]}")
        told = sum(one["x_run"].get("maybe_billed", 0) for one in last.values())
        compared = Comparison(books, rows, self._sessions.unfinished, tuple(self._lines.once()))
        reckoned = compared.settle(self._folder / "out.run" / "usage.jsonl")
        require(reckoned.maybe_told == told, f"num_maybe_billed is not {told}")
        self._watch.settle(long=self._scale.seconds >= 120)
        return Report(
            scale=self._scale,
            reckoned=reckoned,
            lines=len(kinds),
            results=len(last) - len(errors),
            errors=classes,
            requests=len(rows),
            sessions=self._sessions.tally,
            hours=self._weather.tally,
            retries=self._tally["retries"],
            stopped=self._tally["stopped"],
            caches=self._tally["caches"],
            torn=self._tally["torn"],
            peaks=self._watch.peaks,
            seconds=seconds,
        )

    def _words(self, report: Report) -> None:
        """Look through all that was written for what must stand nowhere."""
        for path in self._folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                require(b"sk-of-soak" not in data, f"a key is in {path.name}")
                start = data.find(b"Traceback")
                told = data[start : start + 3000].decode(errors="replace")
                require(start < 0, f"a traceback is in {path.name}: {told}\n{report}")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.most_common()) or "none"


def prove(scale: Scale) -> Report:
    """Soak for so long. Raises ``Failed``."""
    with (
        tempfile.TemporaryDirectory() as name,
        tempfile.TemporaryDirectory() as keys,
        (Path(name) / "gateway.txt").open("wb") as said,
    ):
        command = [sys.executable, "-m", "tests.proofs.soak_gateway", f"{name}/ledger.jsonl"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=said) as mock:
            try:
                return Soak(Path(name), Path(keys), scale, mock).run()
            finally:
                mock.kill()


if __name__ == "__main__":
    prove_at_scale(__doc__, Scale, prove)
