"""The twin of messages: whole and streamed, thinking, tools, web search, prompt cache.

Longer than other files, because the vendor's words may stand in no second one.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, TypeAlias

import msgspec
import orjson

from batch.mock import Ask, BadAsk, Billed, Manner, Plan, Prepared, Stream, Twin, Whole, _errors
from batch.mock._base import PING, Served, Types, event
from batch.mock._labels import spoiled
from batch.mock._schema import instance
from batch.mock._text import before, echo, murmur, pieces, weigh

_Object: TypeAlias = dict[str, Any]

_LIMIT: Final = 8192  # tokens; what new-api writes into a body without a limit
_THOUGHT: Final = 64  # tokens
_PER_MESSAGE: Final = 4  # tokens beside its text
_PER_MEDIUM: Final = 200  # tokens of a picture or a document
_MEDIA: Final = ("image", "document")
_SOURCE: Final = {"url": "https://example.com/source", "title": "A source"}
_OUTLINE: Final = {"type": "message", "role": "assistant"}


class _Answer(msgspec.Struct, frozen=True):
    """What is said, and what it takes."""

    ask: Ask
    plan: Plan
    content: list[_Object]
    stop: str | None
    sequence: str | None
    input_tokens: int  # the cached ones included
    cached: int
    written: int
    thought: int
    said: int

    @property
    def billed(self) -> Billed:
        known = {"input_cache_write_1h_tokens": self._kept, "searches": self._searches}
        return {
            "input_tokens": self.input_tokens,
            "input_cached_tokens": self.cached,
            "input_cache_write_tokens": self.written,
            "output_tokens": self.thought + self.said,
            "output_reasoning_tokens": self.thought,
            **{name: count for name, count in known.items() if count},
        }

    @property
    def _kept(self) -> int:
        """Return what of the written tokens is kept for an hour."""
        return self.written if b'"ttl":"1h"' in _dump(self.ask.body) else 0

    @property
    def _searches(self) -> int:
        return sum(block["type"] == "server_tool_use" for block in self.content)

    def whole(self) -> bytes:
        end = {"stop_reason": self.stop, "stop_sequence": self.sequence}
        message = {**self._head(), "content": self.content, **end, "usage": self._usage()}
        if self.plan.flaw == "empty_choices":
            # A chat completion without choices, as new-api converts it.
            del message["content"], message["stop_reason"]
        return _dump(message)

    def events(self) -> list[bytes]:
        """Return the stream: the blocks one after the other, then how it ended."""
        begun = {**self._usage(), "output_tokens": 1}  # a stub, as the vendor sends it
        head = {**self._head(), "content": [], "stop_reason": None, "stop_sequence": None}
        events = [_event({"type": "message_start", "message": {**head, "usage": begun}})]
        if self.plan.pings:
            events.append(PING)
        events.append(_event({"type": "ping"}))
        for index, block in enumerate(self.content):
            events += [_event({**one, "index": index}) for one in _block_events(block)]
        if self.plan.flaw == "error_200":
            # An upstream's error midway: new-api writes it into the open body as it is.
            error = _errors.words("error_200", self.plan.id, manner="anthropic")
            return [*events[: 1 + len(events) // 2], error + b"\n\n"]
        if self.plan.flaw != "empty_choices":
            delta = {"stop_reason": self.stop, "stop_sequence": self.sequence}
            events.append(_event({"type": "message_delta", "delta": delta, "usage": self._usage()}))
        if self.plan.flaw != "no_finish":
            events.append(_event({"type": "message_stop"}))
        return events

    def _head(self) -> _Object:
        return {"id": f"msg_{self.plan.id}", **_OUTLINE, "model": self.ask.model}

    def _usage(self) -> _Object:
        usage: _Object = {
            "input_tokens": self.input_tokens - self.cached - self.written,
            "cache_creation_input_tokens": self.written,
            "cache_read_input_tokens": self.cached,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.written - self._kept,
                "ephemeral_1h_input_tokens": self._kept,
            },
            "output_tokens": self.thought + self.said,
            "output_tokens_details": {"thinking_tokens": self.thought},
            "service_tier": "standard",
        }
        if searches := self._searches:
            usage["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": 0}
        return usage


class _Messages(Served):
    name = "messages"
    manner: Manner = "anthropic"
    required = ("model", "messages")
    types: ClassVar[Types] = {
        "model": (str,),
        "messages": (list,),
        "max_tokens": (int,),
        "system": (str, list),
        "stop_sequences": (list,),
        "tools": (list,),
        "tool_choice": (dict,),
        "thinking": (dict,),
        "stream": (bool,),
    }

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        return headers.get("x-api-key") or super().key(headers, query)

    def check(self, body: Mapping[str, Any], _route: str) -> None:
        super().check(body, _route)
        if not all(isinstance(message, dict) for message in body["messages"]):
            raise BadAsk("bad_json", "field messages must be a list of objects")

    def prompt(self, body: Mapping[str, Any]) -> str:
        users = [one for one in body["messages"] if one.get("role") == "user"]
        return _text((users or body["messages"])[-1].get("content"))

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        answer = _answer(ask, plan)
        reserve = answer.input_tokens + _limit(ask)
        if plan.flaw == "error_200" and not ask.body.get("stream"):
            body = _errors.words("error_200", plan.id, manner="anthropic")
            return Whole(body=body, reserve=reserve)
        billed = None if plan.flaw == "error_200" else answer.billed
        if ask.body.get("stream"):
            return Stream(events=answer.events(), billed=billed, reserve=reserve)
        return Whole(body=answer.whole(), billed=billed, reserve=reserve)


def _answer(ask: Ask, plan: Plan) -> _Answer:
    """Decide what is said, cut to the output limit."""
    limit = _limit(ask)
    input_tokens, cached, written = _read(ask, plan)
    thought = min(_thought(ask), limit)
    content: list[_Object] = []
    if thought:
        signature = b64encode(plan.id.encode()).decode()
        thinking = murmur(thought, plan.dice)
        content.append({"type": "thinking", "thinking": thinking, "signature": signature})
    said, stop, sequence, tokens = _say(ask, plan, limit - thought)
    nothing = plan.flaw == "empty_choices"
    return _Answer(
        ask=ask,
        plan=plan,
        content=[] if nothing else content + said,
        stop=None if plan.flaw == "no_finish" else stop,
        sequence=sequence,
        input_tokens=input_tokens,
        cached=cached,
        written=written,
        thought=0 if nothing else thought,
        said=0 if nothing else tokens,
    )


def _say(ask: Ask, plan: Plan, left: int) -> tuple[list[_Object], str, str | None, int]:
    """Return what is said after the thinking, how and by what it stops, and its tokens."""
    if tool := _tool(ask.body, plan):
        given = instance(tool.get("input_schema") or {"type": "object"}, plan.dice, ask.prompt)
        if plan.flaw == "label" and _must(ask.body):
            return _in_words(spoiled(_dump(given).decode(), plan.dice), left)
        tokens = len(pieces(_dump(given).decode()))
        call = {"type": "tool_use", "id": f"toolu_{plan.id}", "name": tool.get("name")}
        if tokens > left:
            return [{**call, "input": {}}] if left else [], "max_tokens", None, left
        return [{**call, "input": given}], "tool_use", None, tokens
    text = echo(ask.prompt, plan.words, plan.dice)
    stops = [stop for stop in ask.body.get("stop_sequences") or () if isinstance(stop, str)]
    kept = before(text, stops)
    sequence = next((s for s in stops if s and text.startswith(s, len(kept))), None)
    parts = pieces(kept)
    cut = len(parts) > left
    said = "".join(parts[:left])
    blocks: list[_Object] = [{"type": "text", "text": said}] if said or not cut else []
    if said and _searches(ask.body):
        blocks = _found(said, ask.prompt, plan)
    if cut:
        return blocks, "max_tokens", None, left
    return blocks, "stop_sequence" if sequence else "end_turn", sequence, len(parts)


def _in_words(text: str, left: int) -> tuple[list[_Object], str, None, int]:
    """Say what a tool was to be given, as behind channels that know nothing of tools."""
    parts = pieces(text)
    blocks: list[_Object] = [{"type": "text", "text": "".join(parts[:left])}] if left else []
    if len(parts) > left:
        return blocks, "max_tokens", None, left
    return blocks, "end_turn", None, len(parts)


def _found(text: str, query: str, plan: Plan) -> list[_Object]:
    """Return a search of the vendor's own, what it found, and a text that cites it."""
    name = f"srvtoolu_{plan.id}"
    search = {"type": "server_tool_use", "id": name, "name": "web_search"}
    result = {"type": "web_search_result", **_SOURCE, "encrypted_content": "ZW5j"}
    cited = {"cited_text": text[:40], "encrypted_index": "aWR4"}
    citation = {"type": "web_search_result_location", **_SOURCE, **cited}
    return [
        {**search, "input": {"query": query}},
        {"type": "web_search_tool_result", "tool_use_id": name, "content": [result]},
        {"type": "text", "text": text, "citations": [citation]},
    ]


