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
from batch.wire import Ask, Shaped


class Pieces(msgspec.Struct):
    """A source whose bytes come in exactly these pieces."""

    name: str
    pieces: list[bytes]

    def chunks(self) -> Iterator[bytes]:
        return iter(self.pieces)


class ToyFormat:
    """Serves one path, and bodies with a certain key."""

    def __init__(self, name: str, key: str) -> None:
        self.name = name
        self.endpoint = f"/v1/{name}"
        self.key = key
        self.asked: list[Ask] = []

    def claims(self, url: str) -> bool:
        return url == self.endpoint

    def mine(self, body: Mapping[str, Any]) -> bool:
        return self.key in body

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        self.asked.append(ask)
        model = ask.override_model or orjson.loads(body).get("model") or ask.model
        if model is None:
            raise BadBody("The line names no model.", "missing_model")
        return Shaped(model, body)


def toy_formats() -> dict[str, ToyFormat]:
    formats = (
        ToyFormat("chat", "messages"),
        ToyFormat("embed", "input"),
        ToyFormat("answers", "input"),
    )
    return {one.name: one for one in formats}


def parse(raw: bytes, settings: InputSettings | None = None, ordinal: int = 7) -> Row | BadLine:
    line = RawLine(ordinal, ordinal, "in.jsonl", raw, len(raw))
    return Reader(toy_formats(), settings or InputSettings(())).parse(line)
