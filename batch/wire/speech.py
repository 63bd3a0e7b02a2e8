"""Speech out of text: ``POST /v1/audio/speech``, whose answer is a file of sound."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from batch.errors import CutAnswer, NotAnAnswer
from batch.records import Answer, Blob, Done, Repeat, Reply, Request, Saved, Send, State, Step
from batch.usage import Meter, Usage
from batch.wire import Ask, Folder, Shaped, WireFormat
from batch.wire._base import Plain, checked, fill_in
from batch.wire._halves import dumps
from batch.wire._http import no_answer, raw, read_json, reported, request_id
from batch.wire._lenient import as_dict, count, decoded, first_text
from batch.wire._media import HEAD, MARK, UNKNOWN_TYPE, decode, sniff
from batch.wire._routes import Route
from batch.wire._sse import event_object

_ROUTE: Final = Route("POST", "/v1/audio/speech")
_SOUND: Final = ("audio/", "video/")  # speech also comes in containers that films come in


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked; msgspec passes over the rest without building it."""

    input: str
    model: str | None = None


class _Knobs(msgspec.Struct, frozen=True):
    """What of a body tells what comes. Any type: the gateway judges them, not we."""

    input: str = ""
    response_format: Any = None
    stream_format: Any = None


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_knobs: Final = msgspec.json.Decoder(_Knobs).decode


class Speech(Plain):
    """One call, and a file. It is text that is paid for, so that it may be asked for again."""

    name = "speech"
    routes = (_ROUTE,)

    def mine(self, body: Mapping[str, Any]) -> bool:
        """Return whether it has a text and a voice for it."""
        return "input" in body and "voice" in body

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body and set the model. Raises ``BadBody``."""
        asked: _Body = checked(body, _decode_body, 'a model, an "input" and a "voice"')
        model, body = fill_in(body, asked.model, ask)
        return Shaped(model, body, _ROUTE.template, _ROUTE.template, makes="audio")

    def repeat(self, request: Request) -> Repeat:
        """Return "free": the same text costs little, and is soon spoken again."""
        return "free"

    def bound(self, request: Request) -> Usage | None:
        """Return the characters. Where sound is billed by its tokens, nothing bounds them."""
        return Usage({Meter.CHARACTERS: len(_knobs(request).input)})

    def start(self, request: Request) -> Step:
        """Send the body, and expect a file, or the events that it was asked for in."""
        call = self.call(request)
        if _streams(request):
            return Send(msgspec.structs.replace(call, expect="events"))
        return Send(msgspec.structs.replace(call, expect="file", save_as=request.file_name()))

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the answer, or raise what the reply is instead."""
        if reply.streamed:
            return Done(_folded(request, reply))
        if isinstance(reply.body, Saved):
            return Done(_saved(request, reply, reply.body))
        return Done(_unsaved(request, reply))

    def folder(self, request: Request) -> Folder | None:
        """Return a folder for a request whose sound is to come in pieces."""
        return Fold() if _streams(request) else None


class Fold:
    """Folds pieces of sound, each of them base64 for itself, into one."""

    __slots__ = ("_done", "_pieces", "_torn", "_usage")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._usage: Any = None
        self._done = False
        self._torn = False

    def feed(self, event: bytes) -> None:
        """Take one event. Raises ``CallFailed`` for an error in its place."""
        told = event_object(event)
        if told is None:
            self._torn = True
            return
        if failure := reported(told, unknown=CutAnswer):
            raise failure
        piece = told.get("audio")
        if isinstance(piece, str) and piece:
            sound = decode(piece)
            self._torn = self._torn or sound is None
            self._pieces.append(sound or b"")
        if told.get("type") == "speech.audio.done":
            self._done = True
            self._usage = told.get("usage")

    def body(self) -> bytes:
        """Return the sound as one base64 text; only a whole one says that it is done."""
        sound = b64encode(b"".join(self._pieces)).decode()
        done = self._done and not self._torn
        try:
            return dumps({"audio": sound, "usage": self._usage, "done": done})
        except (orjson.JSONEncodeError, RecursionError):  # nested deeper than any real usage
            return orjson.dumps({"audio": sound, "done": False})


