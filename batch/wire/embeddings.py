"""Embeddings: ``POST /v1/embeddings``, several lines in one call where they ask alike.

Lines are packed whose bodies differ in nothing but their texts. Each line's share of a pack's
answer is the list that a call of its own had given, digit by digit, but without ``usage``: what the
call reports is all lines' together, and each line's part of it stands in its record.
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, TypeAlias

import msgspec

from batch.errors import BadBody, NotAnAnswer
from batch.records import Answer, Done, Reply, Request, State, Step
from batch.usage import Meter, Usage, disjoint
from batch.wire import Ask, Shaped, WireFormat
from batch.wire._base import Plain, checked, fill_in, prompt_alone
from batch.wire._http import no_answer, one_line, raw, read_json, request_id
from batch.wire._lenient import BAD_JSON, as_dict, as_list, count, first_text
from batch.wire._pieces import loaded
from batch.wire._routes import Route
from batch.wire._spelled import decode_fields, decode_items
from batch.wording import counted

_Fields: TypeAlias = dict[str, msgspec.Raw]

_ROUTE: Final = Route("POST", "/v1/embeddings")
_OFF: Final = (b"null", b"false")
# Fields that, beside an input, no other format has.
_OWN_FIELDS: Final = frozenset({"encoding_format", "dimensions"})


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked. What the input is, the vendors decide: texts, tokens, parts."""

    input: msgspec.Raw
    model: str | None = None


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_texts: Final = msgspec.json.Decoder(str | list[str]).decode
_decode_objects: Final = msgspec.json.Decoder(list[_Fields]).decode


class Embeddings(Plain):
    """One call, one list of vectors: those of one line, or of a pack."""

    name = "embeddings"
    builds_for: tuple[str, ...] = ("*embed*",)
    routes = (_ROUTE,)

    def mine(self, body: Mapping[str, Any]) -> bool:
        """Claim an input beside a field of ours, and a list of bare texts or tokens.

        A lone text with a model may as well be meant for responses, or for speech.
        """
        asked = body.get("input")
        bare = isinstance(asked, list) and bool(asked) and isinstance(asked[0], str | int | list)
        return asked is not None and (bare or bool(_OWN_FIELDS & body.keys()))

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check that there is an input; set the model."""
        asked: _Body = checked(body, _decode_body, 'a model and "input": a text, or several')
        if _is_empty(bytes(asked.input)):
            raise BadBody('the "input" is empty: give it a text, or a list of texts')
        model, body = fill_in(body, asked.model, ask)
        path = _ROUTE.template
        return Shaped(model, body, path, path, pack_key=_pack_key(body))

    def build(self, prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
        """Make a body that has the prompt as its input."""
        return prompt_alone("input", prompt, system, schema, "an embedding")

    def pack(self, bodies: Sequence[bytes]) -> bytes:
        """Make one body that has the texts of all as its input, each as it was written."""
        several = [decode_fields(body) for body in bodies]
        texts = b",".join(text for fields in several for text in _texts(fields["input"]))
        return msgspec.json.encode(several[0] | {"input": msgspec.Raw(b"[%b]" % texts)})

    def bound(self, request: Request) -> Usage | None:
        """Return a token for each byte, if the input is texts."""
        if not _pack_key(request.body):
            return None
        return Usage({Meter.INPUT: len(request.body), Meter.OUTPUT: 0})

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the vectors, or raise what the reply is instead."""
        document = read_json(reply)
        usage = _read_usage(document.get("usage"))
        counts = [_vectors(body) for body in request.bodies or (request.body,)]
        total = None if None in counts else sum(filter(None, counts))
        order, flaw = _order(document.get("data"), total)
        if flaw:
            raise no_answer(reply, NotAnAnswer, flaw, usage)
        return Done(
            Answer(
                body=one_line(raw(reply)),
                content=None,
                finish="stop",
                usage=usage,
                model=first_text(document, "model") or None,
                status=reply.status,
                request_id=request_id(reply.headers),
                shares=_shares(reply, order, counts) if len(request.ordinals) > 1 else (),
            )
        )

    def vectors(self, body: bytes) -> list[bytes]:
        """Return the vectors by their ``index``; lists of numbers and base64 are the same."""
        data = as_list(loaded(body).get("data"))
        order, flaw = _order(data, None)
        return [] if flaw else [_float32(data[place]["embedding"]) for place in order]


