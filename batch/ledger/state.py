"""What the logs say, all together: which lines have ended, what was used, what is still open.

A function of the logs alone, built by reading them or by noting what was just committed: both go
through the same three methods, so that a run and its resume cannot disagree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import mul
from typing import Final

import msgspec

from batch.ledger.entries import Entry, Mark
from batch.ledger.lines import LineSet
from batch.ledger.totals import EPOCH, Key, Totals, hour_of
from batch.records import Answer, Owed, State

BLOCK: Final = 4096  # lines that share one sum of hashes
WORD: Final = (1 << 64) - 1


def weighed(ordinal: int, value: int) -> int:
    """Tie a line's hash to its place: else two lines that changed places would go unnoticed."""
    return value * (2 * ordinal + 1)


def all_weighed(ordinals: Sequence[int], values: Sequence[int]) -> int:
    """Return the sum of what several hashes are ``weighed``."""
    by_place: int = sum(map(mul, values, ordinals))
    return 2 * by_place + sum(values)


class Open(msgspec.Struct):
    """A line that began something and has not ended: what a resume must know of it."""

    sum: str = ""  # of the line when it was asked, as the journal writes it
    at: str = ""  # when its last request was sent, as the journal writes it
    key: str | None = None  # name of the key that it was sent with
    intent: int = 0  # attempt of a submit that may have reached the gateway, and no more is known
    part: int = 0  # which request of the line that submit was
    state: State | None = None  # of a task that is known by its id
    owed: Owed | None = None  # what that may cost
    parts: list[Answer] = msgspec.field(default_factory=list)  # requests already answered
    answered_at: list[int] = msgspec.field(default_factory=list)  # attempt of each of these
    outdated: bool = False  # the first of these was asked with other settings than the run has now
    attempts: int = 0  # sent so far, as far as the journal says
    maybe_billed: int = 0  # of these, by the error that is asked again: the logs hold it there

    def forget(self, attempts: int, parts: int) -> None:
        """Forget what was begun up to an attempt, because an error ended it, but so many parts.

        What is later was begun by a retry of that error; intent and state are always of the last
        attempt.
        """
        every = list(zip(self.parts, self.answered_at, strict=True))
        kept = [one for n, one in enumerate(every) if n < parts or one[1] > attempts]
        self.parts = [answer for answer, _ in kept]
        self.answered_at = [attempt for _, attempt in kept]
        self.outdated = self.outdated and bool(kept)
        if self.attempts <= attempts:
            self.attempts, self.intent, self.part = attempts, 0, 0
            self.state = self.owed = None


