"""The twin of responses: whole and streamed, reasoning, tools, schemas, search, pictures.

Longer than other files, because the vendor's words may stand in no second one. Events come in the
order that OpenAI's own client demands, and no ``[DONE]`` after them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from batch.mock import Ask, BadAsk, Billed, Plan, Prepared, Stream, Twin, Whole, _errors
from batch.mock._base import CREATED, PING, Served, Types, event
from batch.mock._samples import png
from batch.mock._schema import instance, schemed
from batch.mock._text import echo, murmur, pieces, weigh

_Object: TypeAlias = dict[str, Any]

_RESERVED: Final = 500  # tokens held back for an answer that names no maximum
_EFFORTS: Final = {"none": 0, "minimal": 8, "low": 16, "medium": 64, "high": 256}
_PER_ITEM: Final = 4  # tokens beside its text
_PER_MEDIUM: Final = 85  # tokens of a picture or a document
_TYPES: Final[Types] = {
    "model": (str,),
    "input": (str, list),
    "instructions": (str,),
    "max_output_tokens": (int,),
    "reasoning": (dict,),
    "text": (dict,),
    "tools": (list,),
    "tool_choice": (str, dict),
    "include": (list,),
}
_TEXT_OF: Final = {"function_call": "arguments", "function_call_output": "output"}


class _Draft(msgspec.Struct, frozen=True):
    """What is answered, cut to what is left of the maximum."""

    output: list[_Object]
    said: int = 0  # tokens, without the reasoning
    cut: bool = False
    reasoned: int = 0
    images: int = 0


class _Responses(Served):
    name = "responses"
    required = ("model", "input")
    types = _TYPES

    def check(self, body: Mapping[str, Any], route: str) -> None:
        super().check(body, route)
        for name in ("input", "tools"):
            listed = body.get(name)
            if isinstance(listed, list) and not all(isinstance(one, dict) for one in listed):
                raise BadAsk("bad_json", f"field {name} must be a list of objects")

    def prompt(self, body: Mapping[str, Any]) -> str:
        asked = body["input"]
        if isinstance(asked, str):
            return asked
        users = (item for item in reversed(asked) if item.get("role") == "user")
        return _said(next(users, asked[-1]))[0]

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        limit = _limit(ask.body)
        input_tokens = _weigh_all(ask.body)
        cached = input_tokens // 2 if plan.dice.share() < 0.25 else 0
        draft = _Draft([]) if plan.flaw == "empty_choices" else _draft(ask, plan)
        billed: Billed = {
            "input_tokens": input_tokens,
            "input_cached_tokens": cached,
            "output_tokens": draft.said + draft.reasoned,
            "output_reasoning_tokens": draft.reasoned,
        }
        if draft.images:
            billed["images"] = draft.images
        if searches := sum(item["type"] == "web_search_call" for item in draft.output):
            billed["searches"] = searches
        response = _response(ask, plan, draft, billed)
        paid = None if plan.flaw == "error_200" else billed
        reserve = input_tokens + (limit or _RESERVED)
        if ask.body.get("stream"):
            return Stream(events=_events(response, plan), billed=paid, reserve=reserve)
        body = orjson.dumps(response)
        if plan.flaw == "error_200":
            body = _errors.words("error_200", plan.id)
        return Whole(body=body, billed=paid, reserve=reserve)


def _response(ask: Ask, plan: Plan, draft: _Draft, billed: Billed) -> _Object:
    body = ask.body
    status = "incomplete" if draft.cut else "completed"
    if plan.flaw == "no_finish":
        status = "in_progress"
    return {
        "id": f"resp_{plan.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if draft.cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": _limit(body),
        "model": ask.model,
        "output": draft.output,
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "temperature": body.get("temperature"),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p"),
        "truncation": "disabled",
        "usage": {
            "input_tokens": billed["input_tokens"],
            "input_tokens_details": {
                "cached_tokens": billed["input_cached_tokens"],
                "cache_write_tokens": 0,
            },
            "output_tokens": billed["output_tokens"],
            "output_tokens_details": {"reasoning_tokens": billed["output_reasoning_tokens"]},
            "total_tokens": billed["input_tokens"] + billed["output_tokens"],
        },
        "metadata": body.get("metadata") or {},
    }


def _draft(ask: Ask, plan: Plan) -> _Draft:
    """Think, search, draw, and then say or call something, as far as the maximum allows."""
    body, limit, thought = ask.body, _limit(ask.body), _effort(ask)
    if limit is not None:
        thought = min(thought, limit)
    searches, draws = _hosted(body, "web_search"), _hosted(body, "image_generation")
    output = [_reasoning(body, plan, thought)] if thought else []
    output += [_search(ask, plan)] if searches else []
    output += [_picture(draws, plan)] if draws else []
    function = _function(body, plan)
    parts = pieces(_arguments(function, plan) if function else _content(ask, plan))
    left = len(parts) if limit is None else limit - thought
    cut = len(parts) > left
    text = "".join(parts[:left])
    status = "incomplete" if cut else "completed"
    if function:
        output += [_call(function, text, status, plan)] if text else []
    elif text or not cut:
        citations = _citations(text) if searches else []
        output.append(_message(text, citations, status, plan))
    return _Draft(output, min(len(parts), left), cut, thought, 1 if draws else 0)


def _reasoning(body: _Object, plan: Plan, words: int) -> _Object:
    summary = [{"type": "summary_text", "text": murmur(words, plan.dice)}]
    item: _Object = {
        "type": "reasoning",
        "id": f"rs_{plan.id}",
        "summary": summary if (body.get("reasoning") or {}).get("summary") else [],
    }
    if "reasoning.encrypted_content" in (body.get("include") or ()):
        item["encrypted_content"] = f"gAAAAA{plan.id}"
    return item


def _search(ask: Ask, plan: Plan) -> _Object:
    action = {"type": "search", "query": " ".join(ask.prompt.split()[:8])}
    return {
        "type": "web_search_call",
        "id": f"ws_{plan.id}",
        "status": "completed",
        "action": action,
    }


def _citations(text: str) -> list[_Object]:
    place = {"start_index": 0, "end_index": len(text)}
    source = {"url": "https://example.com/source", "title": "A source"}
    return [{"type": "url_citation", **source, **place}]


def _picture(tool: _Object, plan: Plan) -> _Object:
    return {
        "type": "image_generation_call",
        "id": f"ig_{plan.id}",
        "status": "completed",
        "result": b64encode(png(plan.dice.below(1 << 32))).decode(),
        "output_format": "png",
        "size": tool.get("size") or "1024x1024",
    }


def _call(function: _Object, arguments: str, status: str, plan: Plan) -> _Object:
    return {
        "type": "function_call",
        "id": f"fc_{plan.id}",
        "call_id": f"call_{plan.dice.below(1 << 32):08x}",
        "name": function.get("name"),
        "arguments": arguments,
        "status": status,
    }


def _message(text: str, citations: list[_Object], status: str, plan: Plan) -> _Object:
    return {
        "type": "message",
        "id": f"msg_{plan.id}",
        "role": "assistant",
        "status": status,
        "content": [{"type": "output_text", "text": text, "annotations": citations}],
    }


def _hosted(body: _Object, kind: str) -> _Object | None:
    """Return the hosted tool of a kind if it is there and may be used."""
    wish = body.get("tool_choice")
    if wish == "none" or (isinstance(wish, dict) and not _is(wish, kind)):
        return None
    return next((tool for tool in body.get("tools") or () if _is(tool, kind)), None)


def _is(tool: _Object, kind: str) -> bool:
    return str(tool.get("type")).startswith(kind)  # tools of the web have dates in their names


def _function(body: _Object, plan: Plan) -> _Object | None:
    """Return the function to call. A tool's result is answered in text: loops come to an end."""
    wish, asked = body.get("tool_choice"), body["input"]
    known = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    if isinstance(wish, dict):
        named = (tool for tool in known if tool.get("name") == wish.get("name"))
        return next(named, None) if wish.get("type") == "function" else None
    answered = isinstance(asked, list) and asked[-1].get("type") == "function_call_output"
    if not known or wish == "none" or (answered and wish != "required"):
        return None
    chosen: _Object = plan.dice.choice(known)
    return chosen


