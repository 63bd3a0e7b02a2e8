"""Text out of speech: ``POST /v1/audio/transcriptions``, and ``/translations`` into English.

new-api serves both alike. A line's body is JSON, as in vLLM's batch files, and goes out as the form
that the endpoints take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import orjson

from batch.errors import BadBody, CutAnswer, NotAnAnswer
from batch.records import Answer, Done, Field, FileRef, Form, Reply, Request, Send, State, Step
from batch.usage import Meter, Usage, disjoint
from batch.wire import Ask, Estimate, Folder, Piece, Shaped, WireFormat
from batch.wire._base import Plain, asks_for_events, checked, fill_in
from batch.wire._halves import dumps
from batch.wire._http import no_answer, one_line, raw, read_failure, read_json, reported, request_id
from batch.wire._lenient import as_dict, count, decoded, milliseconds
from batch.wire._pieces import loaded
from batch.wire._routes import Route
from batch.wire._spelled import bare, decode_fields, decode_items
from batch.wire._sse import BOM, event_object

_ROUTES: Final = (
    Route("POST", "/v1/audio/transcriptions"),
    Route("POST", "/v1/audio/translations"),
)
_FILE_KEYS: Final = ("file", "file_url")
_OTHERS: Final = frozenset({"messages", "input"})  # what other formats have beside a file
_PLAIN_TEXT: Final = ("text", "srt", "vtt")
_PAGES: Final = (b"<!doctype", b"<html")
_LONGEST_NAME: Final = 2048  # characters; what is longer is no name but the sound itself
_EXPECTED_OUTPUT: Final = 256  # tokens; how much is said cannot be told from a file's name
_SEGMENT: Final = "transcript.text.segment"  # what one speaker said at a time
_CUT: Final = {"cut": True}  # in the place of a last event that is missing


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked; msgspec passes over the rest without building it."""

    file: str | None = None
    file_url: str | None = None
    model: str | None = None


class _Knobs(msgspec.Struct, frozen=True):
    """What of a body tells how the answer comes. Any type: the gateway judges them, not we."""

    response_format: Any = None


_decode_body: Final = msgspec.json.Decoder(_Body)
_decode_knobs: Final = msgspec.json.Decoder(_Knobs).decode


class Transcription(Plain):
    """One form, and one text: in JSON, as subtitles, or in pieces."""

    name = "transcription"
    routes = _ROUTES

    def mine(self, body: Mapping[str, Any]) -> bool:
        """Return whether it names a file and nothing that other formats have beside one."""
        return any(map(body.__contains__, _FILE_KEYS)) and _OTHERS.isdisjoint(body)

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body and set the model. Raises ``BadBody``."""
        needs = 'a model and a "file": file:NAME, an address on the web, a data URI, or base64'
        asked: _Body = checked(body, _decode_body, needs)
        if not (asked.file or asked.file_url):
            raise BadBody(f"the body names no file; it needs {needs}")
        model, body = fill_in(body, asked.model, ask)
        template = self.found(ask).route.template
        return Shaped(model, body, template, template)

    def estimate(self, request: Request) -> Estimate:
        """Return no input, which is sound, and 256 tokens of output."""
        return Estimate(0, _EXPECTED_OUTPUT)

    def start(self, request: Request) -> Step:
        """Send the body as a form. Hours of speech take long."""
        form = Form(tuple(_fields(request.body)))
        call = self.call(request, form, "events" if asks_for_events(request.body) else "json")
        return Send(msgspec.structs.replace(call, media=True))

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the answer, or raise what the reply is instead."""
        if _knobs(request).response_format in _PLAIN_TEXT:
            return Done(_plain(reply))
        return Done(_answer(reply, read_json(reply), one_line(raw(reply))))

    def folder(self, request: Request) -> Folder | None:
        """Return a folder for a request whose text is to come in pieces."""
        return Fold() if asks_for_events(request.body) else None

    def prompt(self, body: bytes) -> list[Piece]:
        """Return where the speech is; of one that stands in the body only that it does."""
        named = [one for key in _FILE_KEYS if isinstance(one := loaded(body).get(key), str)]
        return [Piece("file", one if len(one) <= _LONGEST_NAME else "[sound]") for one in named]

    def text(self, body: bytes) -> str | None:
        """Return what was said."""
        text = loaded(body).get("text")
        return text if isinstance(text, str) else None


