"""What a request for content must be, asks for, and may take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import orjson

from batch.errors import BadBody
from batch.records import Makes, Request
from batch.usage import Meter, Usage
from batch.wire import NO_MODEL, Ask, Estimate, OutputLimit, Shaped
from batch.wire._base import BYTES_PER_TOKEN, checked, makes
from batch.wire._files import Wants
from batch.wire._lenient import as_dict, as_list, count, decoded
from batch.wire._routes import Found, Route, fill
from batch.wire._spelled import decode_fields, decode_items, fields_in
from batch.wire._tiers import tier_of
from batch.wire.gemini.spelling import told

# Google's clients ask under either version, and the gateway serves both.
ROUTES: Final = (
    Route("POST", "/v1beta/models/{model}:generateContent"),
    Route("POST", "/v1beta/models/{model}:streamGenerateContent"),
    Route("POST", "/v1/models/{model}:generateContent"),
    Route("POST", "/v1/models/{model}:streamGenerateContent"),
)
OUTPUT_LIMIT: Final = OutputLimit(
    ("maxOutputTokens", "max_output_tokens"), {"generationConfig": {"maxOutputTokens": 500}}
)
# Where a body may name a file, and the key beside it that holds the file's type.
FILES: Final[Wants] = {"inlineData.data": "base64", "inline_data.data": "base64"}
TYPES: Final = {"inlineData.data": "mimeType", "inline_data.data": "mime_type"}
_STREAMED: Final = ":streamGenerateContent"
_AS_EVENTS: Final = "?alt=sse"  # without it the gateway answers with one object, Google with a list
_MODELS: Final = "models/"  # how Google's own pages begin the name of a model
_EXPECTED_OUTPUT: Final = 256  # tokens, where the body sets no limit; estimates correct themselves
# Keys that the gateway knows only as they are spelled here: what it does not know, it drops.
_KNOWN_AS: Final = {
    "generation_config": "generationConfig",
    "safety_settings": "safetySettings",
    "tool_config": "toolConfig",
    "cached_content": "cachedContent",
}
# Parts and tools whose tokens are not bounded by the bytes that name them.
_UNBOUNDED: Final = (
    *(b'"inlineData"', b'"inline_data"', b'"fileData"', b'"file_data"', b'"cachedContent"'),
    *(b'"urlContext"', b'"url_context"', b'"codeExecution"', b'"code_execution"'),
    b'"google',  # searches and maps, of several names
)
# Settings that say in which form the answer comes, in both of the vendor's spellings.
_FORMS: Final = (
    *("responseMimeType", "responseSchema", "responseJsonSchema"),
    *("response_mime_type", "response_schema", "response_json_schema"),
)
_MEDIA: Final[Mapping[str, Makes]] = {"IMAGE": "image", "AUDIO": "audio", "VIDEO": "video"}


class _Part(msgspec.Struct, frozen=True):
    """Any object; msgspec passes over what is in it."""


class _Content(msgspec.Struct, frozen=True):
    parts: list[_Part]


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked; the rest is the gateway's matter."""

    contents: Annotated[list[_Content], msgspec.Meta(min_length=1)]
    model: str | None = None


class _Config(msgspec.Struct, frozen=True):
    config: Any = msgspec.field(name="generationConfig", default=None)


class _Tier(msgspec.Struct, frozen=True):
    tier: Any = msgspec.field(name="serviceTier", default=None)
    snake: Any = msgspec.field(name="service_tier", default=None)


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_config: Final = msgspec.json.Decoder(_Config).decode
_decode_tier: Final = msgspec.json.Decoder(_Tier).decode


def mine(body: Mapping[str, Any]) -> bool:
    """Return whether it has ``contents``, as no other format has."""
    return "contents" in body


def shape(body: bytes, ask: Ask, found: Found) -> Shaped:
    """Check the body, and put the model into the path. Raises ``BadBody``.

    A model in the url outranks one in the body, which is taken out: it has no place there.
    """
    asked: _Body = checked(body, _decode_body, '"contents": [{"parts": [{"text": "..."}]}]')
    named = ask.override_model or found.holes.get("model") or asked.model or ask.model or ""
    model = named.removeprefix(_MODELS)
    if not model:
        raise BadBody(
            'the line names no model: give it a "url" with one or a "model", or all lines one '
            "with -m",
            NO_MODEL,
        )
    body = _as_known(body)
    endpoint = found.route.template
    path = fill(endpoint, {"model": model})
    return Shaped(
        model=model,
        body=body,
        path=path + _AS_EVENTS if endpoint.endswith(_STREAMED) else path,
        endpoint=endpoint,
        makes=_makes(_config(body), model, ask),
    )


