"""The two ledgers of a soak, side by side: what the gateway billed, and what the run recorded.

``reckoning`` does this for chats in one mood of the gateway. Here lines are of all kinds, errors
are asked again, sessions end in every way, and calls run into time limits of ours. Each row that
billed something is exactly one of

    answer   the result of its line names the row; of a task: its submit
    wasted   paid, but no line's answer: a ``billed`` entry of the same session says how much
    maybe    the record of the line in that session, or a later one, counts it as ``maybe_billed``
    killed   of a session that did not end by itself and has no record of the line

Work that must not be paid twice has at most one row that was accepted, whether it billed anything
or not. For each meter

    usage.jsonl = results + billed entries = billed by the gateway - maybe - killed
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from batch.usage import FIELDS
from tests.proofs.logs import Log, Record
from tests.proofs.processes import lines_of, require

Row: TypeAlias = dict[str, Any]
Named: TypeAlias = Mapping[str, int | float | None]
Place: TypeAlias = tuple[int, int]  # line, session
TERMS: Final = ("billed by the gateway", "maybe", "killed", "answers", "wasted", "usage.jsonl")


class Errors:
    """The errors, which a clean end writes anew without those that were made up for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[tuple[int, Record]] = []
        self._seen: set[bytes] = set()

    def look(self, session: int) -> None:
        """Read it all again, and take what is new as this session's."""
        data = self.path.read_bytes() if self.path.exists() else b""
        *lines, _torn = data.split(b"\n")
        for line in lines:
            mark = hashlib.blake2b(line, digest_size=16).digest()
            if mark not in self._seen:
                self._seen.add(mark)
                self.records.append((session, orjson.loads(line)))


class Books:
    """What a run has written, by session."""

    def __init__(self, folder: Path) -> None:
        self.results = Log(folder / "out.jsonl")
        self.errors = Errors(folder / "out.run" / "errors.jsonl")
        self.journal = Log(folder / "out.run" / "journal.jsonl")

    def look(self, session: int) -> None:
        """Read what a session has written."""
        for log in (self.results, self.errors, self.journal):
            log.look(session)

    def ended(self) -> set[int]:
        """Return the lines that have a result, or an error."""
        return {r["x_run"]["line"] for log in (self.results, self.errors) for _, r in log.records}

    def last(self) -> dict[int, Record]:
        """Return the record of each line: its result, else its last error. Raises ``Failed``."""
        found = {record["x_run"]["line"]: record for _, record in self.errors.records}
        answered: set[int] = set()
        for _, record in self.results.records:
            line = record["x_run"]["line"]
            require(line not in answered, f"line {line} has two results")
            answered.add(line)
            found[line] = record
        return found


class Sums(msgspec.Struct):
    """Rows or records, and what they come to by meter."""

    count: int = 0
    meters: Counter[str] = msgspec.field(default_factory=Counter)

    def add(self, usage: Named, count: int = 1) -> None:
        """Add one usage. What nobody reported adds nothing."""
        self.count += count
        # Thousandths, as seconds may have them.
        self.meters.update({n: round(1000 * (usage.get(n) or 0)) for n in FIELDS})


class Reckoned(msgspec.Struct):
    """What the comparison found."""

    terms: dict[str, Sums]
    maybe_told: int = 0  # ``num_maybe_billed`` of usage.jsonl
    untold: int = 0  # of ``killed``: cut by the gateway, and the session could say so no more

    def table(self) -> str:
        """Return the equation, a line for each meter that anything was billed of."""
        billed, maybe, killed, answers, wasted, usage = (self.terms[name] for name in TERMS)
        head = ("billed", "- maybe", "- killed", "= answers", "+ wasted", "usage.jsonl")
        rows = [f"{'':26}" + "".join(f"{word:>14}" for word in head)]
        columns = (billed, maybe, killed, answers, wasted, usage)
        rows.append(f"{'requests':26}" + "".join(f"{one.count:>14,}" for one in columns))
        rows += [
            f"{meter:26}" + "".join(f"{one.meters[meter] / 1000:>14,g}" for one in columns)
            for meter in FIELDS
            if billed.meters[meter]
        ]
        return "\n".join(rows)