def _float32(told: list[Any] | str) -> bytes:
    """Return a vector as float32, which is what base64 holds; nothing if it holds other things."""
    try:
        if isinstance(told, str):
            held = b64decode(told, validate=True)
            return held if len(held) % 4 == 0 else b""
        return struct.pack(f"<{len(told)}f", *told)
    except (struct.error, ValueError, OverflowError):
        return b""


def _is_empty(asked: bytes) -> bool:
    return asked in (b"null", b'""') or (asked[:1] == b"[" and not asked[1:-1].strip())


def _pack_key(body: bytes) -> str:
    """Return what lines must have in common to be asked together; nothing for a line that cannot.

    A list or an object beside the input may belong to its texts one by one. An empty text is
    refused by most vendors, and all that is asked with it.
    """
    try:
        fields = decode_fields(body)
        texts = _decode_texts(fields.pop("input"))
    except BAD_JSON:
        return ""
    others = {name: bytes(value) for name, value in fields.items()}
    if others.pop("stream", b"null") not in _OFF:
        return ""
    if any(value[:1] in (b"[", b"{") for value in others.values()):
        return ""
    if "" in ([texts] if isinstance(texts, str) else texts):
        return ""
    told = msgspec.json.encode({name: msgspec.Raw(others[name]) for name in sorted(others)})
    return blake2b(told, digest_size=16).hexdigest()


def _texts(asked: msgspec.Raw) -> Iterator[bytes]:
    several = decode_items(asked) if bytes(asked)[:1] == b"[" else [asked]
    return (bytes(text) for text in several)


def _vectors(body: bytes) -> int | None:
    """Return how many vectors a body asks for; None if only its vendor knows."""
    try:
        asked = bytes(_decode_body.decode(body).input)
        several = decode_items(asked) if asked[:1] == b"[" else []
    except BAD_JSON:  # nested deeper than any real one
        return None
    if not several:
        return 1 if asked[:1] == b'"' else None
    kinds = {bytes(one)[:1] for one in several}
    if len(kinds) == 1 and kinds <= {b'"', b"["}:
        return len(several)
    return 1 if b"".join(kinds).isdigit() else None  # the tokens of one text


def _order(data: Any, wanted: int | None) -> tuple[list[int], str]:
    """Return the places of the vectors by their ``index``, and a flaw if they are not all there."""
    if not isinstance(data, list) or not data:
        return [], "the reply has no list of embeddings"
    if wanted is not None and len(data) != wanted:
        return [], f"the reply has {counted(len(data), 'embedding')} instead of {wanted:,}"
    if not all(_is_vector(as_dict(item).get("embedding")) for item in data):
        return [], "the reply has an item without an embedding"
    if len(data) == 1:
        return [0], ""
    places = {count(item.get("index")): place for place, item in enumerate(data)}
    if places.keys() != set(range(len(data))):
        return [], "the embeddings of the reply are not numbered from 0, each once"
    return [places[index] for index in range(len(data))], ""


def _is_vector(value: object) -> bool:
    return isinstance(value, list | str) and bool(value)


def _shares(reply: Reply, order: Sequence[int], counts: Sequence[int | None]) -> tuple[Answer, ...]:
    """Return the answer of each line of a pack, cut out of the reply as it stands there."""
    try:
        whole = decode_fields(one_line(raw(reply)))
        items = _decode_objects(whole["data"])
    except BAD_JSON:  # nested deeper than any real answer
        raise no_answer(reply, NotAnAnswer, "the reply cannot be taken apart") from None
    whole.pop("usage", None)
    in_order = iter([items[place] for place in order])
    shares = []
    for vectors in counts:
        own = list(islice(in_order, vectors))
        numbered = [item | {"index": msgspec.Raw(b"%d" % index)} for index, item in enumerate(own)]
        data = msgspec.Raw(msgspec.json.encode(numbered))
        body = msgspec.json.encode(whole | {"data": data})
        shares.append(Answer(body=body, content=None, finish="stop", usage=None))
    return tuple(shares)


def _read_usage(told: object) -> Usage | None:
    """Return the tokens read; None if none are told. Vectors are no tokens: none is generated."""
    known = as_dict(told)
    names = ("prompt_tokens", "input_tokens", "total_tokens")
    # A zero is padding: the gateway prints its structs whole.
    read = next((n for name in names if (n := count(known.get(name)))), None)
    if read is None:
        return None
    # Doubao's model for pictures and texts takes more for the former.
    seen = count(as_dict(known.get("prompt_tokens_details")).get("image_tokens"))
    return Usage({**disjoint(Meter.INPUT, read, ((Meter.INPUT_IMAGE, seen),)), Meter.OUTPUT: 0})


FORMAT: Final[WireFormat] = Embeddings()