def build(prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
    """Make a body without a model; a schema goes where any JSON Schema is understood."""
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": prompt}]}]}
    if system is not None:
        body["systemInstruction"] = {"parts": [{"text": system}]}
    if schema is not None:
        # ``responseSchema`` takes a dialect of its own and refuses additionalProperties.
        wanted = {"responseMimeType": "application/json", "responseJsonSchema": dict(schema)}
        body["generationConfig"] = wanted
    return orjson.dumps(body)


def with_schema(body: bytes, schema: Mapping[str, Any]) -> bytes:
    """Have a body ask for an answer that fits a schema, unless it asks for a form itself."""
    fields = decode_fields(body)
    config = fields_in(fields, "generationConfig")
    if any(key in config for key in _FORMS):
        return body
    config["responseMimeType"] = msgspec.Raw(b'"application/json"')
    config["responseJsonSchema"] = msgspec.Raw(orjson.dumps(schema))
    told = msgspec.Raw(msgspec.json.encode(config))
    return msgspec.json.encode({**fields, "generationConfig": told})


def go_on(body: bytes, said: str, then: str) -> bytes:
    """Add the answer, if it says anything, and what is said to it."""
    fields = decode_fields(body)
    talk = [("model", said)] if said else []
    more = [
        msgspec.Raw(orjson.dumps({"role": role, "parts": [{"text": text}]}))
        for role, text in (*talk, ("user", then))
    ]
    contents = [*decode_items(fields["contents"]), *more]
    return msgspec.json.encode({**fields, "contents": contents})


def estimate(request: Request) -> Estimate:
    """Return a third of the bytes, and the output limit or 256 tokens for each candidate."""
    limit, candidates = _output_limit(_config(request.body))
    return Estimate(
        input_tokens=len(request.body) // BYTES_PER_TOKEN,
        output_tokens=(_EXPECTED_OUTPUT if limit is None else limit) * candidates,
    )


def bound(request: Request) -> Usage | None:
    """Return a token for each byte, and the output limit; None without one, or with media."""
    limit, candidates = _output_limit(_config(request.body))
    if limit is None or request.makes != "text" or any(key in request.body for key in _UNBOUNDED):
        return None
    asked = decoded(_decode_tier, request.body, _Tier())
    bounds = {Meter.INPUT: len(request.body), Meter.OUTPUT: limit * candidates}
    return Usage(bounds, tier_of(asked.tier or asked.snake))


def streams(request: Request) -> bool:
    """Return whether the answer is asked for as events."""
    return request.path.endswith(_AS_EVENTS)


def _as_known(body: bytes) -> bytes:
    """Return the body without a model, and with keys that the gateway knows, values untouched."""
    fields = decode_fields(body)
    known = {_KNOWN_AS.get(key, key): value for key, value in fields.items() if key != "model"}
    return body if known.keys() == fields.keys() else msgspec.json.encode(known)


def _makes(config: Mapping[str, Any], model: str, ask: Ask) -> Makes:
    """Return what is made: as the body asks for it, else as the model is known for."""
    modalities = as_list(told(config, "responseModalities"))
    wanted = [kind.upper() for kind in modalities if isinstance(kind, str)]
    if not wanted:
        return makes(model, ask)
    return next((_MEDIA[kind] for kind in wanted if kind in _MEDIA), "text")


def _config(body: bytes) -> dict[str, Any]:
    return as_dict(decoded(_decode_config, body, _Config()).config)


def _output_limit(config: Mapping[str, Any]) -> tuple[int | None, int]:
    """Return the most tokens of one candidate, thoughts included, and the number of candidates.

    A zero is no limit: the gateway drops it.
    """
    limit = count(told(config, "maxOutputTokens"))
    return limit or None, count(told(config, "candidateCount")) or 1
