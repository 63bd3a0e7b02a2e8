"""What the tests of the twins share: requests as they come, and plans to answer them."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from batch.mock import Asked, Plan
from batch.mock.chance import Dice
from batch.mock.dials import Dials
from batch.mock.tasks import Tasks


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def asked(path: str, body: object = None, method: str = "POST") -> Asked:
    """Return a request of JSON, or of bytes as they are."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Asked(method=method, path=path, content_type="application/json", raw=raw)


def plan(**fields: Any) -> Plan:
    """Return a plan like the gateway's for a body that came once."""
    given = Plan(
        id="f00",
        attempt=1,
        dice=Dice(0, "f00"),
        words=12,
        pings=False,
        flaw=None,
        tasks=Tasks(Dials(), lambda: 0.0),
        models=("m",),
        link=lambda kind, number: f"http://files.example/files/{number}.{kind}",
    )
    return msgspec.structs.replace(given, **fields)
