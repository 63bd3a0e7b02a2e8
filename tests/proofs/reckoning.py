"""What the gateway billed against what the run recorded, token by token.

Each session of the run has a key of its own, and the gateway's ledger marks a row with its key: so
it is known which process sent a request. Every row that billed something is exactly one of

    answer   the result of its line: the record names the row, its session is the row's
    wasted   paid, but no line's answer: the session has written a ``billed`` entry for it
    cut      a fault cut its delivery: nobody but the gateway knows what it billed
    killed   whole, but the session was before it could record it

A row may only be *killed* if its session was killed, if that session has no record of the line, and
if it is the last row of its line there: to send the line again, the session would first have had to
write down what the row cost. And the line was asked again by a later session: this is what a kill
repeats. So for each kind of token

    usage.jsonl = results + billed entries = billed by the gateway - cut - killed

A cut answer is told by ``maybe_billed``, together with resets and with streams that report an error
after they began, both of which bill nothing:

    maybe_billed of a record = rows of its line that broke so, in the recording session

``attempts`` of a record are the rows of its line in the recording session. What a session knows of
a line's cut answers is lost with it if it was killed, or ended by a signal, before it recorded the
line; the rows of which that is so are counted apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from batch.usage import ALWAYS
from tests.proofs.logs import Logs, Record
from tests.proofs.processes import lines_of, require, streamed

Row: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[int, int]  # line, session

# What the run says of a wasted attempt → what the gateway did.
WASTE: Final[Mapping[str, str]] = {
    "incomplete_response": "no_finish",
    "invalid_response": "empty_choices",
}
BROKEN: Final = ("cut", "reset")  # an attempt that the run can only call "maybe billed"
BROKEN_STREAM: Final = "error_200"  # the same, if words of the answer had come before it


class Tokens(msgspec.Struct):
    """Rows or records, and their tokens by name."""

    count: int = 0
    sums: dict[str, int] = msgspec.field(default_factory=lambda: dict.fromkeys(ALWAYS, 0))

    def add(self, usage: Mapping[str, Any]) -> None:
        """Add one usage, of which every name must be known."""
        self.count += 1
        for name in ALWAYS:
            self.sums[name] += usage[name]


class Terms(msgspec.Struct):
    """The terms of the equation."""

    billed: Tokens = msgspec.field(default_factory=Tokens)
    answers: Tokens = msgspec.field(default_factory=Tokens)
    wasted: Tokens = msgspec.field(default_factory=Tokens)
    cut: Tokens = msgspec.field(default_factory=Tokens)
    killed: Tokens = msgspec.field(default_factory=Tokens)
    totals: Tokens = msgspec.field(default_factory=Tokens)  # usage.jsonl
    cut_untold: int = 0  # of those cut: the session died before it could say "maybe billed"
    undelivered: int = 0  # of those killed: the gateway knows that nobody read them
    repeats: Counter[int] = msgspec.field(default_factory=Counter)  # by session that was killed

    def table(self) -> str:
        """Return the equation with its numbers."""
        names = "".join(f"{name.removesuffix('_tokens'):>17}" for name in ALWAYS)
        lines = [f"{'':24}{'requests':>9}{names}"]
        for name, tokens in (
            ("  billed by the gateway", self.billed),
            ("- cut by a fault", self.cut),
            ("- caught by a kill", self.killed),
            ("= results", self.answers),
            ("+ billed entries", self.wasted),
            ("= usage.jsonl", self.totals),
        ):
            sums = "".join(f"{tokens.sums[n]:>17,}" for n in ALWAYS)
            lines.append(f"{name:24}{tokens.count:>9,}{sums}")
        return "\n".join(lines)


class Reckoning:
    """One run's records and its gateway's rows, side by side."""

    def __init__(
        self, logs: Logs, rows: Sequence[Row], killed: set[int], stopped: set[int]
    ) -> None:
        """Take rows that name their ``line`` and ``session``, by arrival.

        ``stopped`` are the sessions that a signal had end in order: all that came is on record.
        """
        self._logs = logs
        self._rows = rows
        self._killed = killed
        self._cut_short = killed | stopped
        self._by_place: dict[Place, list[Row]] = defaultdict(list)
        self._last_session: dict[int, int] = {}
        for row in rows:
            self._by_place[row["line"], row["session"]].append(row)
            self._last_session[row["line"]] = row["session"]
        self._recorded = {(r["x_run"]["line"], session) for session, r in self._terminal()}
        self._explained: set[int] = set()  # numbers of rows
        self.terms = Terms()

    def settle(self, usage: Path) -> Terms:
        """Check everything, and return the terms. Raises ``Failed``."""
        terms = self.terms
        self._answers()
        self._wasted()
        self._told()
        for row in self._rows:
            if row["billed"] is not None:
                terms.billed.add(row["billed"])
                if row["n"] not in self._explained:
                    self._cut_or_killed(row)
        for bucket in lines_of(usage):
            terms.totals.add(bucket)
            terms.totals.count += bucket["num_model_requests"] - 1
        for name in ALWAYS:
            recorded = terms.answers.sums[name] + terms.wasted.sums[name]
            left = terms.billed.sums[name] - terms.cut.sums[name] - terms.killed.sums[name]
            require(terms.totals.sums[name] == recorded == left, f"{name}:\n{terms.table()}")
        requests = terms.answers.count + terms.wasted.count
        require(terms.totals.count == requests, f"num_model_requests:\n{terms.table()}")
        return terms

    def _answers(self) -> None:
        named = {f"{row['sum']}-{row['attempt']}": row for row in self._rows}
        for session, record in self._logs.results.records:
            run, asked = record["x_run"], record["response"]["request_id"]
            row = named.get(asked)
            require(row is not None, f"the gateway knows of no request {asked}: {record}")
            assert row is not None
            require(
                (row["line"], row["session"], row["fate"]) == (run["line"], session, "answered"),
                f"a record stands for another request: {record}: {row}",
            )
            self._explain(row, run["usage"])
            self.terms.answers.add(run["usage"])

    def _wasted(self) -> None:
        """Match the entries of a line and a session with its rows: both stand in their order."""
        seen: Counter[tuple[Place, str]] = Counter()
        for session, entry in self._logs.journal.records:
            if entry["kind"] != "billed":
                continue
            place, fate = (entry["line"], session), WASTE[entry["why"]]
            rows = [row for row in self._by_place[place] if row["fate"] == fate]
            which = seen[place, fate]
            seen[place, fate] += 1
            require(which < len(rows), f"the gateway billed nothing of the kind: {entry}")
            self._explain(rows[which], entry["usage"])
            self.terms.wasted.add(entry["usage"])

    def _explain(self, row: Row, usage: Mapping[str, Any]) -> None:
        require(row["n"] not in self._explained, f"recorded twice: {row}")
        require(
            row["billed"] == {name: usage[name] for name in ALWAYS},
            f"billed otherwise than recorded, {usage}: {row}",
        )
        self._explained.add(row["n"])

    def _told(self) -> None:
        """Check what every record says of the attempts before it."""
        for session, record in self._terminal():
            run = record["x_run"]
            rows = self._by_place[run["line"], session]
            broken = sum(map(_broken, rows))
            require(run.get("maybe_billed", 0) == broken, f"maybe_billed: {record}: {rows}")
            require(run["attempts"] == len(rows), f"attempts: {record}: {rows}")

    def _cut_or_killed(self, row: Row) -> None:
        line, session = place = row["line"], row["session"]
        last = self._by_place[place][-1] is row
        recorded = place in self._recorded
        if row["fate"] == "cut":
            require(not row["delivered"], f"a cut answer was delivered: {row}")
            require(recorded or session in self._cut_short, f"a cut answer nobody tells of: {row}")
            self.terms.cut.add(row["billed"])
            self.terms.cut_untold += not recorded
            return
        require(
            last and not recorded and session in self._killed,
            f"paid, on no record, and no kill explains it: {row}",
        )
        require(self._last_session[line] > session, f"paid and never asked again: {row}")
        self.terms.killed.add(row["billed"])
        self.terms.undelivered += not row["delivered"]
        self.terms.repeats[session] += 1

    def _terminal(self) -> list[tuple[int, Record]]:
        return self._logs.results.records + self._logs.errors.records


def _broken(row: Row) -> bool:
    return row["fate"] in BROKEN or (row["fate"] == BROKEN_STREAM and streamed(row["line"]))
