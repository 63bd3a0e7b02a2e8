"""The mock gateway without sockets, for runs in virtual time; it counts what it bills by line."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import orjson

from batch.errors import Interrupted
from batch.mock import Asked, _errors, chance, twins
from batch.mock._errors import REQUEST_ID, TurnedAway
from batch.mock.dials import Dials
from batch.mock.door import Admitted, Door
from batch.mock.faults import FAULTS, parse_faults
from batch.mock.hours import Hours
from batch.mock.ledger import Row as Served
from batch.records import Call, Reply, Row
from batch.secret import Secret
from batch.transport import Folding, nobody
from tests.rig import EPOCH

TOKENS = ("input_tokens", "output_tokens")
MOODS = ("I love it, it is great", "It broke, I want a refund", "It is made of wood")


def reviews(count: int) -> list[Row]:
    """Return so many lines that each ask about a text of their own."""
    return [
        Row(
            ordinal=n,
            sum=n * 1_000_003,
            custom_id=f"r-{n}",
            format="chat",
            model="gpt-4o-mini",
            body=orjson.dumps({"model": "gpt-4o-mini", "messages": [_said(n)]}),
            source="reviews.jsonl",
            number=n,
            path="/v1/chat/completions",
            endpoint="/v1/chat/completions",
        )
        for n in range(1, count + 1)
    ]


def _said(n: int) -> dict[str, str]:
    return {"role": "user", "content": f"{MOODS[n % len(MOODS)]} #{n}#"}


class Rehearsal:
    """A transport to a mock gateway of its own; it outlives the sessions that ask it."""

    def __init__(self, faults: str = "", seed: int = 0) -> None:
        self._dials = Dials(seed=seed, **parse_faults(faults))
        self._door = Door(self._dials, Hours(self._dials, lambda: 0.0), lambda kind, n: "")
        self._attempts = chance.Attempts()
        (self._twin,) = (one for one in twins() if one.serves("POST", "/v1/chat/completions"))
        self.billed: dict[int, list[tuple[int, ...]]] = defaultdict(list)  # by line
        self.fates: Counter[str] = Counter()
        self.calls = 0

    async def send(
        self,
        call: Call,
        secret: Secret | None,
        folding: Folding | None = None,
        grew: Callable[[int], None] = nobody,
        leaves: Callable[[], None] | None = None,
    ) -> Reply:
        """Answer as the gateway would."""
        assert isinstance(call.payload, bytes)
        if leaves is not None:
            leaves()
        self.calls += 1
        served = self._arrived(call.payload)
        await asyncio.sleep(0.01)
        try:
            kind = "application/json"
            admitted = self._admitted(served, Asked(call.method, call.path, kind, call.payload))
        except TurnedAway as away:
            self.fates[away.fate] += 1
            said = _errors.words(away.fate, "id", away.message, away.manner)
            return Reply(_errors.status(away.fate), {"content-type": _errors.JSON}, said, EPOCH, 10)
        fault = admitted.fate.fault
        self.fates[fault or "answered"] += 1
        if admitted.billed:
            line = int(call.payload.split(b"#")[1])
            self.billed[line].append(tuple(admitted.billed[name] for name in TOKENS))
        if fault == "cut":
            raise Interrupted("cut")
        await asyncio.sleep(0.01)
        head = {"content-type": _errors.JSON, REQUEST_ID.lower(): f"{served.sum}-{served.attempt}"}
        return Reply(200, head, b"".join(admitted.prepared.render()), EPOCH, 10)

    def _admitted(self, served: Served, asked: Asked) -> Admitted:
        admitted = self._door.admit(self._twin, served, asked, "")
        fault = admitted.fate.fault
        if fault and FAULTS[fault] == "work":
            raise TurnedAway(fault)
        return admitted

    def _arrived(self, raw: bytes) -> Served:
        body_sum = chance.sum_of(raw)
        attempt = self._attempts.count(body_sum)
        return Served(self.calls, 0.0, "POST", "/v1/chat/completions", "", body_sum, attempt)

    def tokens(self) -> dict[str, int]:
        """Return all that was billed."""
        rows = [row for several in self.billed.values() for row in several]
        return {name: sum(row[n] for row in rows) for n, name in enumerate(TOKENS)}


def usage_of(record: dict[str, Any]) -> tuple[int, ...]:
    """Return the tokens of a usage as records and entries have it."""
    return tuple(record["usage"][name] for name in TOKENS)
