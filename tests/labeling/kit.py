"""Rows and answers for tests of labeling, and a toy whose answers a test writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from batch.records import Answer, Done, Finish, Reply, Request, Row, State, Step
from batch.usage import Meter, Usage
from tests.rig import rows
from tests.toys.formats import Toy, read, tokens


class Talk(Toy):
    """A toy that takes schemas and goes on with a talk; its body shows what it was asked."""

    name = "talk"

    def with_schema(self, body: bytes, schema: Mapping[str, Any]) -> bytes:
        return orjson.dumps({**orjson.loads(body), "schema": schema})

    def go_on(self, body: bytes, said: str, then: str) -> bytes:
        return orjson.dumps({**orjson.loads(body), "said": said, "then": then})

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        body = read(reply)
        finish: Finish = body.get("finish", "stop")
        return Done(Answer(orjson.dumps(body), body["say"], finish, tokens(body)))


def row() -> Row:
    """Return the one line."""
    return rows(1, "talk")[0]


def answer(said: str | None, finish: Finish = "stop") -> Answer:
    """Return an answer that says something."""
    body = orjson.dumps({"say": said})
    return Answer(body, said, finish, Usage({Meter.INPUT: 1, Meter.OUTPUT: 1}))


def body_of(request: Request) -> dict[str, Any]:
    """Return what a request asks."""
    asked: dict[str, Any] = msgspec.json.decode(request.body)
    return asked


def choices(request: Request) -> list[str]:
    """Return the labels of a request, in the order in which it names them."""
    named: list[str] = body_of(request)["schema"]["properties"]["label"]["enum"]
    return named
