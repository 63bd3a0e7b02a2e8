"""The list of models that a key may call: ``GET /v1/models``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from batch.errors import NotAnAnswer
from batch.records import Answer, Done, Reply, Request, State, Step
from batch.usage import Usage
from batch.wire import Ask, Shaped, WireFormat
from batch.wire._base import Plain, checked
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire._lenient import as_list
from batch.wire._pieces import loaded
from batch.wire._routes import Route

_ROUTE: Final = Route("GET", "/v1/models")
# The gateway's word for a kind of endpoint → our format that asks it. It has none for speech,
# transcriptions, Kling and Midjourney, and lists their models as if they could chat.
_FORMATS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "openai": "chat",
        "openai-response": "responses",
        "anthropic": "messages",
        "gemini": "gemini",
        "jina-rerank": "rerank",
        "image-generation": "images",
        "embeddings": "embeddings",
        "openai-video": "videos",
    }
)


class Listed(msgspec.Struct, frozen=True):
    """A model that a key may call."""

    model: str
    formats: tuple[str, ...] | None  # of ours, that can ask it; None: the gateway does not say


class _Body(msgspec.Struct, frozen=True):
    model: str | None = None


_decode_body: Final = msgspec.json.Decoder(_Body)


class Models(Plain):
    """A question about the key itself. A ``model`` beside it says which of the keys is meant."""

    name = "models"
    routes = (_ROUTE,)

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Take what there is; nothing of it is sent."""
        asked: _Body = checked(body, _decode_body, "nothing, or a model whose key is asked about")
        return Shaped(asked.model or self.name, b"", _ROUTE.template, _ROUTE.template, method="GET")

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the list, or raise what the reply is instead."""
        document = read_json(reply)
        if not isinstance(document.get("data"), list):
            raise no_answer(reply, NotAnAnswer, "the reply has no list of models")
        body = one_line(raw(reply))
        return Done(
            Answer(
                body=body,
                content=self.text(body),
                finish="stop",
                usage=Usage(),  # it costs nothing
                status=reply.status,
                request_id=request_id(reply.headers),
            )
        )

    def text(self, body: bytes) -> str | None:
        """Return the names of the models, one a line."""
        return "\n".join(one.model for one in models_of(body))


def models_of(body: bytes) -> tuple[Listed, ...]:
    """Return what an answer lists, each model once, as far as it can be understood."""
    entries = (one for one in as_list(loaded(body).get("data")) if isinstance(one, dict))
    listed = {
        name: Listed(name, _formats(one.get("supported_endpoint_types")))
        for one in entries
        if isinstance(name := one.get("id"), str) and name
    }
    return tuple(listed.values())


def _formats(told: object) -> tuple[str, ...] | None:
    if not isinstance(told, list):
        return None
    words = (word for word in told if isinstance(word, str))
    return tuple(dict.fromkeys(_FORMATS[word] for word in words if word in _FORMATS))


FORMAT: Final[WireFormat] = Models()
