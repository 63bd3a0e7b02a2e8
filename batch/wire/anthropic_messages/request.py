"""What a messages request must be, asks for, and may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import orjson

from batch.records import Request, Spliced
from batch.usage import Meter, Usage
from batch.wire import Ask, Estimate, OutputLimit, Shaped
from batch.wire._base import BYTES_PER_TOKEN, checked, fill_in, makes
from batch.wire._files import Wants, attached
from batch.wire._lenient import as_dict, as_list, count, decoded
from batch.wire._routes import Route
from batch.wire._spelled import decode_fields, decode_items, decode_text
from batch.wire._tiers import tier_of

ROUTE: Final = Route("POST", "/v1/messages")
# The only version that the vendor's own clients send.
HEADERS: Final = (("anthropic-version", "2023-06-01"),)
OUTPUT_LIMIT: Final = OutputLimit(("max_tokens",), {"max_tokens": 500})
# Where a body may name a file, how it is written there, and where its type stands.
_FILES: Final[Wants] = {"source.data": "base64"}
_TYPES: Final = {"source.data": "media_type"}
ANSWER: Final = "answer"  # name of the tool that a schema becomes
_ROOM: Final = 4096  # tokens, where we write the body: what every model of the vendor can give
_EXPECTED_OUTPUT: Final = 256  # tokens, where the body sets no limit; estimates correct themselves
# Tokens of the text by which the vendor explains tools to a model: its price list knows some 500.
TOOL_PROMPT: Final = 1024
# The gateway raises a lower limit of a model with this ending (new-api's claude handler).
_THINKING: Final = "-thinking"
_LEAST_THINKING: Final = 1280
# Blocks whose tokens are not bounded by the bytes that name them, and servers that bring tools.
_UNBOUNDED: Final = (b'"image"', b'"document"', b'"mcp_servers"')

# What no other dialect has at the top of a body.
_OWN_KEYS: Final = frozenset({"system", "anthropic_version", "stop_sequences"})
_OWN_BLOCKS: Final = frozenset(
    {
        *("tool_use", "tool_result", "thinking", "redacted_thinking"),
        *("server_tool_use", "web_search_tool_result"),
    }
)
_MEDIA_BLOCKS: Final = frozenset({"image", "document"})
# What shows that a body is of OpenAI's dialect, whatever else it has.
_OTHER_KEYS: Final = frozenset({"max_completion_tokens", "response_format", "stream_options"})
_OTHER_TOOLS: Final = (None, "function", "custom")
_OTHER_ROLES: Final = frozenset({"system", "developer", "tool", "function"})


class _Message(msgspec.Struct, frozen=True):
    role: str


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked; msgspec passes over the rest without building it."""

    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    model: str | None = None
    stream: bool | None = None


class _Knobs(msgspec.Struct, frozen=True):
    """What of a body tells its size and kind. Any type: the gateway judges them, not we."""

    max_tokens: Any = None
    tools: Any = None
    tool_choice: Any = None
    speed: Any = None
    inference_geo: Any = None


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_knobs: Final = msgspec.json.Decoder(_Knobs).decode


def mine(body: Mapping[str, Any]) -> bool:
    """Return whether it has what only this dialect has, and nothing that only OpenAI's has."""
    return isinstance(body.get("messages"), list) and marked(body) and not _is_chat(body)


def marked(body: Mapping[str, Any]) -> bool:
    """Return whether something in it would be lost, without a word, on OpenAI's path."""
    if not _OWN_KEYS.isdisjoint(body):
        return True
    # Some channels take a budget in OpenAI's dialect too, so that a role of that one outweighs it.
    budget = "max_tokens" in body and "budget_tokens" in as_dict(body.get("thinking"))
    return (
        (budget and not _is_chat(body))
        or any(map(_is_own_tool, as_list(body.get("tools"))))
        or any(map(_has_own_block, as_list(body.get("messages"))))
    )


def shape(body: bytes, ask: Ask) -> Shaped:
    """Check the body and set the model. Raises ``BadBody``.

    Values that stay keep their bytes, and a body that needs no change is returned as it is. The
    output limit is left to the gateway, which may have one of its own for bodies without.
    """
    needs = 'a model, "max_tokens" and "messages": [{"role": "user", "content": "..."}]'
    asked: _Body = checked(body, _decode_body, needs)
    model, body = fill_in(body, asked.model, ask)
    return Shaped(model, body, ROUTE.template, ROUTE.template, makes=makes(model, ask))


