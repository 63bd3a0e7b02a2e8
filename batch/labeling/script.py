"""The script of a labeling run: votes, and re-asks of answers that fit nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
import orjson

from batch.errors import BadBody, Refused
from batch.labeling.kinds import Fitting, Kind, Labels, Misfit, Read
from batch.labeling.votes import Tie, elect
from batch.records import Answer, Flaw, Label, Row, Vote
from batch.script import Ask, Identity, Verdict, request
from batch.wire import WireFormat, formats

INVALID: Final = "label_invalid"
NAME: Final = "label"
_NOTHING: Final = "the answer has no text"


class _Cast(msgspec.Struct, frozen=True):
    """One vote: the last answer to it, and what it was read as."""

    answer: Answer
    read: Read | Misfit


class _Next(msgspec.Struct, frozen=True):
    """What to ask next: the which-th vote, and what was wrong with an answer to it, if any was."""

    turn: int
    rejected: tuple[Answer, Misfit] | None = None


class Labeling:
    """Asks each line so often as votes are wanted, and takes the majority as its label.

    An answer that fits nothing is asked for again with the reason, at most ``retries`` times for
    one line. A vote that fits nothing even then is spoiled: it counts, but for nobody.
    """

    width = 1

    def __init__(
        self,
        kind: Kind,
        votes: int = 1,
        retries: int = 2,
        tie: Tie = "first",
        known: Callable[[], Mapping[str, WireFormat]] = formats,
    ) -> None:
        self.kind = kind
        self._votes = self.least = votes
        self._retries = retries
        self.most = votes + retries
        self._tie = tie
        self._known = known

    def identity(self) -> Identity:
        """Return all of it: a retry has nothing else to go by."""
        numbers = {"label_votes": self._votes, "label_retries": self._retries}
        return {"script": NAME, **self.kind.identity(), **numbers, "label_tie": self._tie}

    def begin(self, rows: Sequence[Row]) -> Ask:
        """Ask for the first vote. Raises ``Refused`` for a row whose answer is no text."""
        return self._ask(rows[0], 0, _Next(0))

    def more(self, rows: Sequence[Row], answers: Sequence[Answer]) -> Ask | Verdict:
        """Go on with what is missing, or count the votes."""
        found = self._replayed(answers)
        if isinstance(found, _Next):
            return self._ask(rows[0], len(answers), found)
        return self._judged(found, len(answers))

    def _ask(self, row: Row, part: int, wanted: _Next) -> Ask:
        wire = self._known()[row.format]
        try:
            body = wire.with_schema(row.body, self.kind.schema(wanted.turn))
            if wanted.rejected is not None:
                answer, misfit = wanted.rejected
                then = f"That cannot be used: {misfit.reason}. {self.kind.wish()}"
                body = wire.go_on(body, answer.content or "", then)
        except BadBody as wrong:
            raise Refused(f"{wrong}, and so cannot be labeled") from None
        return Ask((request(row, part, body),))

    def _replayed(self, answers: Sequence[Answer]) -> _Next | list[_Cast]:
        """Return what follows from the answers so far: a function of them alone."""
        coming = iter(answers)
        spare = self._retries
        votes: list[_Cast] = []
        while len(votes) < self._votes:
            rejected: tuple[Answer, Misfit] | None = None
            while True:
                answer = next(coming, None)
                if answer is None:
                    return _Next(len(votes), rejected)
                read = self._read(answer)
                # What a filter has stopped it would stop again.
                if isinstance(read, Read) or not spare or answer.finish == "filter":
                    break
                spare -= 1
                rejected = answer, read
            votes.append(_Cast(answer, read))
        return votes

    def _read(self, answer: Answer) -> Read | Misfit:
        if answer.finish == "filter":
            return Misfit("a content filter stopped the answer")
        if not answer.content:
            return Misfit(_NOTHING)
        return self.kind.read(answer.content, whole=answer.finish != "length")

    def _judged(self, votes: Sequence[_Cast], asked: int) -> Verdict:
        ballots = [
            self.kind.ballot(vote.read.value) if isinstance(vote.read, Read) else None
            for vote in votes
        ]
        told = tuple(
            Vote(one.read.value, one.read.repaired) if isinstance(one.read, Read) else Vote(None)
            for one in votes
        )
        elected = elect(ballots)
        if elected is None:
            last = votes[-1]
            reason = last.read.reason if isinstance(last.read, Misfit) else ""
            asks = f" (asked {asked} times)" if asked > 1 else ""
            flaw = Flaw(INVALID, f"{reason}{asks}", last.answer)
            return Verdict((flaw,), Label(None, asked, told, 0.0))
        none = elected.tie and self._tie == "abstain"
        value: Any = None if none else told[elected.place].value
        label = Label(value, asked, told, elected.share, elected.tie)
        return Verdict((votes[elected.place].answer,), label)


def recorded(identity: Mapping[str, Any]) -> Labeling | None:
    """Return the script of a run by its identity, or None if it is no labeling run."""
    if identity.get("script") != NAME:
        return None
    field = identity.get("label_field")
    schema = identity.get("label_schema")
    kind: Kind
    if schema is not None:
        kind = Fitting(str(schema), field)
    else:
        kind = Labels(orjson.loads(identity["labels"]), field)
    return Labeling(
        kind,
        votes=int(identity["label_votes"]),
        retries=int(identity["label_retries"]),
        tie=cast("Tie", identity["label_tie"]),
    )
