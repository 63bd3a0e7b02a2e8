"""The twin of embeddings: each text has its vector, whoever asks for it and in whatever company."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Mapping
from hashlib import shake_128
from math import sqrt
from typing import Any, Final

import orjson

from batch.mock import Ask, BadAsk, Billed, Plan, Prepared, Twin, Whole, _errors
from batch.mock._base import Served, Types
from batch.mock._text import weigh

_USUAL: Final = 1536  # dimensions
_MOST: Final = 4096
_TYPES: Final[Types] = {
    "model": (str,),
    "input": (str, list),
    "dimensions": (int,),
    "encoding_format": (str,),
}
# new-api's converters print the usage of a chat: its struct whole, with nothing in it.
_PADDING: Final[Mapping[str, Any]] = {
    "completion_tokens": 0,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


class _Embeddings(Served):
    name = "embeddings"
    required = ("model", "input")
    types = _TYPES

    def check(self, body: Mapping[str, Any], route: str) -> None:
        super().check(body, route)
        if not 0 <= (body.get("dimensions") or 0) <= _MOST:
            raise BadAsk("bad_request", f"dimensions must be between 1 and {_MOST}")
        if not all(_is_text(one) for one in _inputs(body)):
            raise BadAsk("bad_request", "every input must be a text, or tokens, and not empty")

    def prompt(self, body: Mapping[str, Any]) -> str:
        texts = [one for one in _inputs(body) if isinstance(one, str)]
        return texts[0] if texts else ""

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        if plan.flaw == "error_200":
            return Whole(body=_errors.words("error_200", plan.id))
        inputs = _inputs(ask.body)
        read = sum(weigh(one) if isinstance(one, str) else len(one) for one in inputs)
        shown = [] if plan.flaw == "empty_choices" else inputs
        data = [
            {"object": "embedding", "index": index, "embedding": _vector(one, ask)}
            for index, one in enumerate(shown)
        ]
        usage = {"prompt_tokens": read, "total_tokens": read, **_PADDING}
        body = {"object": "list", "model": ask.model, "data": data, "usage": usage}
        billed: Billed = {
            "input_tokens": read,
            "input_cached_tokens": 0,
            "output_tokens": 0,
            "output_reasoning_tokens": 0,
        }
        return Whole(body=orjson.dumps(body), billed=billed, reserve=read)


def _inputs(body: Mapping[str, Any]) -> list[Any]:
    """Return what is asked for, each a text or a list of tokens."""
    asked = body["input"]
    return asked if isinstance(asked, list) and type(asked[0]) is not int else [asked]


def _is_text(one: Any) -> bool:
    tokens = isinstance(one, list) and all(type(token) is int for token in one)
    return bool(one) and (isinstance(one, str) or tokens)


def _vector(one: str | list[int], ask: Ask) -> list[float] | str:
    """Return a vector of length 1: what a text means is no matter of chance."""
    size = ask.body.get("dimensions") or _USUAL
    noise = shake_128(orjson.dumps([ask.model, one])).digest(2 * size)
    numbers = [number + 0.5 for number in struct.unpack(f"<{size}h", noise)]
    length = sqrt(sum(number * number for number in numbers))
    packed = struct.pack(f"<{size}f", *(number / length for number in numbers))
    if ask.body.get("encoding_format") == "base64":
        return b64encode(packed).decode()
    return list(struct.unpack(f"<{size}f", packed))


TWIN: Twin = _Embeddings()