def build(prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
    """Make a body without a model; a schema becomes a tool that must be called."""
    body: dict[str, Any] = {"max_tokens": _ROOM}
    if system is not None:
        body["system"] = system
    body["messages"] = [{"role": "user", "content": prompt}]
    if schema is not None:
        what = "Takes the answer. Call it once, with the whole answer."
        body["tools"] = [{"name": ANSWER, "description": what, "input_schema": dict(schema)}]
        body["tool_choice"] = {"type": "tool", "name": ANSWER}
    return orjson.dumps(body)


def with_schema(body: bytes, schema: Mapping[str, Any]) -> bytes:
    """Have a body call a tool with its answer, unless it has tools itself, or thinks.

    The vendor lets no model think that must call a tool.
    """
    fields = decode_fields(body)
    model = decode_text(fields["model"]) if "model" in fields else ""
    if not fields.keys().isdisjoint({"tools", "tool_choice", "thinking"}) or _THINKING in model:
        return body
    asks = orjson.loads(build("", None, schema))
    told = {key: msgspec.Raw(orjson.dumps(asks[key])) for key in ("tools", "tool_choice")}
    return msgspec.json.encode({**fields, **told})


def go_on(body: bytes, said: str, then: str) -> bytes:
    """Add the answer, if it says anything, and what is said to it."""
    fields = decode_fields(body)
    talk = [{"role": "assistant", "content": said}] if said.strip() else []
    more = [msgspec.Raw(orjson.dumps(one)) for one in (*talk, {"role": "user", "content": then})]
    messages = [*decode_items(fields["messages"]), *more]
    return msgspec.json.encode({**fields, "messages": messages})


def payload(body: bytes) -> bytes | Spliced:
    """Return the body with the files that it names: the vendor takes bare base64 and its type."""
    # Beside pictures, a source may be a document's text, which may itself begin like an address.
    convert = b'"text/plain"' not in body
    return attached(body, _FILES, types=_TYPES, convert=convert)


def estimate(request: Request) -> Estimate:
    """Return a third of the bytes, and the output limit or 256 tokens."""
    return Estimate(
        input_tokens=len(request.body) // BYTES_PER_TOKEN,
        output_tokens=count(_knobs(request.body).max_tokens) or _EXPECTED_OUTPUT,
    )


def bound(request: Request) -> Usage | None:
    """Return a token for each byte, and the output limit.

    None without a limit, with media, and with tools of the vendor's own: they bring text, or read
    the web.
    """
    knobs = _knobs(request.body)
    tools = as_list(knobs.tools)
    limit = count(knobs.max_tokens)
    own = any(as_dict(tool).get("type") not in (None, "custom") for tool in tools)
    if not limit or own or any(part in request.body for part in _UNBOUNDED):
        return None
    limit = raised(request.model, limit)
    size = len(request.body) + (TOOL_PROMPT if tools else 0)
    tier = tier_of(knobs.speed) or tier_of(knobs.inference_geo)
    return Usage({read_as(request.body): size, Meter.OUTPUT: limit}, tier)


def read_as(body: bytes) -> Meter:
    """Return the dearest that a body's tokens may be: what is written to a cache costs more."""
    if b'"cache_control"' not in body:
        return Meter.INPUT
    return Meter.CACHE_WRITE_1H if b'"1h"' in body else Meter.CACHE_WRITE


def raised(model: str, limit: int) -> int:
    """Return an output limit as the gateway passes it on, from chat completions too."""
    return max(limit, _LEAST_THINKING) if model.endswith(_THINKING) else limit


def answer_tool(request: Request) -> str | None:
    """Return the name of the tool whose input is the answer, if the request has one."""
    if b'"tool_choice"' not in request.body:
        return None
    choice = as_dict(_knobs(request.body).tool_choice)
    told = (choice.get("type"), choice.get("name"))
    return ANSWER if told == ("tool", ANSWER) else None


def _is_own_tool(one: object) -> bool:
    tool = as_dict(one)
    # The vendor's own tools have no schema; those of OpenAI's path have their name further inside.
    return "input_schema" in tool or ("name" in tool and tool.get("type") not in _OTHER_TOOLS)


def _has_own_block(message: object) -> bool:
    content = message.get("content") if isinstance(message, dict) else None
    return isinstance(content, list) and any(map(_is_own_block, content))


def _is_own_block(one: object) -> bool:
    block = as_dict(one)
    kind = block.get("type")
    if not isinstance(kind, str):
        return False
    return kind in _OWN_BLOCKS or (kind in _MEDIA_BLOCKS and bool(as_dict(block.get("source"))))


def _is_chat(body: Mapping[str, Any]) -> bool:
    if not _OTHER_KEYS.isdisjoint(body):
        return True
    told = [as_dict(one) for one in as_list(body.get("messages"))]
    return any("tool_calls" in one or _role(one) in _OTHER_ROLES for one in told)


def _role(message: Mapping[str, Any]) -> str:
    role = message.get("role")
    return role if isinstance(role, str) else ""


def _knobs(body: bytes) -> _Knobs:
    return decoded(_decode_knobs, body, _Knobs())
