"""Reranking: ``POST /v1/rerank``, documents in the order in which they answer a query.

The gateway has it for models of Jina, Cohere and others, in Jina's words (new-api's own types).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import orjson

from batch.errors import NotAnAnswer
from batch.records import Answer, Done, Reply, Request, State, Step
from batch.usage import Meter, Usage
from batch.wire import Ask, Piece, Shaped, WireFormat
from batch.wire._base import Plain, checked, fill_in
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire._lenient import as_dict, as_list, count, first_text
from batch.wire._pieces import loaded, parts, told
from batch.wire._routes import Route

_ROUTE: Final = Route("POST", "/v1/rerank")


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked. A document may be a text or an object: the vendors decide."""

    query: Annotated[str, msgspec.Meta(min_length=1)]
    documents: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    model: str | None = None


_decode_body: Final = msgspec.json.Decoder(_Body)


class Rerank(Plain):
    """One call, one list of places and scores."""

    name = "rerank"
    routes = (_ROUTE,)

    def mine(self, body: Mapping[str, Any]) -> bool:
        """Claim a query beside documents: no other format has both."""
        return {"query", "documents"} <= body.keys()

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body and set the model. Raises ``BadBody``."""
        needs = 'a model, a "query" and a list of "documents"'
        asked: _Body = checked(body, _decode_body, needs)
        model, body = fill_in(body, asked.model, ask)
        return Shaped(model, body, _ROUTE.template, _ROUTE.template)

    def bound(self, request: Request) -> Usage | None:
        """Return a token for each byte of each document, and of the query with each of them."""
        asked = _decode_body.decode(request.body)
        size = len(request.body) + len(asked.query.encode()) * len(asked.documents)
        return Usage({Meter.INPUT: size, Meter.OUTPUT: 0})

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the answer, or raise what the reply is instead."""
        document = read_json(reply)
        usage = _usage(document)
        places = _places(document.get("results"), len(_decode_body.decode(request.body).documents))
        if places is None:
            raise no_answer(reply, NotAnAnswer, "the reply puts no document in its place", usage)
        return Done(
            Answer(
                body=one_line(raw(reply)),
                content=orjson.dumps(places).decode(),
                finish="stop",
                usage=usage,
                model=first_text(document, "model") or None,
                status=reply.status,
                request_id=request_id(reply.headers),
            )
        )

    def prompt(self, body: bytes) -> list[Piece]:
        """Return the query and the documents."""
        asked = loaded(body)
        texts = [
            one if isinstance(one, str) else parts([one]) for one in as_list(asked.get("documents"))
        ]
        numbered = [Piece(f"document {number}", text) for number, text in enumerate(texts)]
        return [*told(asked, "query"), *numbered]

    def text(self, body: bytes) -> str | None:
        """Return the documents by their numbers, the best first."""
        places = _places(loaded(body).get("results"), None)
        return None if places is None else orjson.dumps(places).decode()


def _places(results: Any, documents: int | None) -> list[int] | None:
    """Return the documents by their numbers, the best first; None if this is no order of them.

    ``documents`` is how many there were, if that is known.
    """
    if not isinstance(results, list) or not results:
        return None
    numbers = [as_dict(one).get("index") for one in results]
    places = [
        place
        for place in numbers
        if type(place) is int and place >= 0 and (documents is None or place < documents)
    ]
    return places if len(set(places)) == len(results) else None


def _usage(document: dict[str, Any]) -> Usage | None:
    """Return what was read, or the searches by which Cohere bills; nothing is generated.

    Some vendors tell only the total.
    """
    told = as_dict(document.get("usage"))
    read = count(told.get("prompt_tokens")) or count(told.get("total_tokens"))
    if read:
        return Usage({Meter.INPUT: read, Meter.OUTPUT: 0})
    units = as_dict(as_dict(document.get("meta")).get("billed_units"))
    searches = count(units.get("search_units"))
    return Usage({Meter.SEARCHES: searches}) if searches else None


FORMAT: Final[WireFormat] = Rerank()
