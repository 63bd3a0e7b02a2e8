"""What a chat completions request must be, asks for, and may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import orjson

from batch.records import Makes, Request
from batch.usage import Meter, Usage
from batch.wire import Ask, Estimate, OutputLimit, Shaped
from batch.wire._base import BYTES_PER_TOKEN, checked, fill_in, makes
from batch.wire._files import Wants
from batch.wire._lenient import as_dict, as_list, count, decoded
from batch.wire._routes import Route
from batch.wire._schema import closed
from batch.wire._searches import researches, searches_itself, with_searches
from batch.wire._spelled import decode_fields, decode_items
from batch.wire._tiers import tier_of
from batch.wire.anthropic_messages.request import TOOL_PROMPT, raised, read_as
from batch.wire.anthropic_messages.request import marked as is_anthropic

ROUTE: Final = Route("POST", "/v1/chat/completions")
_EXPECTED_OUTPUT: Final = 256  # tokens, where the body sets no limit; estimates correct themselves
# Parts whose tokens are not bounded by the bytes that name them.
_UNBOUNDED: Final = (
    b'"image_url"',
    b'"input_audio"',
    b'"video_url"',
    b'"file"',
)
OUTPUT_LIMIT: Final = OutputLimit(("max_tokens", "max_completion_tokens"), {"max_tokens": 500})
# Where a body may name a file, and how it is written there.
FILES: Final[Wants] = {
    "image_url.url": "data_uri",
    "image_url": "data_uri",  # the gateway takes the shorter spelling too (new-api's dto)
    "video_url.url": "data_uri",
    "input_audio.data": "base64",
    "file_data": "data_uri",
}
_MEDIA: Final[tuple[Makes, ...]] = ("audio", "image")  # ``modalities`` that make media


class _Message(msgspec.Struct, frozen=True):
    role: str


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked; msgspec passes over the rest without building it."""

    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    model: str | None = None
    stream: bool | None = None
    stream_options: dict[str, msgspec.Raw] | None = None
    modalities: Any = None


class _Knobs(msgspec.Struct, frozen=True):
    """What of a body tells its size. Any type: the gateway judges them, not we."""

    max_tokens: Any = None
    max_completion_tokens: Any = None
    n: Any = None
    service_tier: Any = None
    web_search_options: Any = None
    search_parameters: Any = None  # xAI
    enable_search: Any = None  # Qwen
    plugins: Any = None  # OpenRouter


class _Tool(msgspec.Struct, frozen=True):
    type: Any = None
    function: Any = None


class _Tools(msgspec.Struct, frozen=True):
    tools: list[_Tool] = []


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_knobs: Final = msgspec.json.Decoder(_Knobs).decode
_decode_tools: Final = msgspec.json.Decoder(_Tools).decode
_OWN_TOOLS: Final = (None, "function", "custom")  # others are the vendor's: they read the web
# What new-api, and gateways that are made of it, take for Google's own tools by a function's name.
_GOOGLES: Final = ("googleSearch", "codeExecution", "urlContext")


def mine(body: Mapping[str, Any]) -> bool:
    """Return whether it has ``messages`` and nothing that only Anthropic's dialect has.

    There, for one, a system text stands beside the messages; here it is one of them, and the
    gateway would drop it without a word.
    """
    return "messages" in body and not is_anthropic(body)


def shape(body: bytes, ask: Ask) -> Shaped:
    """Check the body; set the model, and have a stream report its usage. Raises ``BadBody``.

    Values that stay keep their bytes, so that no number passes through a float, and a body that
    needs no change is returned as it is.
    """
    asked: _Body = checked(
        body, _decode_body, 'a model and "messages": [{"role": "user", "content": "..."}]'
    )
    wants_usage = asked.stream and ask.add_usage
    changed = _asking_for_usage(asked.stream_options or {}) if wants_usage else None
    model, body = fill_in(body, asked.model, ask, changed)
    kind = _asked_for(asked.modalities) or makes(model, ask)
    return Shaped(model, body, ROUTE.template, ROUTE.template, makes=kind)