class Comparison:
    """Explains each row of the gateway's, once."""

    def __init__(
        self, books: Books, rows: Sequence[Row], unfinished: Collection[int], once: Collection[int]
    ) -> None:
        """Take rows that name their ``line``, if they have one, and their ``session``.

        ``unfinished`` are sessions that were ended before they had recorded all they knew.
        """
        self._books = books
        self._unfinished = unfinished
        self._once = frozenset(once)
        self._rows = rows
        self._named = {f"{row['sum']}-{row['attempt']}": row for row in rows}
        self._at: dict[Place, list[Row]] = defaultdict(list)
        self._of: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            if row["line"] is not None:
                self._at[row["line"], row["session"]].append(row)
                self._of[row["line"]].append(row)
        self._explained: set[int] = set()
        self._found = Reckoned({name: Sums() for name in TERMS})

    def settle(self, usage: Path) -> Reckoned:
        """Compare all. Raises ``Failed``."""
        terms = self._found.terms
        self._paid_once()
        self._answers()
        self._wasted()
        self._doubts()
        for bucket in lines_of(usage):
            terms["usage.jsonl"].add(bucket, bucket["num_model_requests"])
            self._found.maybe_told += bucket["num_maybe_billed"]
        for meter in FIELDS:
            billed, maybe, killed, answers, wasted, told = (
                terms[name].meters[meter] for name in TERMS
            )
            holds = told == answers + wasted == billed - maybe - killed
            require(holds, f"{meter} does not add up:\n{self._found.table()}")
        return self._found

    def _paid_once(self) -> None:
        for line in self._once:
            accepted = [row for row in self._of[line] if row["billed"] is not None]
            require(len(accepted) <= 1, f"line {line} was paid twice: {accepted}")

    def _answers(self) -> None:
        for session, record in self._books.results.records:
            run = record["x_run"]
            usage = run["usage"] or {}
            self._found.terms["answers"].add(usage)
            row = self._named.get(record["response"]["request_id"])
            if row is not None and row["billed"] is not None:
                require(row["line"] in (None, run["line"]), f"another line's: {record}: {row}")
                # What is dear may have been paid long before its film was there.
                earlier = row["line"] in self._once and row["session"] < session
                at = row["line"] is None or earlier or row["session"] == session
                require(at, f"another session's: {record}: {row}")
            else:  # the reply that ended a task, or a list: its submit is what was paid
                paid = [one for one in self._of[run["line"]] if one["billed"] is not None]
                row = paid[0] if paid else None
            if row is not None:
                self._explain(row, usage)
            else:
                require(not any(usage.values()), f"the gateway billed nothing of this: {record}")

    def _wasted(self) -> None:
        for session, entry in self._books.journal.records:
            if entry["kind"] != "billed":
                continue
            rows = self._at[entry["line"], session]
            fits = [one for one in rows if self._open(one) and _same(one["billed"], entry["usage"])]
            require(fits, f"the gateway billed nothing of the kind: {entry}: {rows}")
            self._explain(fits[0], entry["usage"])
            self._found.terms["wasted"].add(entry["usage"])

    def _doubts(self) -> None:
        """Find for every other row who counts it as maybe billed, or why nobody can."""
        told: dict[Place, int] = {}
        for log in (self._books.errors, self._books.results):
            for session, record in log.records:
                run = record["x_run"]
                told[run["line"], session] = run.get("maybe_billed", 0)
        left: dict[int, list[Row]] = defaultdict(list)
        for row in self._rows:
            if row["billed"] is not None:
                self._found.terms["billed by the gateway"].add(row["billed"])
                if self._open(row):
                    require(row["line"] is not None, f"paid, and of no line: {row}")
                    left[row["line"]].append(row)
        for line, rows in left.items():
            self._doubt(line, rows, told)

    def _doubt(self, line: int, rows: Sequence[Row], told: Mapping[Place, int]) -> None:
        counted = max((count for (of, _), count in told.items() if of == line), default=0)
        named = 0
        for row in rows:
            place = line, row["session"]
            if place in told and named < counted:
                named += 1
                self._found.terms["maybe"].add(row["billed"])
            elif not any(row["billed"].values()):
                # Free work whose reply was lost: nothing is missing from any sum.
                self._found.terms["maybe"].add(row["billed"])
            else:
                lost = place not in told and row["session"] in self._unfinished
                require(lost, f"paid, and nobody says so: {row}: {self._told_of(line)}")
                self._found.untold += row["fate"] == "cut"
                self._found.terms["killed"].add(row["billed"])

    def _told_of(self, line: int) -> list[Record]:
        logs = (self._books.errors, self._books.results)
        return [one for log in logs for _, one in log.records if one["x_run"]["line"] == line]

    def _open(self, row: Row) -> bool:
        return row["billed"] is not None and row["n"] not in self._explained

    def _explain(self, row: Row, usage: Named) -> None:
        require(row["n"] not in self._explained, f"recorded twice: {row}")
        require(_same(row["billed"], usage), f"billed otherwise than recorded, {usage}: {row}")
        self._explained.add(row["n"])


def _same(billed: Named | None, usage: Named) -> bool:
    """Return whether both say the same of every meter; what nobody reported is nothing."""
    return billed is not None and all((billed.get(n) or 0) == (usage.get(n) or 0) for n in FIELDS)