def _block_events(block: _Object) -> Iterator[_Object]:
    """Take a block apart into the events of its stream."""
    kind = block["type"]
    empty: _Object = dict(block)
    deltas: list[_Object] = []
    if kind == "thinking":
        empty |= {"thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": p} for p in pieces(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif kind == "text":
        cited = block.get("citations", ())
        empty |= {"text": "", **({"citations": []} if cited else {})}
        deltas = [{"type": "citations_delta", "citation": citation} for citation in cited]
        deltas += [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    elif "input" in block:
        empty["input"] = {}
        # The first piece is empty; nothing else comes for a call that is given nothing.
        given = _dump(block["input"]).decode() if block["input"] else ""
        parts = ["", *pieces(given)]
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    yield {"type": "content_block_start", "index": 0, "content_block": empty}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}


def _event(told: _Object) -> bytes:
    # Three line breaks: new-api adds one to what the vendor sends.
    return event(told, told["type"]) + b"\n"


def _tool(body: _Object, plan: Plan) -> _Object | None:
    """Return the tool to call. A tool's result is answered in text: loops come to an end."""
    wish = body.get("tool_choice") or {"type": "auto"}
    tools = body.get("tools") or ()
    known = [tool for tool in tools if isinstance(tool, dict) and "input_schema" in tool]
    if _must(body):
        return next((tool for tool in known if tool.get("name") == wish.get("name")), None)
    answered = wish.get("type") == "auto" and "tool_result" in _kinds(body["messages"][-1])
    if not known or answered or wish.get("type") == "none":
        return None
    chosen: _Object = plan.dice.choice(known)
    return chosen


def _must(body: _Object) -> bool:
    """Return whether one certain tool is to be called: so a schema for the answer is asked for."""
    return (body.get("tool_choice") or {}).get("type") == "tool"


def _searches(body: _Object) -> bool:
    kinds = [tool.get("type") for tool in body.get("tools") or () if isinstance(tool, dict)]
    return any(isinstance(kind, str) and kind.startswith("web_search_") for kind in kinds)


def _thought(ask: Ask) -> int:
    """Return the tokens of thinking; new-api turns a model's ending into the setting."""
    thinking = ask.body.get("thinking") or {}
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens")
        return min(budget, _THOUGHT) if type(budget) is int and budget > 0 else _THOUGHT
    asked = thinking.get("type") == "adaptive" or (not thinking and ask.model.endswith("-thinking"))
    return _THOUGHT if asked else 0


def _limit(ask: Ask) -> int:
    # Zeros vanish at the gateway, so they are no limit.
    limit: int = ask.body.get("max_tokens") or 0
    return limit if limit > 0 else _LIMIT


def _read(ask: Ask, plan: Plan) -> tuple[int, int, int]:
    """Return the tokens of the input, and how many of them a cache gave or was given.

    The cache is at one of several upstream accounts, so that nobody can count on it.
    """
    body = ask.body
    tokens = -(-len(_dump(body["tools"])) // 4) if body.get("tools") else 0
    tokens += weigh(_text(body.get("system")))
    for message in body["messages"]:
        tokens += _PER_MESSAGE + _weigh(message.get("content"))
    hit = plan.dice.share() < 0.5
    if b'"cache_control"' not in _dump(body):
        return tokens, 0, 0
    half = tokens // 2
    return (tokens, half, 0) if hit else (tokens, 0, half)


def _weigh(content: Any) -> int:
    if not isinstance(content, list):
        return weigh(_text(content))
    tokens = 0
    for block in content:
        if isinstance(block, dict) and block.get("type") in _MEDIA:
            tokens += _PER_MEDIUM
        else:
            tokens += weigh(_text([block]) or _dump(block).decode())
    return tokens


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    blocks = [block for block in content or () if isinstance(block, dict)]
    return " ".join(b["text"] for b in blocks if isinstance(b.get("text"), str))


def _kinds(message: _Object) -> list[Any]:
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    return [block.get("type") for block in blocks if isinstance(block, dict)]


_dump = orjson.dumps

TWIN: Twin = _Messages()
