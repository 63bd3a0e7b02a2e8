"""The twin of chat completions: whole and streamed, tools, schemas, reasoning, media, citations.

Longer than other files, because the vendor's words may stand in no second one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from batch.mock import Ask, Asked, BadAsk, Billed, Plan, Prepared, Twin, _errors
from batch.mock._base import CREATED, PING, Served, json_body
from batch.mock._chat_media import film, made_by, picture, speech
from batch.mock._schema import instance, schemed
from batch.mock._text import before, echo, murmur, pieces, weigh
from batch.records import Makes

_Object: TypeAlias = dict[str, Any]

_RESERVED: Final = 500  # tokens held back for an answer that names no maximum
_EFFORTS: Final = {"none": 0, "minimal": 8, "low": 16, "medium": 64, "high": 256}
_PER_MESSAGE: Final = 4  # tokens beside its text
_PER_MEDIUM: Final = 85  # tokens of a picture or a sound
_PER_MADE: Final = 300  # tokens that are reported for a picture or a film that is made
_AUDIO_PIECE: Final = 400  # characters, of whole triples of bytes
_MOST_CHOICES: Final = 128
# new-api reads a body into a struct: a field of another type is a body that it cannot read.
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "n": (int,),
    "max_tokens": (int,),
    "max_completion_tokens": (int,),
    "stop": (str, list),
    "tools": (list,),
    "tool_choice": (str, dict),
    "modalities": (list,),
    "response_format": (dict,),
    "stream_options": (dict,),
}
_DONE: Final = b"data: [DONE]\n\n"


class _Choice(msgspec.Struct, frozen=True):
    message: _Object
    parts: list[str]  # of what is said, as it is streamed
    finish: str | None
    tokens: int  # of what is said, without the reasoning
    images: int


class _Completion(msgspec.Struct, frozen=True):
    ask: Ask
    plan: Plan
    choices: list[_Choice]
    input_tokens: int
    cached: int
    said: int  # tokens of all choices
    reasoned: int

    @property
    def status(self) -> int:
        return 200

    @property
    def headers(self) -> Mapping[str, str]:
        return {} if self.streamed else {"Content-Type": _errors.JSON}

    @property
    def streamed(self) -> bool:
        return bool(self.ask.body.get("stream"))

    @property
    def reserve(self) -> int:
        return self.input_tokens + (_limit(self.ask.body) or _RESERVED)

    @property
    def billed(self) -> Billed | None:
        if self.plan.flaw == "error_200":
            return None
        images = sum(choice.images for choice in self.choices)
        return {
            "input_tokens": self.input_tokens,
            "input_cached_tokens": self.cached,
            "output_tokens": self.said + self.reasoned,
            "output_reasoning_tokens": self.reasoned,
            **({"output_audio_tokens": self.spoken} if self.spoken else {}),
            **({"images": images} if images else {}),
            **({"searches": 1} if self.searched else {}),
        }

    @property
    def searched(self) -> bool:
        """Return whether the web was searched: once, and by the models made for it in any case."""
        made_for_it = "search-preview" in self.ask.model
        return made_for_it or any(choice.message["annotations"] for choice in self.choices)

    @property
    def spoken(self) -> int:
        return self.said if _is_audio(self.ask.body) else 0

    def render(self) -> list[bytes]:
        if self.streamed:
            return self._events()
        if self.plan.flaw == "error_200":
            return [_errors.words("error_200", self.plan.id)]
        choices = [
            {"index": i, "message": c.message, "logprobs": None, "finish_reason": c.finish}
            for i, c in enumerate(self.choices)
        ]
        head = self._head("chat.completion")
        return [orjson.dumps({**head, "choices": choices, "usage": self._usage()})]

    def _head(self, kind: str) -> _Object:
        return {
            "id": f"chatcmpl-{self.plan.id}",
            "object": kind,
            "created": CREATED,
            "model": self.ask.model,
            **({"service_tier": tier} if (tier := self.ask.body.get("service_tier")) else {}),
        }

    def _usage(self) -> _Object:
        output = self.said + self.reasoned
        return {
            "prompt_tokens": self.input_tokens,
            "completion_tokens": output,
            "total_tokens": self.input_tokens + output,
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoned,
                "audio_tokens": self.spoken,
            },
            # new-api prints its struct whole: zeros beside the true numbers.
            "input_tokens": 0,
            "output_tokens": 0,
            "input_tokens_details": None,
        }

    def _events(self) -> list[bytes]:
        """Return the stream: the choices in turns, their ends, the usage, and the terminator."""
        head = self._head("chat.completion.chunk")
        rows = [
            [_event(head, _delta(i, delta)) for delta in _deltas(choice)]
            for i, choice in enumerate(self.choices)
        ]
        events = [event for event in chain.from_iterable(zip_longest(*rows)) if event]
        if self.plan.pings:
            events.insert(1, PING)
        if self.plan.flaw == "error_200":
            error = _errors.words("error_200", self.plan.id)
            return [*events[: len(events) // 2], b"data: " + error + b"\n\n"]
        for i, choice in enumerate(self.choices):
            if choice.finish:
                events.append(_event(head, _delta(i, {}, choice.finish)))
        options = self.ask.body.get("stream_options")
        # new-api sends usage unless it is asked for something else.
        if options is None or options.get("include_usage"):
            events.append(b"data: %b\n\n" % _dump({**head, "choices": [], "usage": self._usage()}))
        return [*events, _DONE]


class _Chat(Served):
    name = "chat"

    def read(self, asked: Asked) -> Ask:
        body = json_body(asked.raw)
        model, messages = body.get("model"), body.get("messages")
        if not isinstance(model, str) or not model:
            raise BadAsk("bad_request", "field model is required")
        if not isinstance(messages, list) or not messages:
            raise BadAsk("bad_request", "field messages is required")
        if not all(isinstance(message, dict) for message in messages):
            raise BadAsk("bad_json", "field messages must be a list of objects")
        for name, types in _TYPES.items():
            value = body.get(name)
            if value is not None and type(value) not in types:
                raise BadAsk("bad_json", f"field {name} has a wrong type")
        users = (m for m in reversed(messages) if m.get("role") == "user")
        return Ask(model, _said(next(users, messages[-1]))[0], body)

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        limit = _limit(ask.body)
        thought = _effort(ask)
        if limit is not None:
            thought = min(thought, limit)
            limit -= thought
        input_tokens = _weigh_all(ask.body)
        # Thrown before the choices, so that it does not hang on their number.
        cached = input_tokens // 2 if plan.dice.share() < 0.25 else 0
        count = (
            0
            if plan.flaw == "empty_choices"
            else min(max(ask.body.get("n") or 1, 1), _MOST_CHOICES)
        )
        choices = [_choice(ask, plan, thought, limit) for _ in range(count)]
        said = sum(choice.tokens for choice in choices)
        return _Completion(ask, plan, choices, input_tokens, cached, said, thought * count)


def _choice(ask: Ask, plan: Plan, thought: int, left: int | None) -> _Choice:
    """Make one choice, cut to the tokens that are left for it."""
    function = _function(ask.body, plan)
    makes: Makes = "text" if function else _makes(ask)
    if makes in ("image", "video"):
        parts = picture(plan) if makes == "image" else film(plan)
        tokens, left = _PER_MADE, None
    else:
        parts = pieces(_arguments(function, plan) if function else _content(ask, plan))
        tokens = len(parts) if left is None else min(left, len(parts))
    finish: str | None = "tool_calls" if function else "stop"
    if left is not None and len(parts) > left:
        parts, finish = parts[:left], "length"
    text = "".join(parts)
    message: _Object = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    if thought:
        message["reasoning_content"] = murmur(thought, plan.dice)
    if function:
        message["tool_calls"] = [
            {
                "id": f"call_{plan.dice.below(1 << 32):08x}",
                "type": "function",
                "function": {"name": function.get("name"), "arguments": text},
            }
        ]
    elif makes == "audio":
        wish = ask.body.get("audio")
        message["audio"] = {
            "id": f"audio_{plan.id}",
            "data": speech(wish.get("format") if isinstance(wish, dict) else None, plan),
            "transcript": text,
            "expires_at": CREATED,
        }
    else:
        message["content"] = text
        message["annotations"] = _citations(ask.body, text)
    finish = None if plan.flaw == "no_finish" else finish
    return _Choice(message, parts, finish, tokens, int(makes == "image"))


def _makes(ask: Ask) -> Makes:
    """Return what the answer is: as the body asks for it, else as the model is known for."""
    if _is_audio(ask.body):
        return "audio"
    return "image" if "image" in (ask.body.get("modalities") or ()) else made_by(ask.model)


def _function(body: _Object, plan: Plan) -> _Object | None:
    """Return the function to call. A tool's result is answered in text: loops come to an end."""
    tools, wish = body.get("tools"), body.get("tool_choice")
    if not tools or wish == "none":
        return None
    known = [t["function"] for t in tools if isinstance(t, dict) and "function" in t]
    if isinstance(wish, dict):
        name = (wish.get("function") or {}).get("name")
        return next((function for function in known if function.get("name") == name), None)
    if not known or (wish != "required" and body["messages"][-1].get("role") == "tool"):
        return None
    chosen: _Object = plan.dice.choice(known)
    return chosen