def build(prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
    """Make a body without a model; a schema becomes a strict ``response_format``."""
    messages = [{"role": "system", "content": system}] if system is not None else []
    body: dict[str, Any] = {"messages": [*messages, {"role": "user", "content": prompt}]}
    if schema is not None:
        wanted = {"name": "answer", "strict": True, "schema": dict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return orjson.dumps(body)


def with_schema(body: bytes, schema: Mapping[str, Any]) -> bytes:
    """Have a body ask for an answer that fits a schema, unless it asks for a form itself."""
    fields = decode_fields(body)
    if "response_format" in fields:
        return body
    wanted = {"name": "answer", "strict": closed(schema), "schema": schema}
    told = orjson.dumps({"type": "json_schema", "json_schema": wanted})
    return msgspec.json.encode({**fields, "response_format": msgspec.Raw(told)})


def go_on(body: bytes, said: str, then: str) -> bytes:
    """Add the answer, if it says anything, and what is said to it."""
    fields = decode_fields(body)
    talk = [{"role": "assistant", "content": said}] if said else []
    more = [msgspec.Raw(orjson.dumps(one)) for one in (*talk, {"role": "user", "content": then})]
    messages = [*decode_items(fields["messages"]), *more]
    return msgspec.json.encode({**fields, "messages": messages})


def estimate(request: Request) -> Estimate:
    """Return a third of the bytes, and the output limit or 256 tokens for each choice."""
    limit, choices = _output_limit(decoded(_decode_knobs, request.body, _Knobs()))
    return Estimate(
        input_tokens=len(request.body) // BYTES_PER_TOKEN,
        output_tokens=(_EXPECTED_OUTPUT if limit is None else limit) * choices,
    )


def bound(request: Request) -> Usage | None:
    """Return a token for each byte, and the output limit.

    None without one, with media, and with what reads the web.
    """
    knobs = decoded(_decode_knobs, request.body, _Knobs())
    limit, choices = _output_limit(knobs)
    if limit is None or request.makes != "text" or researches(request.model):
        return None
    if any(part in request.body for part in _UNBOUNDED) or _searches(knobs):
        return None
    size = len(request.body)
    if b'"tools"' in request.body:
        tools = decoded(_decode_tools, request.body, _Tools()).tools
        if any(map(_is_hosted, tools)):
            return None
        # Behind the gateway may be a vendor that explains them to its models, at the caller's cost.
        size += TOOL_PROMPT
    bounds = {read_as(request.body): size, Meter.OUTPUT: raised(request.model, limit) * choices}
    usage = Usage(bounds, tier_of(knobs.service_tier))
    return with_searches(usage, int(searches_itself(request.model)))


def _searches(knobs: _Knobs) -> bool:
    """Return whether a vendor is told to search; many bodies say that it is not to."""
    asked = knobs.search_parameters
    off = asked is None or (isinstance(asked, dict) and asked.get("mode") == "off")
    if not off or knobs.web_search_options is not None:
        return True
    return bool(knobs.enable_search or knobs.plugins)


def _is_hosted(tool: _Tool) -> bool:
    """Return whether a tool runs at the vendor's, and reads there what it likes."""
    return tool.type not in _OWN_TOOLS or as_dict(tool.function).get("name") in _GOOGLES


def _asked_for(modalities: Any) -> Makes | None:
    """Return what a body asks for by itself, if it does: else it is as the model is known for."""
    if modalities is None:
        return None
    return next((kind for kind in as_list(modalities) if kind in _MEDIA), None)


def _asking_for_usage(options: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """Return the options to send, if they must change.

    Saying false is worse than saying nothing: the gateway then drops a last chunk that holds usage
    without text, together with the ``finish_reason`` in it.
    """
    if "include_usage" in options and bytes(options["include_usage"]) == b"true":
        return {}
    options = options | {"include_usage": msgspec.Raw(b"true")}
    return {"stream_options": msgspec.Raw(msgspec.json.encode(options))}


def _output_limit(knobs: _Knobs) -> tuple[int | None, int]:
    """Return the most tokens of one choice, if limited, and the number of choices.

    A zero is no limit: the gateway drops it. Of two the larger counts, as vendors differ.
    """
    limit = max(count(knobs.max_completion_tokens) or 0, count(knobs.max_tokens) or 0)
    return limit or None, count(knobs.n) or 1