def _arguments(function: Mapping[str, Any], plan: Plan) -> str:
    schema = function.get("parameters") or {"type": "object"}
    return orjson.dumps(instance(schema, plan.dice)).decode()


def _content(ask: Ask, plan: Plan) -> str:
    told = (ask.body.get("text") or {}).get("format")
    shape: _Object = told if isinstance(told, dict) else {}
    kind = shape.get("type")
    if kind == "json_schema":
        return schemed(shape.get("schema"), ask, plan)
    text = echo(ask.prompt, plan.words, plan.dice)
    return orjson.dumps({"answer": text}).decode() if kind == "json_object" else text


def _events(response: _Object, plan: Plan) -> list[bytes]:
    told = list(_happenings(response))
    if plan.flaw == "no_finish":
        told.pop()  # new-api only closes the stream
    elif plan.flaw == "error_200":
        error = orjson.loads(_errors.words("error_200", plan.id))["error"]
        said = {"code": error["code"], "message": error["message"], "param": None}
        told = [*told[: len(told) // 2], {"type": "error", **said}]
    events = [_event(number, one) for number, one in enumerate(told)]
    if plan.pings:
        events.insert(1, PING)
    return events


def _event(number: int, told: _Object) -> bytes:
    return event({**told, "sequence_number": number}, told["type"])


def _happenings(response: _Object) -> Iterator[_Object]:
    """Take a response apart into what is told of it, one by one."""
    begun = {
        **response,
        "status": "in_progress",
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(response["output"]):
        at = {"item_id": item["id"], "output_index": index}
        frame = {"type": "response.output_item.added", "output_index": index}
        yield {**frame, "item": _blank(item)}
        for name, fields in _INSIDE[item["type"]](item, response):
            yield {"type": f"response.{name}", **at, **fields}
        yield {**frame, "type": "response.output_item.done", "item": item}
    yield {"type": f"response.{response['status']}", "response": response}


def _blank(item: _Object) -> _Object:
    """Return an item as it begins."""
    blanks: _Object = {
        "content": [],
        "summary": [],
        "arguments": "",
        "result": None,
        "action": {"type": "search"},
        "status": "in_progress",
    }
    return {key: blanks.get(key, value) for key, value in item.items()}


def _inside_message(item: _Object, _response: _Object) -> Iterator[tuple[str, _Object]]:
    for index, part in enumerate(item["content"]):
        at = {"content_index": index}
        yield "content_part.added", {**at, "part": {**part, "text": "", "annotations": []}}
        for piece in pieces(part["text"]):
            yield "output_text.delta", {**at, "delta": piece, "logprobs": []}
        for place, one in enumerate(part["annotations"]):
            cited = {**at, "annotation_index": place, "annotation": one}
            yield "output_text.annotation.added", cited
        yield "output_text.done", {**at, "text": part["text"], "logprobs": []}
        yield "content_part.done", {**at, "part": part}


def _inside_reasoning(item: _Object, _response: _Object) -> Iterator[tuple[str, _Object]]:
    for index, part in enumerate(item["summary"]):
        at = {"summary_index": index}
        yield "reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
        for piece in pieces(part["text"]):
            yield "reasoning_summary_text.delta", {**at, "delta": piece}
        yield "reasoning_summary_text.done", {**at, "text": part["text"]}
        yield "reasoning_summary_part.done", {**at, "part": part}


def _inside_call(item: _Object, _response: _Object) -> Iterator[tuple[str, _Object]]:
    for piece in pieces(item["arguments"]):
        yield "function_call_arguments.delta", {"delta": piece}
    yield "function_call_arguments.done", {"arguments": item["arguments"]}


def _inside_search(_item: _Object, _response: _Object) -> Iterator[tuple[str, _Object]]:
    for step in ("in_progress", "searching", "completed"):
        yield f"web_search_call.{step}", {}


def _inside_picture(item: _Object, response: _Object) -> Iterator[tuple[str, _Object]]:
    yield "image_generation_call.in_progress", {}
    yield "image_generation_call.generating", {}
    tool = _hosted(response, "image_generation") or {}
    if tool.get("partial_images"):
        shown = {"partial_image_index": 0, "partial_image_b64": item["result"]}
        yield "image_generation_call.partial_image", shown
    yield "image_generation_call.completed", {}


_INSIDE: Final[Mapping[str, Callable[[_Object, _Object], Iterator[tuple[str, _Object]]]]] = {
    "message": _inside_message,
    "reasoning": _inside_reasoning,
    "function_call": _inside_call,
    "web_search_call": _inside_search,
    "image_generation_call": _inside_picture,
}


def _said(item: Mapping[str, Any]) -> tuple[str, int]:
    """Return an item's text, and how many pictures and documents it has."""
    content = item.get("content", item.get(_TEXT_OF.get(str(item.get("type")), "")))
    if isinstance(content, str):
        return content, 0
    parts = [part for part in content if isinstance(part, dict)] if content else []
    texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
    return " ".join(texts), len(parts) - len(texts)


def _weigh_all(body: _Object) -> int:
    tokens = -(-len(orjson.dumps(body["tools"])) // 4) if body.get("tools") else 0
    tokens += weigh(body.get("instructions") or "")
    asked = body["input"]
    for item in [{"content": asked}] if isinstance(asked, str) else asked:
        text, media = _said(item)
        tokens += weigh(text) + _PER_ITEM + media * _PER_MEDIUM
    return tokens


def _effort(ask: Ask) -> int:
    """Return the reasoning tokens."""
    reasoning = ask.body.get("reasoning")
    if reasoning is None:
        return _EFFORTS["medium"] if "-thinking" in ask.model else 0
    return _EFFORTS.get(str(reasoning.get("effort")), _EFFORTS["medium"])


def _limit(body: _Object) -> int | None:
    # Zeros vanish at the gateway, so they are no limit.
    limit: int = body.get("max_output_tokens") or 0
    return limit if limit > 0 else None


TWIN: Twin = _Responses()