def _arguments(function: Mapping[str, Any], plan: Plan) -> str:
    return _dump(instance(function.get("parameters") or {"type": "object"}, plan.dice)).decode()


def _content(ask: Ask, plan: Plan) -> str:
    shape = ask.body.get("response_format") or {}
    kind = shape.get("type")
    if kind == "json_schema":
        named = shape.get("json_schema")
        schema = named.get("schema") if isinstance(named, dict) else None
        return schemed(schema, ask, plan)
    text = echo(ask.prompt, plan.words, plan.dice)
    if kind == "json_object":
        return _dump({"answer": text}).decode()
    stop = ask.body.get("stop") or []
    stops = [stop] if isinstance(stop, str) else stop
    return before(text, [stop for stop in stops if isinstance(stop, str)])


def _citations(body: _Object, text: str) -> list[_Object]:
    if body.get("web_search_options") is None:
        return []
    place = {"start_index": 0, "end_index": len(text)}
    citation = {"url": "https://example.com/source", "title": "A source", **place}
    return [{"type": "url_citation", "url_citation": citation}]


def _deltas(choice: _Choice) -> Iterator[_Object]:
    """Take a message apart into the deltas of its stream."""
    message = choice.message
    yield {"role": "assistant", "content": "" if message["content"] is not None else None}
    for piece in pieces(message.get("reasoning_content") or ""):
        yield {"reasoning_content": piece}
    for piece in choice.parts if message["content"] is not None else ():
        yield {"content": piece}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = {"name": call["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{**call, "index": index, "function": function}]}
        for piece in pieces(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
    if audio := message.get("audio"):
        for piece in pieces(audio["transcript"]):
            yield {"audio": {"id": audio["id"], "transcript": piece}}
        for start in range(0, len(audio["data"]), _AUDIO_PIECE):
            yield {"audio": {"data": audio["data"][start : start + _AUDIO_PIECE]}}
        yield {"audio": {"expires_at": audio["expires_at"]}}
    if message["annotations"]:
        yield {"annotations": message["annotations"]}


def _delta(index: int, delta: _Object, finish: str | None = None) -> _Object:
    return {"index": index, "delta": delta, "finish_reason": finish}


def _event(head: _Object, choice: _Object) -> bytes:
    return b"data: %b\n\n" % _dump({**head, "choices": [choice]})


def _said(message: Mapping[str, Any]) -> tuple[str, int]:
    """Return a message's text, and how many pictures and sounds it has."""
    content = message.get("content")
    if isinstance(content, str):
        return content, 0
    parts: Sequence[Any] = content if isinstance(content, list) else ()
    texts = [p["text"] for p in parts if isinstance(p, dict) and isinstance(p.get("text"), str)]
    return " ".join(texts), len(parts) - len(texts)


def _weigh_all(body: _Object) -> int:
    tokens = -(-len(_dump(body["tools"])) // 4) if body.get("tools") else 0
    for message in body["messages"]:
        text, media = _said(message)
        tokens += weigh(text) + _PER_MESSAGE + media * _PER_MEDIUM
    return tokens


def _effort(ask: Ask) -> int:
    """Return the reasoning tokens of each choice."""
    effort, thinking = ask.body.get("reasoning_effort"), ask.body.get("thinking")
    if effort is not None:
        return _EFFORTS.get(str(effort), _EFFORTS["medium"])
    enabled = isinstance(thinking, dict) and thinking.get("type") == "enabled"
    asked = enabled or ask.body.get("enable_thinking") is True
    return _EFFORTS["medium"] if asked or "-thinking" in ask.model else 0


def _limit(body: _Object) -> int | None:
    # Zeros vanish at the gateway, so they are no limit.
    limit: int = body.get("max_completion_tokens") or body.get("max_tokens") or 0
    return limit if limit > 0 else None


def _is_audio(body: _Object) -> bool:
    return "audio" in (body.get("modalities") or ())


_dump = orjson.dumps

TWIN: Twin = _Chat()