def _saved(request: Request, reply: Reply, saved: Saved) -> Answer:
    """Return the answer whose sound went to disk."""
    if not _is_sound(request, reply, saved.content_type):
        raise no_answer(reply, NotAnAnswer, f"the reply is no sound but {saved.content_type}")
    body = orjson.dumps({"audio": MARK + saved.name, "content_type": saved.content_type})
    return _answer(request, reply, body, files=(saved,))


def _unsaved(request: Request, reply: Reply) -> Answer:
    """Return the answer whose sound was not known as such before it was read.

    Gateways that know nothing of streams send it whole, and pcm may begin as JSON does.
    """
    sound = raw(reply)
    good = 200 <= reply.status < 300
    if good and not sound:
        # The gateway passes a good status on before it knows that nothing follows.
        raise no_answer(reply, CutAnswer, "the reply has no sound")
    if not good or not _is_sound_after_all(request, reply, sound):
        read_json(reply)
        raise no_answer(reply, NotAnAnswer, "the reply is no sound but JSON")
    return _held(request, reply, b64encode(sound).decode(), sound, {})


def _folded(request: Request, reply: Reply) -> Answer:
    """Return the answer whose sound came in pieces."""
    told = read_json(reply)
    text = first_text(told, "audio")
    sound = decode(text)
    if told.get("done") is not True or sound is None:
        what = "the sound stops before its end" if text else "the reply has no sound"
        raise no_answer(reply, CutAnswer, what)
    return _held(request, reply, text, sound, as_dict(told.get("usage")))


def _held(request: Request, reply: Reply, text: str, sound: bytes, usage: dict[str, Any]) -> Answer:
    """Return an answer that holds its sound, which is to become a file."""
    hint = _hint(request)
    kind = sniff(sound[:HEAD], hint).content_type
    document = {"audio": text, "content_type": kind} | ({"usage": usage} if usage else {})
    answer = _answer(request, reply, orjson.dumps(document), usage=usage)
    return msgspec.structs.replace(answer, blobs=(Blob(text, request.file_name(), hint),))


def _answer(
    request: Request,
    reply: Reply,
    body: bytes,
    *,
    files: tuple[Saved, ...] = (),
    usage: dict[str, Any] | None = None,
) -> Answer:
    return Answer(
        body=body,
        content=None,
        finish="stop",
        usage=_usage(request, usage or {}),
        status=reply.status,
        request_id=request_id(reply.headers),
        files=files,
    )


def _usage(request: Request, told: dict[str, Any]) -> Usage:
    """Return the characters that were spoken, and tokens where they are told."""
    counts = {Meter.CHARACTERS: len(_knobs(request).input)}
    read, made = count(told.get("input_tokens")), count(told.get("output_tokens"))
    if read is not None:
        counts[Meter.INPUT] = read
    if made is not None:
        counts[Meter.OUTPUT_AUDIO] = made
    return Usage(counts)


def _is_sound(request: Request, reply: Reply, content_type: str) -> bool:
    """Return whether a file is sound: by its bytes, else as it is declared or was asked for."""
    if content_type != UNKNOWN_TYPE:
        return content_type.startswith(_SOUND)
    declared = reply.headers.get("content-type", "").lower()
    return declared.startswith(_SOUND) or _hint(request) == "pcm"


def _is_sound_after_all(request: Request, reply: Reply, body: bytes) -> bool:
    """Return whether bytes are sound that has a mark, or declared as the pcm that was asked for."""
    if sniff(body[:HEAD]).content_type.startswith(_SOUND):
        return True
    declared = reply.headers.get("content-type", "").lower()
    is_asked = _hint(request) == "pcm" and declared.startswith(("audio/", UNKNOWN_TYPE))
    return is_asked and not _is_text(body)


def _is_text(body: bytes) -> bool:
    """Return whether bytes are JSON, a page, or what else is written; samples hold zeros."""
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False


def _streams(request: Request) -> bool:
    return b'"stream_format"' in request.body and _knobs(request).stream_format == "sse"


def _hint(request: Request) -> str:
    """Return what the sound was asked to be, if only the request can tell: pcm has no mark."""
    return "pcm" if _knobs(request).response_format == "pcm" else ""


def _knobs(request: Request) -> _Knobs:
    return decoded(_decode_knobs, request.body, _Knobs())


FORMAT: Final[WireFormat] = Speech()
