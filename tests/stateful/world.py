"""One run over its life: what is asked, the disk, the gateway, and what must hold of all three."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from batch import checkpoint
from batch.errors import BadData, BadUsage, Busy
from batch.ledger.hold import held
from batch.ledger.paths import Paths
from batch.ledger.recover import recover
from batch.plan import identity
from batch.shares import script as script_of
from batch.texts import read_texts
from tests.ledger.kit import members
from tests.stateful import promises
from tests.stateful.asked import Asked
from tests.stateful.disk import Crash, Disk
from tests.stateful.gateway import Gateway, Row
from tests.stateful.logs import Logs, logs_of, read_logs
from tests.stateful.promises import Expected, require
from tests.stateful.session import Command, Desk, Ended

DAMAGED: Final = 65
NOTHING: Final = Logs([], [], [], (0, 0, 0))


class Books(msgspec.Struct, frozen=True):
    """What is known of a run that was put aside: see ``World`` and ``Gateway``."""

    known: dict[int, bytes]
    told: set[int]
    since: int
    worked: dict[str, Row]


class World:
    """A run, and what a test knows of it: the answers that were acknowledged, and the books."""

    def __init__(self, folder: Path, setup: str, concurrency: int) -> None:
        self.asked = Asked(folder, setup, concurrency)
        self.gateway = Gateway()
        self.paths = Paths(str(folder / "out.jsonl"))
        self.desk = Desk(Disk(str(folder)), self.paths, self.gateway)
        self.counts: Counter[str] = Counter()
        self.known: dict[int, bytes] = {}  # line → its record, which was acknowledged
        self.since = 0  # rows of the gateway up to here are of earlier runs
        self.told: set[int] = set()  # rows that are on record
        self.unsafe: set[int] = set()  # of these, what a crash left and nobody has synced since
        self.aside: dict[str, Books] = {}  # run id → its books when it was put aside

    @property
    def files(self) -> Disk:
        """Return the disk as it is now."""
        return self.desk.files

    def logs(self) -> Logs:
        """Return what the logs say now."""
        return read_logs(self.files, self.paths)

    # Commands.

    def run(self, deeds: Sequence[str] = (), crash: Crash | None = None, **conduct: Any) -> Ended:
        """Run, or carry on; if it came to an end, do it again."""
        intruder = conduct.pop("intruder", None)
        command = Command(self.asked.settings(**conduct), crash=crash, intruder=intruder)
        if conduct.get("new_run"):
            return self._anew(command, deeds)
        expected = self._expected(command)
        if conduct.get("keep_answers"):
            self._permit_changed()
        ended = self._do(command, deeds, expected)
        if ended.code in (0, 3):
            self._once_more(msgspec.structs.replace(command, crash=None, intruder=None), ended)
        return ended

    def retry(
        self,
        only: frozenset[str] | None,
        ambiguous: bool,
        deeds: Sequence[str] = (),
        crash: Crash | None = None,
    ) -> Ended:
        """Ask again what failed."""
        command = Command(self.asked.settings(), retried=(only, ambiguous), crash=crash)
        logs = self.logs()
        for number, record in logs.failures.items():
            asked_for = ambiguous if record.own["class"] == "outcome_unknown" else only
            if asked_for:
                self.gateway.permit([self.asked.lines[number - 1].text])
        if not logs.journal or logs.journal[0].value["kind"] != "header":
            return self.desk.run(command)
        return self._do(command, deeds, self._expected(command))

    def _anew(self, command: Command, deeds: Sequence[str]) -> Ended:
        """Start over; the old answers are kept aside."""
        old, known = self._run_id(), dict(self.known)
        if old:
            self.aside[old] = Books(known, self.told, self.since, self.gateway.worked)
        had = msgspec.structs.replace(NOTHING, torn=self.logs().torn)
        self.gateway.worked = {}  # what was done for the old run may be done for the new one
        ended = self.desk.run(command, deeds)
        self.counts["sessions"] += 1
        self.counts["crashes"] += ended.code is None
        kept = b"".join(self.files.all_bytes().values())
        for number, raw in known.items():
            require(raw in kept, f"--new-run has lost the answer to line {number}")
        if not self._brought_back():
            self.known, self.told, self.since = {}, set(), self._rows_before()
        self._look(ended, command, had)
        return ended

    def _brought_back(self) -> bool:
        """Go on with the books of a run that was put aside, if it is there (again).

        A loss of power takes back what no disk was asked to make sure of.
        """
        books = self.aside.get(self._run_id() or "")
        if books is not None:
            self.known, self.told, self.since = dict(books.known), set(books.told), books.since
            self.gateway.worked = books.worked
        return books is not None

    def _do(self, command: Command, deeds: Sequence[str], expected: Expected) -> Ended:
        """Run a command, and look at what it came to."""
        before = self.files.all_bytes(self.paths.lock)
        calls, had, old = self.gateway.calls, self.logs(), self._run_id()
        ended = self.desk.run(command, deeds)
        if self._run_id() != old:
            self._brought_back()
        self.counts["sessions"] += 1
        if ended.code is None:
            self.counts["crashes"] += 1
            if expected.refused:
                return ended  # the power went while it was refused
        elif ended.code == BadUsage.exit_code:
            require(self.files.all_bytes(self.paths.lock) == before, "wrong usage wrote")
            return ended
        elif ended.refusal is not None:
            self.counts["refusals"] += 1
            because = expected.refused or expected.perhaps
            require(bool(because), f"refused for no reason: {ended.refusal}")
            promises.refused_in_order(expected, ended, before, self.paths)
            require(self.gateway.calls == calls, "a refused command sent something")
            return ended
        else:
            require(not expected.refused, f"not refused: {', '.join(expected.refused)}")
        if command.intruder is not None and ended.intruder is not None:
            require(ended.intruder.startswith("75: "), f"a second writer was {ended.intruder}")
            self.counts["second writers"] += 1
        self._look(ended, command, had)
        return ended

    def _look(self, ended: Ended, command: Command, had: Logs) -> None:
        """Check every promise against what is there."""
        logs, crash = self.logs(), command.crash
        if not logs.journal:  # it crashed before its beginning was safe
            require(not self.known, "a run that had answers has lost its header")
            return
        promises.valid_logs(logs, had, ended, crash is not None and crash.power is not None)
        promises.one_record_a_line(logs, self.asked)
        promises.nothing_lost(logs, self.known)
        gone = ended.acknowledged - set(logs.answers)
        require(not gone, f"the answers to lines {sorted(gone)} were acknowledged, and are gone")
        promises.history_agrees(self.files, self.paths, logs)
        promises.asked_again_in_moderation(self.gateway)
        self._settle(ended, logs)
        self.known |= {n: line.raw for n, line in logs.answers.items() if n in ended.acknowledged}
        if ended.code is None or ended.refusal is not None:
            return
        head = command.settings.run.head
        retried = command.retried is not None
        promises.right_code(ended, logs, self._chosen(head), self.asked, retried)
        if self.asked.setup != "packs of three":
            promises.doubts_told(logs, had, self.gateway, self.asked)

    def _settle(self, ended: Ended, logs: Logs) -> None:
        """Compare the gateway's books with the logs: what is not on record, a crash has taken."""
        told = promises.every_token(logs, self.gateway, self.since)
        session, rows = self.gateway.session, self.gateway.rows
        fresh = [rows[number - 1] for number in told - self.told]
        late = [row.number for row in fresh if row.session != session and not row.film]
        require(not late, f"rows {late} of earlier sessions came on record")
        lost = self.told - told - self.unsafe
        require(not lost, f"rows {sorted(lost)} were on record, and are not any more")
        mine = [row for row in rows[self.since :] if row.session == session and not row.film]
        untold = [row for row in mine if row.deed.tells and row.number not in told]
        allowed = 0 if ended.code is not None else 2 * self.asked.concurrency
        if ended.code == 69:  # what was on the wire as it gave up
            allowed = self.asked.concurrency
        require(
            len(untold) <= allowed,
            f"{len(untold)} paid answers are on no record: {[row.number for row in untold]}",
        )
        self.unsafe = self.unsafe | (told - self.told) if ended.code is None else set()
        self.told = told

    def _once_more(self, command: Command, first: Ended) -> None:
        """A finished command that is repeated sends nothing, writes nothing, and says the same."""
        calls, before = self.gateway.calls, self._log_bytes()
        again = self.desk.run(command)
        self.counts["sessions"] += 1
        require(self.gateway.calls == calls, "a finished command sent something when repeated")
        require(again.code == first.code, f"code {first.code}, and {again.code} when repeated")
        require(self._log_bytes() == before, "a finished command changed a log when repeated")

    # What others do to the files.

    def second_writer(self) -> None:
        """Come while the run is held."""
        with held(self.files, self.paths):
            before, calls = self.files.all_bytes(), self.gateway.calls
            ended = self.desk.run(Command(self.asked.settings()))
            after = self.files.all_bytes()
        require(ended.code == Busy.exit_code, f"a second writer was let in: {ended.code}")
        require("held by another process" in (ended.refusal or ""), f"it says {ended.refusal}")
        require(after == before, "a second writer wrote")
        require(self.gateway.calls == calls, "a second writer sent something")

    def delete_cache(self) -> None:
        """Delete what can be deleted at any time."""
        self.files.forget(self.paths.cache)

    def truncate(self, log: int, place: float) -> None:
        """Cut a log short, anywhere; what is lost then is said, if the cache knew of it."""
        path = logs_of(self.paths)[log]
        if path not in self.files.names:
            return
        had = self.logs()
        data = self.files.content(path)
        self.files.put(path, data[: int(len(data) * place)])
        left = self.logs()
        self._say_lost(path)
        kept = set(left.answers)
        self.known = {number: raw for number, raw in self.known.items() if number in kept}
        self.told = set(left.paid())
        entries = [line.value for line in had.journal[len(left.journal) :]]
        begun = {one["line"] for one in entries if "line" in one}
        begun |= set(had.failures) - set(left.failures)
        self.gateway.permit([self.asked.lines[number - 1].text for number in begun])

    def _say_lost(self, path: str) -> None:
        """Look whether the next session will say how many answers are gone."""
        found = self._found()
        if found is None:
            return
        cached = checkpoint.load(self.files, self.paths.checkpoint)
        there = members(found.history.answered)
        lost = len(members(cached.history.answered) - there) if cached is not None else 0
        told = found.lost if "lost and" in " ".join(found.notes) else 0
        require(told >= lost, f"{path} was cut: {lost} answers are lost, and it says {found.notes}")

    def damage(self, log: int, place: float, fill: bytes, cached: bool) -> None:
        """Damage a line, run, and restore the files from a backup."""
        path = logs_of(self.paths)[log]
        lines = (self.logs().results, self.logs().errors, self.logs().journal)[log]
        if not lines:
            return
        backup, books = self.files.copied(), self._books()
        number = int(place * len(lines))
        offset = sum(len(line.raw) + 1 for line in lines[:number])
        data = self.files.content(path)
        self.files.put(path, data[:offset] + fill + data[offset + len(fill) :])
        if not cached:
            self.delete_cache()
        before, calls = self.files.all_bytes(self.paths.lock), self.gateway.calls
        after = [line.value.get("x_run", line.value) for line in lines[number + 1 :]]
        later = [told.get("synced", 0) for told in after]
        surely = not cached and (number == 0 or max(later, default=0) > offset) and bool(later)
        ended = self.desk.run(Command(self.asked.settings()))
        if ended.code == DAMAGED:
            require(self.files.all_bytes(self.paths.lock) == before, "what refused damage wrote")
            require(self.gateway.calls == calls, "what refused damage sent something")
        require(ended.code == DAMAGED or not surely, f"damage in {path} was passed over")
        self.desk.files = backup
        books()

    # What is known.

    def _expected(self, command: Command) -> Expected:
        """Return what speaks against a command, by what is on record."""
        logs = self.logs()
        answers, failures, lines = logs.answers, logs.failures, self.asked.lines
        if not logs.journal:
            stray = any(self.files.length(path) for path in logs_of(self.paths)[:2])
            return Expected((self.paths.journal,) if stray else (), perhaps=True)
        keep = command.settings.run.keep_answers
        counted = f"{len(answers):,} answer"
        changed = [n for n, record in answers.items() if record.own["sum"] != lines[n - 1].sum]
        if not keep:
            changed += [n for n, one in failures.items() if one.own["sum"] != lines[n - 1].sum]
        ended = answers.keys() | failures.keys()
        begun = {n: told for n, told in logs.begun.items() if n not in ended}
        perhaps = not keep and any(told != lines[n - 1].sum for n, told in begun.items())
        now = self._identity(command)
        differs = now is not None and now != logs.identity and not keep
        if differs and (answers or failures):
            return Expected((counted, "asked with other settings", "--new-run", "--keep-answers"))
        if changed:
            return Expected((counted, "have changed since", "--new-run"), perhaps=True)
        return Expected(perhaps=perhaps or (differs and bool(begun)))

    def _identity(self, command: Command) -> Mapping[str, Any] | None:
        if command.retried is not None:
            return None
        settings = command.settings
        return identity(settings, script_of(settings), read_texts(settings.request))

    def _permit_changed(self) -> None:
        """Let lines be asked as new that have changed: --keep-answers asks for that."""
        logs = self.logs()
        known = {**logs.begun, **{n: one.own["sum"] for n, one in logs.failures.items()}}
        for number, told in known.items():
            line = self.asked.lines[number - 1]
            if told != line.sum:
                self.gateway.permit([line.text])

    def _chosen(self, head: int | None) -> range:
        asking = [line.number for line in self.asked.lines if line.kind != "blank"]
        last = asking[: head or len(asking)]
        return range(1, (last[-1] if last else 0) + 1)

    def _run_id(self) -> str | None:
        journal = self.logs().journal
        return journal[0].value["run"]["run_id"] if journal else None

    def _rows_before(self) -> int:
        return sum(row.session < self.gateway.session for row in self.gateway.rows)

    def _log_bytes(self) -> Mapping[str, bytes]:
        there = [path for path in logs_of(self.paths) if path in self.files.names]
        return {path: self.files.content(path) for path in there}

    def _found(self) -> Any:
        try:
            return recover(self.files, self.paths)
        except BadData:
            return None

    def _books(self) -> Callable[[], None]:
        """Return what makes the gateway's books again what they are now."""
        rows, worked = len(self.gateway.rows), dict(self.gateway.worked)

        def restore() -> None:
            del self.gateway.rows[rows:]
            self.gateway.worked = worked
            self.gateway.twice.clear()

        return restore