class Fold:
    """Folds pieces of text; the last event repeats the whole of it and says what it took.

    Who said what comes in events of its own, and is told nowhere else.
    """

    __slots__ = ("_pieces", "_segments", "_torn", "_whole")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._segments: list[dict[str, Any]] = []
        self._torn = False
        self._whole: dict[str, Any] = _CUT

    def feed(self, event: bytes) -> None:
        """Take one event. Raises ``CallFailed`` for an error in its place."""
        told = event_object(event)
        if told is None:  # a cut one may be a piece that the last event repeats
            self._torn = True
            return
        if failure := reported(told, unknown=CutAnswer):
            raise failure
        kind = told.pop("type", None)
        if kind == "transcript.text.delta" and isinstance(told.get("delta"), str):
            self._pieces.append(told["delta"])
        elif kind == _SEGMENT:
            self._segments.append({"type": kind, **told})
        elif kind == "transcript.text.done":
            self._whole = told

    def body(self) -> bytes:
        """Return the body that the same call would have given; a cut one says so."""
        text = "".join(self._pieces)
        segments = {"segments": self._segments} if self._segments else {}
        whole = _CUT if self._torn and segments else self._whole
        try:
            return dumps({"text": text, **segments, **whole})
        except (orjson.JSONEncodeError, RecursionError):  # nested deeper than any real answer
            return dumps({"text": text, **_CUT})


def _fields(body: bytes) -> Iterator[Field]:
    """Yield the parts of the form: values as they are written, and last the file."""
    fields = decode_fields(body)
    named = [fields.pop(key, None) for key in _FILE_KEYS]
    for name, value in fields.items():
        yield from _parts(name, bytes(value))
    files = (msgspec.json.decode(one) for one in named if one is not None)
    source = next(filter(None, files))
    yield Field("file", FileRef(source, name="audio"))


def _parts(name: str, value: bytes) -> Iterator[Field]:
    """Yield a value's parts, several as official clients write them: ``name[]``, ``name[key]``."""
    if value.startswith(b"["):
        several = name if name.endswith("[]") else f"{name}[]"
        yield from (Field(several, bare(bytes(one))) for one in decode_items(value))
    elif value.startswith(b"{"):
        inner = decode_fields(value)
        yield from (Field(f"{name}[{key}]", bare(bytes(one))) for key, one in inner.items())
    elif value != b"null":
        yield Field(name, bare(value))


def _plain(reply: Reply) -> Answer:
    """Return the answer that is no JSON, unless it is all the same: its text in a body of ours."""
    if not 200 <= reply.status < 300:
        raise read_failure(reply)
    body = raw(reply).removeprefix(BOM)
    head = body[:64].lstrip().lower()
    if not body or head.startswith((b"{", *_PAGES)):
        return _answer(reply, read_json(reply), one_line(body))
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise no_answer(reply, NotAnAnswer, "the reply is no text: it is not UTF-8") from None
    return _answer(reply, {"text": text}, orjson.dumps({"text": text}))


def _answer(reply: Reply, told: Mapping[str, Any], body: bytes) -> Answer:
    usage = _usage(told)
    text = told.get("text")
    if told.get("cut") is True:
        raise no_answer(reply, CutAnswer, "the text stops before its end", usage)
    if not isinstance(text, str):
        raise no_answer(reply, NotAnAnswer, "the reply has no text", usage)
    return Answer(
        body=body,
        content=text,
        finish="stop",
        usage=usage,
        status=reply.status,
        request_id=request_id(reply.headers),
    )


def _usage(told: Mapping[str, Any]) -> Usage | None:
    """Return the tokens if they are told, else the time of the sound."""
    usage = as_dict(told.get("usage"))
    heard, said = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    if heard is None and said is None:
        times = (usage.get("seconds"), usage.get("prompt_audio_seconds"), told.get("duration"))
        ms = next((one for one in map(milliseconds, times) if one is not None), None)
        # Mistral tells tokens beside the time by which it bills.
        heard, said = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
        time = {} if ms is None else {Meter.MILLISECONDS: ms}
        counts = disjoint(Meter.INPUT, heard, ()) | disjoint(Meter.OUTPUT, said, ()) | time
        return Usage(counts) if counts else None
    details = as_dict(usage.get("input_token_details") or usage.get("input_tokens_details"))
    sound = ((Meter.INPUT_AUDIO, count(details.get("audio_tokens"))),)
    return Usage(disjoint(Meter.INPUT, heard, sound) | disjoint(Meter.OUTPUT, said, ()))


def _knobs(request: Request) -> _Knobs:
    return decoded(_decode_knobs, request.body, _Knobs())


FORMAT: Final[WireFormat] = Transcription()
