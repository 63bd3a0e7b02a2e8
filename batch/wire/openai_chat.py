"""Chat completions, the dialect of OpenAI that the gateway speaks for all its models.

Longer than other rooms: a format is one file, so that the vendor's words stand nowhere else. Three
parts, in this order: the request, the answer with its usage, and the folding of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import orjson

from batch.errors import BadBody, CallFailed, CutAnswer, NotAnAnswer, Refused
from batch.records import Answer, Call, Done, Finish, Repeat, Reply, Request, Send, State, Step
from batch.usage import Meter, Usage, disjoint
from batch.wire import Ask, Estimate, Folder, Shaped, WireFormat
from batch.wire._http import no_answer, one_line, raw, read_json, reported, request_id
from batch.wire._sse import add_text, joined, merge

_ENDPOINT: Final = "/v1/chat/completions"
_URLS: Final = frozenset({_ENDPOINT, "/chat/completions"})
# What msgspec raises for bytes that are not the JSON it expects.
_BAD_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# ---------------------------------------------------------------------------------- the request

_EXPECTED_OUTPUT: Final = 256  # tokens, where the body sets no limit; estimates correct themselves
_BYTES_PER_TOKEN: Final = 3
# Parts whose tokens are not bounded by the bytes that name them.
_UNBOUNDED: Final = (
    b'"image_url"',
    b'"input_audio"',
    b'"video_url"',
    b'"file"',
    b'"web_search_options"',
)
# ``modalities`` that make media; models that do so unasked would be told by their name here.
_MEDIA: Final = frozenset({"audio", "image"})


class _Message(msgspec.Struct, frozen=True):
    role: str


class _Body(msgspec.Struct, frozen=True):
    """What of a body is checked; msgspec passes over the rest without building it."""

    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    model: str | None = None
    stream: bool | None = None
    stream_options: dict[str, msgspec.Raw] | None = None


class _Knobs(msgspec.Struct, frozen=True):
    """What of a body tells its size and kind. Any type: the gateway judges them, not we."""

    stream: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    n: Any = None
    modalities: Any = None


_decode_body: Final = msgspec.json.Decoder(_Body).decode
_decode_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_knobs: Final = msgspec.json.Decoder(_Knobs).decode


class OpenAiChat:
    """``POST /v1/chat/completions``: one call, one answer, no state."""

    name = "chat"
    endpoint = _ENDPOINT

    def claims(self, url: str) -> bool:
        """Return whether the path is this endpoint, with or without its version."""
        return url.rstrip("/") in _URLS

    def mine(self, body: Mapping[str, Any]) -> bool:
        """Return whether it has ``messages`` and nothing that only Anthropic's dialect has.

        There a system text stands beside the messages; here it is one of them, and the gateway
        would drop it without a word.
        """
        return "messages" in body and not body.keys() & {"system", "anthropic_version"}

    def shape(self, body: bytes, ask: Ask) -> Shaped:
        """Check the body; set the model, and have a stream report its usage. Raises ``BadBody``.

        Values that stay keep their bytes, so that no number passes through a float, and a body
        that needs no change is returned as it is.
        """
        try:
            asked = _decode_body(body)
            body.decode()  # msgspec does not look into the text that it passes over
        except _BAD_JSON as error:
            raise BadBody(
                f"this is no chat completions body: {error}; it needs a model and "
                '"messages": [{"role": "user", "content": "..."}]'
            ) from None
        model = ask.override_model or asked.model or ask.model
        if not model:
            raise BadBody('the line names no model: give it a "model", or all lines one with -m')
        changed: dict[str, msgspec.Raw] = {}
        if model != asked.model:
            changed["model"] = msgspec.Raw(orjson.dumps(model))
        if asked.stream and ask.add_usage:
            changed |= _asking_for_usage(asked.stream_options or {})
        if changed:
            body = msgspec.json.encode(_decode_fields(body) | changed)
        return Shaped(model, body)

    def build(self, prompt: str, system: str | None, schema: Mapping[str, Any] | None) -> bytes:
        """Make a body without a model; a schema becomes a strict ``response_format``."""
        messages = [{"role": "system", "content": system}] if system is not None else []
        body: dict[str, Any] = {"messages": [*messages, {"role": "user", "content": prompt}]}
        if schema is not None:
            wanted = {"name": "answer", "strict": True, "schema": dict(schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return orjson.dumps(body)

    def repeat(self, request: Request) -> Repeat:
        """Return "once" for a request that makes media, which is dear to make twice."""
        if b'"modalities"' not in request.body:
            return "free"
        modalities = _knobs(request.body).modalities
        wanted = modalities if isinstance(modalities, list) else []
        return "once" if any(kind in wanted for kind in _MEDIA) else "free"

    def estimate(self, request: Request) -> Estimate:
        """Return a third of the bytes, and the output limit or 256 tokens for each choice."""
        limit, choices = _output_limit(_knobs(request.body))
        return Estimate(
            input_tokens=len(request.body) // _BYTES_PER_TOKEN,
            output_tokens=(_EXPECTED_OUTPUT if limit is None else limit) * choices,
        )

    def bound(self, request: Request) -> Usage | None:
        """Return a token for each byte, and the output limit; None without one, or with media."""
        limit, choices = _output_limit(_knobs(request.body))
        if limit is None or any(part in request.body for part in _UNBOUNDED):
            return None
        return Usage({Meter.INPUT: len(request.body), Meter.OUTPUT: limit * choices})

    def start(self, request: Request) -> Step:
        """Send the body."""
        streams = b'"stream"' in request.body and _knobs(request.body).stream is True
        call = Call(
            method="POST",
            path=_ENDPOINT,
            payload=request.body,
            repeat=self.repeat(request),
            expect="events" if streams else "json",
        )
        return Send(call)

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        """Return the answer, or raise what the reply is instead."""
        return Done(_answer(reply))

    def resume(self, request: Request, state: State) -> Step:
        """Send the body: a chat call never waits, so no state of it is ever kept."""
        return self.start(request)

    def folder(self, request: Request) -> Folder | None:
        """Return a folder for every request: some channels stream unasked."""
        return _Fold()


def _asking_for_usage(options: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """Return the options to send, if they must change.

    Saying false is worse than saying nothing: the gateway then drops a last chunk that holds usage
    without text, together with the ``finish_reason`` in it.
    """
    if "include_usage" in options and bytes(options["include_usage"]) == b"true":
        return {}
    options = options | {"include_usage": msgspec.Raw(b"true")}
    return {"stream_options": msgspec.Raw(msgspec.json.encode(options))}


def _knobs(body: bytes) -> _Knobs:
    try:
        return _decode_knobs(body)
    except _BAD_JSON:
        return _Knobs()


def _output_limit(knobs: _Knobs) -> tuple[int | None, int]:
    """Return the most tokens of one choice, if limited, and the number of choices.

    A zero is no limit: the gateway drops it.
    """
    limit = _count(knobs.max_completion_tokens) or _count(knobs.max_tokens)
    return limit or None, _count(knobs.n) or 1


# ----------------------------------------------------------------------------------- the answer

_FINISH: Final[Mapping[str, Finish]] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool",
    "function_call": "tool",
    "content_filter": "filter",
    "refusal": "filter",
    "pause_turn": "paused",
}
_VISIBLE: Final = ("content", "tool_calls", "function_call", "refusal", "audio", "images")
# What a usage is taken apart into: a plain rest, and the parts in the order of their counts below.
_READ_PLAIN: Final = Meter.INPUT
_READ_PARTS: Final = (Meter.CACHED_INPUT, Meter.CACHE_WRITE, Meter.INPUT_AUDIO, Meter.INPUT_IMAGE)
_MADE_PLAIN: Final = Meter.OUTPUT
_MADE_PARTS: Final = (Meter.REASONING, Meter.OUTPUT_AUDIO)
_MOST: Final = 2**53  # a count beyond it is nonsense, and would not survive as a JSON number


def _answer(reply: Reply) -> Answer:
    document = read_json(reply)
    usage = _usage(document.get("usage"))
    choices: Any = document.get("choices")
    if flaw := _flaw(choices):
        raise no_answer(reply, *flaw, usage)
    first = choices[0]
    model = document.get("model")
    return Answer(
        body=one_line(raw(reply)),
        content=_content(first["message"]),
        finish=_finish(first),
        usage=usage,
        model=model if isinstance(model, str) and model else None,
        status=reply.status,
        request_id=request_id(reply.headers),
    )


def _flaw(choices: Any) -> tuple[type[CallFailed], str] | None:
    """Return why the choices are no complete answer, if so."""
    if not isinstance(choices, list) or not choices:
        return NotAnAnswer, "the reply has no choices: a prompt may have been blocked upstream"
    for choice in choices:
        if flaw := _flaw_of_one(choice):
            return flaw
    if not any(_is_visible(choice) for choice in choices):
        # Asking again gives, and costs, the same.
        return Refused, "the output limit was used up before any output: raise max_tokens"
    return None


def _flaw_of_one(choice: Any) -> tuple[type[CallFailed], str] | None:
    if not isinstance(choice, dict):
        return NotAnAnswer, "the reply has a choice that is no object"
    # Neither [DONE] nor a usage proves an end: the gateway writes both after an upstream reset.
    reason = choice.get("finish_reason")
    if reason is None:
        return CutAnswer, "the answer stops before its end: it has no finish_reason"
    if reason == "error":
        return CutAnswer, "the answer stops before its end: its finish_reason is error"
    if not isinstance(choice.get("message"), dict):
        return NotAnAnswer, "the reply has a choice without a message"
    return None


def _is_visible(choice: dict[str, Any]) -> bool:
    """Return whether there is output besides reasoning, or a reason why there is none."""
    message = choice["message"]
    return any(map(message.get, _VISIBLE)) or _finish(choice) != "length"


def _finish(choice: dict[str, Any]) -> Finish:
    reason = choice["finish_reason"]
    finish = _FINISH.get(reason, "unknown") if isinstance(reason, str) else "unknown"
    message = choice["message"]
    # Some channels say "stop" although they call a tool.
    calls = finish in ("stop", "unknown") and (
        message.get("tool_calls") or message.get("function_call")
    )
    return "tool" if calls else finish


def _content(message: dict[str, Any]) -> str | None:
    """Return the text of an answer; of a spoken one the transcript."""
    content = message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    audio = message.get("audio")
    if not content and isinstance(audio, dict):
        content = audio.get("transcript")
    return content if isinstance(content, str) else None


def _usage(told: object) -> Usage | None:
    """Return the meters of a ``usage`` object; None if it is missing or says nothing."""
    if not isinstance(told, dict):
        return None
    # The second name of each pair is padding of the gateway's struct, mostly 0; some channels fill
    # both, so they are never added.
    prompt = _first(told.get("prompt_tokens"), told.get("input_tokens"))
    output = _first(told.get("completion_tokens"), told.get("output_tokens"))
    if not prompt and not output:
        return None
    return Usage(_read(told, prompt) | _made(told, prompt, output))


def _read(told: dict[str, Any], prompt: int | None) -> dict[Meter, int]:
    details = _dict(told.get("prompt_tokens_details"))
    cached = _first(
        details.get("cached_tokens"), told.get("prompt_cache_hit_tokens"), told.get("cached_tokens")
    )
    written = _first(details.get("cache_write_tokens"), details.get("cached_creation_tokens"))
    beside = (cached or 0) + (written or 0)
    # Claude's own count leaves the cached tokens out, and leaks through in some versions.
    if prompt is not None and (told.get("usage_semantic") == "anthropic" or beside > prompt):
        prompt += beside
    audio, image = _count(details.get("audio_tokens")), _count(details.get("image_tokens"))
    parts = zip(_READ_PARTS, (cached, written, audio, image), strict=True)
    return disjoint(_READ_PLAIN, prompt, parts)


def _made(told: dict[str, Any], prompt: int | None, output: int | None) -> dict[Meter, int]:
    details = _dict(told.get("completion_tokens_details"))
    reasoning = _count(details.get("reasoning_tokens"))
    # Some channels count reasoning beside the output; then only with it does the total add up.
    if output is not None and reasoning:
        total = _count(told.get("total_tokens"))
        output += reasoning if total == (prompt or 0) + output + reasoning else 0
    parts = zip(_MADE_PARTS, (reasoning, _count(details.get("audio_tokens"))), strict=True)
    return disjoint(_MADE_PLAIN, output, parts)


def _first(*told: object) -> int | None:
    """Return the first count that is not 0; 0 if one is 0; None if there is none."""
    zero = None
    for value in told:
        count = _count(value)
        if count:
            return count
        zero = count if zero is None else zero
    return zero


def _count(told: object) -> int | None:
    if type(told) is float and told.is_integer():
        told = int(told)
    return told if type(told) is int and 0 <= told < _MOST else None


# ----------------------------------------------------------------------------------- the stream

# Keys of a chunk that are folded by themselves, or mean nothing once it is folded.
_NOT_HEAD: Final = frozenset({"choices", "usage", "error", "obfuscation"})
_NOT_BESIDE: Final = frozenset({"index", "delta", "message", "finish_reason", "logprobs"})


class _Delta(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None


class _PlainChoice(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    delta: _Delta
    index: int = 0
    finish_reason: str | None = None
    logprobs: None = None


class _PlainChunk(msgspec.Struct, frozen=True, gc=False):
    """What nearly every chunk is: some text of one choice. Decoding refuses all others.

    Twice as fast as a chunk of any kind. What it passes over, the first chunk has said already.
    """

    choices: tuple[_PlainChoice]
    id: str | None = None
    usage: dict[str, Any] | None = None
    error: None = None


_decode_plain: Final = msgspec.json.Decoder(_PlainChunk).decode


class _Choice:
    __slots__ = ("beside", "calls", "finish", "message")

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": None, "content": None}
        self.calls: list[dict[str, Any]] = []
        self.beside: dict[str, Any] = {}  # logprobs, and what else stands beside the message
        self.finish: Any = None


class _Fold:
    """Folds chunks: texts are joined, calls put together, the last reason and usage kept.

    A chunk that is no JSON was cut, or cut into: then no choice gets a ``finish_reason``.
    """

    __slots__ = ("_choices", "_head", "_id", "_steady", "_torn", "_usage")

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: dict[str, Any] | None = None
        self._id: object = self  # of the last chunk; at first like none
        self._steady = False  # two chunks in a row had the same id
        self._torn = False

    def feed(self, event: bytes) -> None:
        """Take one chunk. Raises ``CallFailed`` for an error in its place."""
        try:
            chunk = _decode_plain(event)
        except _BAD_JSON:
            chunk = None
        if chunk is None or chunk.id != self._id:
            self._feed_any(event)
            return
        self._steady = True
        (told,) = chunk.choices
        choice = self._choice(told.index)
        delta, message = told.delta, choice.message
        if delta.content is not None:
            add_text(message, "content", delta.content)
        if delta.reasoning_content is not None:
            add_text(message, "reasoning_content", delta.reasoning_content)
        if delta.reasoning is not None:
            add_text(message, "reasoning", delta.reasoning)
        if told.finish_reason:
            choice.finish = told.finish_reason
        if chunk.usage:
            self._usage = chunk.usage

    def body(self) -> bytes:
        """Return the body that the same call would have given unstreamed."""
        try:
            return orjson.dumps(self._folded())
        except (orjson.JSONEncodeError, RecursionError):  # nested deeper than any real answer
            return b'{"choices":[{"finish_reason":null}]}'

    def _folded(self) -> dict[str, Any]:
        if self._torn:
            self._choice(0)
        choices = [self._whole(index) for index in sorted(self._choices)]
        usage = {"usage": self._usage} if self._usage else {}
        return {**self._head, "object": "chat.completion", "choices": choices, **usage}

    def _feed_any(self, event: bytes) -> None:
        try:
            chunk = orjson.loads(event)
            if isinstance(chunk, dict):
                self._take(chunk)
        except (orjson.JSONDecodeError, RecursionError):
            self._torn = True

    def _take(self, chunk: dict[str, Any]) -> None:
        if failure := reported(chunk, unknown=CutAnswer):
            failure.usage = _usage(self._usage)
            raise failure
        choices = [c for c in _list(chunk.get("choices")) if isinstance(c, dict)]
        if self._starts_over(chunk, choices):
            self._begin()
        self._steady = self._steady or chunk.get("id") == self._id
        self._id = chunk.get("id")
        for key, value in chunk.items():
            if key not in _NOT_HEAD and self._head.get(key) in (None, ""):
                self._head[key] = value
        if isinstance(chunk.get("usage"), dict) and chunk["usage"]:
            self._usage = chunk["usage"]
        for choice in choices:
            self._take_choice(choice)

    def _starts_over(self, chunk: dict[str, Any], choices: list[dict[str, Any]]) -> bool:
        """Return whether the gateway's own retry began the answer anew in the same stream.

        A new id alone says nothing where every chunk has its own.
        """
        if not self._steady or chunk.get("id") in (None, "", self._id):
            return False
        return any(
            _index(c) in self._choices and _dict(c.get("delta")).get("role") for c in choices
        )

    def _take_choice(self, told: dict[str, Any]) -> None:
        choice = self._choice(_index(told))
        choice.finish = told.get("finish_reason") or choice.finish
        delta = _dict(told.get("delta") or told.get("message"))  # some send one whole message
        _add_calls(choice.calls, _list(delta.pop("tool_calls", None)))
        merge(choice.message, delta)
        merge(choice.beside, {"logprobs": told["logprobs"]} if "logprobs" in told else {})
        choice.beside |= {k: v for k, v in told.items() if k not in _NOT_BESIDE and v is not None}

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    def _whole(self, index: int) -> dict[str, Any]:
        choice = self._choices[index]
        message = joined(choice.message)
        message["role"] = message["role"] or "assistant"
        if choice.calls:
            message["tool_calls"] = [joined(call) for call in choice.calls]
            for call in message["tool_calls"]:
                call.pop("index", None)  # stands in streams only
        finish = None if self._torn else choice.finish
        beside = joined(choice.beside)
        return {"index": index, "message": message, **beside, "finish_reason": finish}


def _add_calls(calls: list[dict[str, Any]], pieces: list[Any]) -> None:
    """Add pieces of tool calls, each to its call: by index, but a new id is a new call.

    Converted channels count every call as index 0, or leave the index out.
    """
    for piece in pieces:
        if isinstance(piece, dict):
            call = next((c for c in reversed(calls) if _belongs(piece, c)), None)
            if call is None:
                calls.append(call := {})
            merge(call, piece)


def _belongs(piece: dict[str, Any], call: dict[str, Any]) -> bool:
    index, name = piece.get("index"), piece.get("id")
    same_index = index is None or call.get("index") in (None, index)
    return same_index and (not name or call.get("id") in (None, "", name))


def _index(choice: dict[str, Any]) -> int:
    index = choice.get("index")
    return index if type(index) is int else 0


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


FORMAT: Final[WireFormat] = OpenAiChat()
