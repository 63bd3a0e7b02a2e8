"""The list of models that a key may call: ``GET /v1/models``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from batch.errors import NotAnAnswer
from batch.records import Answer, Done, Reply, Request, State, Step
from batch.usage import Usage
from batch.wire import Ask, Shaped, WireFormat
from batch.wire._base import Plain, checked
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire._routes import Route

_ROUTE: Final = Route("GET", "/v1/models")


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
        listed = document.get("data")
        if not isinstance(listed, list):
            raise no_answer(reply, NotAnAnswer, "the reply has no list of models")
        return Done(
            Answer(
                body=one_line(raw(reply)),
                content="\n".join(_names(listed)),
                finish="stop",
                usage=Usage(),  # it costs nothing
                status=reply.status,
                request_id=request_id(reply.headers),
            )
        )


def _names(listed: list[Any]) -> list[str]:
    models = (one for one in listed if isinstance(one, Mapping))
    return [name for one in models if isinstance(name := one.get("id"), str)]


FORMAT: Final[WireFormat] = Models()
