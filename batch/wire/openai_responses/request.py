"""What a request for a response must be, asks for, and may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeAlias

import msgspec
import orjson

from batch.errors import BadBody
from batch.records import Makes, Request
from batch.usage import Meter, Usage
from batch.wire import Ask, Estimate, OutputLimit, Shaped
from batch.wire._base import BYTES_PER_TOKEN, checked, fill_in, makes
from batch.wire._files import Wants
from batch.wire._lenient import as_dict, as_list, count, decoded
from batch.wire._routes import Route
from batch.wire._schema import closed
from batch.wire._searches import researches
from batch.wire._spelled import decode_fields, decode_items, fields_in
from batch.wire._tiers import tier_of

ROUTE: Final = Route("POST", "/v1/responses")
_EXPECTED_OUTPUT: Final = 256  # tokens, where the body sets no limit; estimates correct themselves
# What is read beside the body's own bytes: media, hosted tools, what the vendor keeps.
_UNBOUNDED: Final = (
    b'"input_image"',
    b'"input_file"',
    b'"item_reference"',
    b'"previous_response_id"',
    b'"conversation"',
    b'"prompt"',
    b'"web_search',
    b'"file_search"',
    b'"code_interpreter"',
    b'"image_generation"',
    b'"mcp"',
)
OUTPUT_LIMIT: Final = OutputLimit(("max_output_tokens",), {"max_output_tokens": 500})
# Where a body may name a file, and how it is written there.
FILES: Final[Wants] = {"image_url": "data_uri", "file_data": "data_uri"}
# Other endpoints take an ``input`` too, those of speech and embeddings. These show that it is asked
# for a response, and those that it is not.
_OWN: Final[Mapping[str, type]] = {
    "instructions": str,
    "max_output_tokens": int,
    "previous_response_id": str,
    "reasoning": dict,
    "text": dict,
    "tools": list,
}
_OTHERS: Final = frozenset(
    {
        *("messages", "contents", "voice", "response_format", "speed", "stream_format"),
        *("encoding_format", "dimensions"),
    }
)
_ITEM: Final = frozenset({"role", "call_id"})  # one of them stands in an item of a conversation


class _Item(msgspec.Struct, frozen=True):
    pass


_Input: TypeAlias = (
    Annotated[str, msgspec.Meta(min_length=1)] | Annotated[list[_Item], msgspec.Meta(min_length=1)]
)


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked; msgspec passes over the rest without building it."""

    input: _Input
    model: str | None = None
    stream: bool | None = None
    background: bool | None = None
    tools: Any = None
    tool_choice: Any = None


class _Knobs(msgspec.Struct, frozen=True):
    """What of a body tells its size. Any type: the gateway judges them, not we."""

    max_output_tokens: Any = None
    service_tier: Any = None


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_knobs: Final = msgspec.json.Decoder(_Knobs).decode


def mine(body: Mapping[str, Any]) -> bool:
    """Return whether its ``input`` is a conversation, or what stands beside it is for one."""
    told = body.get("input")
    if not isinstance(told, str | list) or body.keys() & _OTHERS:
        return False
    beside = any(isinstance(body.get(key), kind) for key, kind in _OWN.items())
    return beside or any(as_dict(item).keys() & _ITEM for item in as_list(told))


def shape(body: bytes, ask: Ask) -> Shaped:
    """Check the body and set the model. Raises ``BadBody``.

    A stream reports its usage unasked. An answer in the background would be paid and never seen.
    """
    asked: _Body = checked(
        body, _decode_body, 'a model and an "input": a text, or [{"role": "user", "content": ...}]'
    )
    if asked.background:
        raise BadBody('"background" asks for an answer that nobody could fetch here: leave it out')
    model, body = fill_in(body, asked.model, ask)
    return Shaped(model, body, ROUTE.template, ROUTE.template, makes=_makes(asked, model, ask))


def build(prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
    """Make a body without a model; a schema becomes a strict format of the text."""
    body: dict[str, Any] = {} if system is None else {"instructions": system}
    body["input"] = prompt
    if schema is not None:
        wanted = {"type": "json_schema", "name": "answer", "strict": True, "schema": dict(schema)}
        body["text"] = {"format": wanted}
    return orjson.dumps(body)


def with_schema(body: bytes, schema: Mapping[str, Any]) -> bytes:
    """Have a body ask for an answer that fits a schema, unless it asks for a form itself."""
    fields = decode_fields(body)
    text = fields_in(fields, "text")
    if "format" in text:
        return body
    wanted = {"type": "json_schema", "name": "answer", "strict": closed(schema), "schema": schema}
    told = msgspec.json.encode({**text, "format": msgspec.Raw(orjson.dumps(wanted))})
    return msgspec.json.encode({**fields, "text": msgspec.Raw(told)})


def go_on(body: bytes, said: str, then: str) -> bytes:
    """Add the answer, if it says anything, and what is said to it."""
    fields = decode_fields(body)
    asked = bytes(fields.get("input", b'""'))
    talk = [{"role": "assistant", "content": said}] if said else []
    more = [msgspec.Raw(orjson.dumps(one)) for one in (*talk, {"role": "user", "content": then})]
    if asked.startswith(b"["):
        before = decode_items(asked)
    else:
        before = [msgspec.Raw(b'{"role":"user","content":%b}' % asked)]
    return msgspec.json.encode({**fields, "input": [*before, *more]})


def estimate(request: Request) -> Estimate:
    """Return a third of the bytes, and the output limit or 256 tokens."""
    limit = _output_limit(request.body)
    return Estimate(
        input_tokens=len(request.body) // BYTES_PER_TOKEN,
        output_tokens=_EXPECTED_OUTPUT if limit is None else limit,
    )


def bound(request: Request) -> Usage | None:
    """Return a token for each byte, and the output limit; None if anything else may be read."""
    knobs = decoded(_decode_knobs, request.body, _Knobs())
    limit = count(knobs.max_output_tokens)
    if not limit or researches(request.model):
        return None
    if any(part in request.body for part in _UNBOUNDED):
        return None
    bounds = {Meter.INPUT: len(request.body), Meter.OUTPUT: limit}
    return Usage(bounds, tier_of(knobs.service_tier))


def _makes(asked: _Body, model: str, ask: Ask) -> Makes:
    """Return what is made: a picture if the tool for it may be used, else as the model says."""
    draws = any(as_dict(tool).get("type") == "image_generation" for tool in as_list(asked.tools))
    return "image" if draws and asked.tool_choice != "none" else makes(model, ask)


def _output_limit(body: bytes) -> int | None:
    """Return the most tokens of the answer, if limited. A zero is none: the gateway drops it."""
    return count(decoded(_decode_knobs, body, _Knobs()).max_output_tokens) or None
