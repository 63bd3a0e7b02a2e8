"""Wire formats and sources that hold no more than the reading of inputs needs."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import orjson

from batch.errors import BadBody
from batch.inputs.envelope import Reader
from batch.inputs.lines import RawLine
from batch.inputs.settings import InputSettings
from batch.records import BadLine, Row
from batch.wire import Ask, Shaped, Wrapper
from batch.wire._routes import Route, find


class Pieces(msgspec.Struct):
    """A source whose bytes come in exactly these pieces."""

    name: str
    pieces: list[bytes]
    table: None = None

    def chunks(self) -> Iterator[bytes]:
        return iter(self.pieces)


class ToyFormat:
    """Serves one path, and bodies with a certain key."""

    def __init__(
        self, name: str, key: str, gets: bool = False, wrapper: Wrapper | None = None
    ) -> None:
        self.name = name
        self.routes = (Route("POST", f"/v1/{name}"), *([Route("GET", f"/v1/{name}/{{id}}")] * gets))
        self.wrapper = wrapper
        self.builds_for = ("*",) * (name == "chat")
        self.key = key
        self.asked: list[Ask] = []

    def claims(self, method: str, url: str) -> bool:
        return find(self.routes, method, url) is not None

    def mine(self, body: Mapping[str, Any]) -> bool:
        return self.key in body

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        self.asked.append(ask)
        model = ask.override_model or orjson.loads(body).get("model") or ask.model
        if model is None:
            raise BadBody("The line names no model.", "missing_model")
        found = find(self.routes, ask.method, ask.url or self.routes[0].template)
        assert found is not None
        return Shaped(model, body, found.path, found.route.template, method=ask.method)


def toy_formats() -> dict[str, ToyFormat]:
    formats = (
        ToyFormat("chat", "messages"),
        ToyFormat("embed", "input"),
        ToyFormat("answers", "input"),
        ToyFormat("tasks", "task", gets=True, wrapper=Wrapper("key", "request")),
    )
    return {one.name: one for one in formats}


def parse(raw: bytes, settings: InputSettings | None = None, ordinal: int = 7) -> Row | BadLine:
    line = RawLine(ordinal, ordinal, "in.jsonl", raw, len(raw))
    return Reader(toy_formats(), settings or InputSettings()).parse(line)