class History:
    """What the logs say."""

    def __init__(self) -> None:
        self.answered = LineSet()
        self.failed = LineSet()  # lines whose record is an error
        self.error_records = 0  # in the errors log, those that a later record replaced among them
        self.sums: list[int] = []
        self.totals = Totals()
        self.open: dict[int, Open] = {}
        # Session → the most that may be lost of what it sent, in a currency; its last word counts.
        self.reserved: dict[str, tuple[str, str]] = {}
        self.header: Entry | None = None
        self.identity: dict[str, object] = {}

    def ended(self, ordinal: int) -> bool:
        """Return whether the line has its terminal record."""
        return ordinal in self.answered or ordinal in self.failed

    def last(self) -> int:
        """Return the highest line that has ended."""
        return max(self.answered.last(), self.failed.last())

    def note_results(self, marks: Sequence[Mark]) -> None:
        """Take in results. Raises Repeated for a line that has one already."""
        if not marks:
            return
        self.answered.add_all([mark.line for mark in marks])
        new = marks
        if self.failed.count:
            new = [one for one in marks if not self.failed.discard(one.line)]
        self._add_sums(new)
        for several in (marks,) if _alike(marks) else _by_bucket(marks):
            first = several[0]
            # In packs one result counts the call that all have in common.
            calls = 1 if first.pack is None or first.pack[0] == 0 else 0
            usages = [mark.usage for mark in several]
            self.totals.add_all(_key(first), "result", usages, calls)
        for mark in marks if self.open else ():
            self.open.pop(mark.line, None)
        for mark in marks:
            if mark.maybe_billed:
                self.totals.doubt(_key(mark), mark.maybe_billed)

    def note_errors(self, marks: Sequence[Mark]) -> None:
        """Take in errors: each the line's record unless it has a result."""
        for mark in marks:
            self._note_error(mark)

    def _note_error(self, mark: Mark) -> None:
        self.error_records += 1
        begun = self.open.get(mark.line)
        # Paid work that may still end is kept, for a retry to go on with.
        if begun is not None and not (mark.unfinished and begun.sum == mark.sum):
            ended = begun.attempts <= mark.attempts
            begun.forget(mark.attempts, mark.parts)
            if (ended and not begun.parts) or begun.sum != mark.sum:
                del self.open[mark.line]
        if mark.line in self.answered:
            return
        if self.failed.add(mark.line):
            self.add_sum(mark.line, int(mark.sum, 16))

    def note_entry(self, entry: Entry) -> None:
        """Take in a journal entry."""
        _ENTRIES[entry.kind](self, entry)

    def add_sum(self, ordinal: int, value: int) -> None:
        """Add to a block's sum; a negative value takes a line out again."""
        block = ordinal // BLOCK
        self._reach(block)
        self.sums[block] = (self.sums[block] + weighed(ordinal, value)) & WORD

    def _add_sums(self, marks: Sequence[Mark]) -> None:
        """Add the hashes of lines that ended: most often all of them are of one block."""
        lines = [mark.line for mark in marks]
        first, last = min(lines, default=0) // BLOCK, max(lines, default=0) // BLOCK
        blocks = {first} if first == last else {line // BLOCK for line in lines}
        self._reach(last)
        for block in blocks:
            ours = marks
            if len(blocks) > 1:
                ours = [mark for mark in marks if mark.line // BLOCK == block]
            values = [int(mark.sum, 16) for mark in ours]
            more = all_weighed([mark.line for mark in ours], values)
            self.sums[block] = (self.sums[block] + more) & WORD

    def _reach(self, block: int) -> None:
        if block >= len(self.sums):
            self.sums.extend([0] * (block + 1 - len(self.sums)))

    def forget(self, ordinal: int, value: int) -> None:
        """Take a failure back, because the line itself has changed.

        What was begun stays, as in the journal, until the line is asked as it is now; what the
        failure had ended is taken up again once its record is gone (``recover.take_up``).
        """
        if self.failed.discard(ordinal):
            self.add_sum(ordinal, -value)

    def opened(self, entry: Entry) -> Open:
        """Return what an entry's line has begun, anew if the line was another then."""
        begun = self.open.get(entry.line)
        if begun is None or begun.sum != entry.sum:
            begun = self.open[entry.line] = Open(sum=entry.sum)
        begun.attempts = max(begun.attempts, entry.attempt)
        begun.at, begun.key = entry.at or begun.at, entry.key or begun.key
        return begun

    def _header(self, entry: Entry) -> None:
        run = entry.run or {}
        if entry.kind == "header":
            self.header = entry
        identity = dict(run.get("identity", {}))
        if identity != self.identity:
            for begun in self.open.values():
                begun.outdated = bool(begun.parts)
        self.identity = identity

    def _intent(self, entry: Entry) -> None:
        if entry.line in self.answered:
            return
        begun = self.opened(entry)
        begun.intent, begun.part, begun.state, begun.owed = entry.attempt, entry.part, None, None

    def _void(self, entry: Entry) -> None:
        begun = self.open.get(entry.line)
        if begun is not None and begun.intent <= entry.attempt:
            begun.intent = 0

    def _task(self, entry: Entry) -> None:
        if entry.line not in self.answered:
            begun = self.opened(entry)
            begun.intent, begun.part = 0, entry.part
            begun.state, begun.owed = entry.state, entry.owed

    def _part(self, entry: Entry) -> None:
        self._bill(entry, "part")
        if entry.line not in self.answered and entry.answer is not None:
            begun = self.opened(entry)
            # Whoever asked this one began anew after those before it: a retry, or other settings.
            begun.parts[entry.part :] = [entry.answer]
            begun.answered_at[entry.part :] = [entry.attempt]
            begun.outdated = begun.outdated and entry.part > 0
            begun.intent, begun.part, begun.state, begun.owed = 0, 0, None, None

    def _billed(self, entry: Entry) -> None:
        self._bill(entry, "billed")

    def _reserved(self, entry: Entry) -> None:
        self.reserved[entry.at] = entry.amount, entry.currency

    def _bill(self, entry: Entry, source: str) -> None:
        key: Key = (hour_of(entry.at), entry.model, entry.endpoint, entry.key or "")
        if tier := (entry.usage or {}).get("tier"):
            key += (str(tier),)
        self.totals.add(key, "part" if source == "part" else "billed", entry.usage)


def _alike(marks: Sequence[Mark]) -> bool:
    """Return whether all results count in one bucket, which most often they do.

    It is asked column by column: to make a key of each takes twice as long.
    """
    first, count = marks[0], len(marks)
    times = [mark.started_at or EPOCH for mark in marks]
    return (
        hour_of(min(times)) == hour_of(max(times))
        and [mark.model for mark in marks].count(first.model) == count
        and [mark.endpoint for mark in marks].count(first.endpoint) == count
        and [mark.key for mark in marks].count(first.key) == count
        and [mark.pack for mark in marks].count(None) == count
        and {mark.usage.tier for mark in marks if mark.usage is not None} <= {None, ""}
    )


def _by_bucket(marks: Sequence[Mark]) -> Iterable[Sequence[Mark]]:
    """Return results by the bucket in which they count, and by whether they count a call."""
    found: defaultdict[object, list[Mark]] = defaultdict(list)
    for mark in marks:
        shared = mark.pack is not None and mark.pack[0] > 0
        found[_key(mark), shared].append(mark)
    return found.values()


def _key(mark: Mark) -> Key:
    key = hour_of(mark.started_at), mark.model, mark.endpoint, mark.key or ""
    if mark.usage is not None and mark.usage.tier:
        return (*key, mark.usage.tier)
    return key


_ENTRIES: Final[dict[str, Callable[[History, Entry], None]]] = {
    "header": History._header,
    "settings": History._header,
    "intent": History._intent,
    "void": History._void,
    "task": History._task,
    "part": History._part,
    "billed": History._billed,
    "reserved": History._reserved,
}
