"""The twin of content generation: whole and streamed, thoughts, functions, schemas, media, sources.

Longer than other files, because the vendor's words may stand in no second one.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from itertools import chain, zip_longest
from typing import Any, ClassVar, Final, TypeAlias

import msgspec
import orjson

from batch.mock import Ask, BadAsk, Billed, Plan, Prepared, Stream, Twin, Whole, _errors
from batch.mock._base import Served, Types, event
from batch.mock._chat_media import made_by
from batch.mock._samples import pcm, png
from batch.mock._schema import instance, schemed
from batch.mock._text import before, echo, murmur, pieces, weigh
from batch.wire._lenient import as_dict, as_list
from batch.wire._routes import Found
from batch.wire.gemini.spelling import told

_Object: TypeAlias = dict[str, Any]

_RESERVED: Final = 500  # tokens held back for an answer that names no maximum
_LEVELS: Final = {"minimal": 8, "low": 16, "medium": 64, "high": 256}  # tokens of thoughts
_PER_CONTENT: Final = 4  # tokens beside its texts
_PER_MEDIUM: Final = 258  # tokens of a small picture, as Google counts them
_PER_SEARCH: Final = 40  # tokens that come back from a search
_DRAWN: Final = 1290  # tokens of a picture that is made
_SPOKEN_MS: Final = 400  # milliseconds of speech, at 25 tokens a second
_SPOKEN: Final = 10
_MOST_CANDIDATES: Final = 8
_SIGNATURE: Final = b64encode(b"signed").decode()
_KINDS: Final = {"image": "IMAGE", "audio": "AUDIO", "video": "VIDEO", "application": "DOCUMENT"}


class _Candidate(msgspec.Struct, frozen=True):
    parts: list[_Object]
    finish: str
    said: dict[str, int]  # tokens by modality, without thoughts
    beside: _Object  # what else is told of it


class _Generated(msgspec.Struct, frozen=True):
    ask: Ask
    plan: Plan
    candidates: list[_Candidate]
    read: dict[str, int]  # tokens of the prompt by modality
    found: int  # tokens that came back from tools
    cached: int
    thought: int  # tokens of all candidates

    def prepared(self) -> Prepared:
        limit = _limit(_config(self.ask.body)) or _RESERVED
        reserve = sum(self.read.values()) + self.found + limit * max(len(self.candidates), 1)
        if self.ask.route.endswith(":streamGenerateContent"):
            return Stream(events=self._events(), billed=self._billed(), reserve=reserve)
        return Whole(body=self._whole(), billed=self._billed(), reserve=reserve)

    def _said(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for candidate in self.candidates:
            for modality, tokens in candidate.said.items():
                total[modality] = total.get(modality, 0) + tokens
        return total

    def _billed(self) -> Billed | None:
        if self.plan.flaw == "error_200":
            return None
        said = self._said()
        known = {
            "input_image_tokens": self.read.get("IMAGE", 0),
            "input_audio_tokens": self.read.get("AUDIO", 0),
            "output_image_tokens": said.get("IMAGE", 0),
            "output_audio_tokens": said.get("AUDIO", 0),
            "images": said.get("IMAGE", 0) // _DRAWN,
            "searches": self._searches(),
        }
        return {
            "input_tokens": sum(self.read.values()) + self.found,
            "input_cached_tokens": self.cached,
            "output_tokens": sum(said.values()) + self.thought,
            "output_reasoning_tokens": self.thought,
            **{name: count for name, count in known.items() if count},
        }

    def _searches(self) -> int:
        """Return the searches that are billed: each query, by older models each request."""
        told = [one.beside.get("groundingMetadata", {}) for one in self.candidates]
        queries = sum(len(one.get("webSearchQueries", ())) for one in told)
        return min(queries, 1) if "gemini-2" in self.ask.model else queries

    def _usage(self) -> _Object:
        read, said = sum(self.read.values()), self._said()
        usage: _Object = {
            "promptTokenCount": read,
            "cachedContentTokenCount": self.cached,
            "candidatesTokenCount": sum(said.values()),
            "thoughtsTokenCount": self.thought,
            "totalTokenCount": read + self.found + sum(said.values()) + self.thought,
            "promptTokensDetails": _details(self.read),
        }
        if self.found:
            usage["toolUsePromptTokenCount"] = self.found
        if self.cached:
            usage["cacheTokensDetails"] = _details({"TEXT": self.cached})
        if said:
            usage["candidatesTokensDetails"] = _details(said)
        return usage

    def _document(self, candidates: list[_Object], usage: _Object) -> _Object:
        document: _Object = {"candidates": candidates} if candidates else {}
        if self.plan.flaw == "empty_choices":  # as this vendor says that a prompt is blocked
            document["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
        names = {"modelVersion": self.ask.model, "responseId": self.plan.id}
        return {**document, "usageMetadata": usage, **names}

    def _end(self, candidate: _Candidate) -> _Object:
        reason = {} if self.plan.flaw == "no_finish" else {"finishReason": candidate.finish}
        return {**reason, **candidate.beside}

    def _whole(self) -> bytes:
        if self.plan.flaw == "error_200":
            return _errors.words("error_200", self.plan.id)
        candidates = [
            {**_piece(index, one.parts), **self._end(one)}
            for index, one in enumerate(self.candidates)
        ]
        return orjson.dumps(self._document(candidates, self._usage()))

    def _events(self) -> list[bytes]:
        """Return the stream: the candidates in turns, then their ends. Nothing follows these."""
        read = sum(self.read.values()) + self.found
        so_far = {"promptTokenCount": read, "totalTokenCount": read}
        rows = [
            [self._document([_piece(index, [part])], so_far) for part in _cut(one.parts)]
            for index, one in enumerate(self.candidates)
        ]
        chunks = [chunk for chunk in chain.from_iterable(zip_longest(*rows)) if chunk]
        if self.plan.flaw == "error_200":
            error = _errors.words("error_200", self.plan.id)
            said = [event(chunk) for chunk in chunks]
            return [*said[: len(said) // 2], b"data: %b\n\n" % error]
        ends = [
            {**_piece(index, [{"text": ""}]), **self._end(one)}
            for index, one in enumerate(self.candidates)
        ]
        return [*map(event, chunks), event(self._document(ends, self._usage()))]


class _Gemini(Served):
    name = "gemini"
    required = ("contents",)
    types: ClassVar[Types] = {
        "contents": (list,),
        "generationConfig": (dict,),
        "systemInstruction": (dict,),
        "tools": (list, dict),
        "toolConfig": (dict,),
        "safetySettings": (list,),
    }
    _config_types: ClassVar[Types] = {
        "maxOutputTokens": (int,),
        "candidateCount": (int,),
        "stopSequences": (list,),
        "responseModalities": (list,),
        "responseMimeType": (str,),
        "thinkingConfig": (dict,),
    }

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        own = headers.get("x-goog-api-key") or query.get("key")
        return own or super().key(headers, query)

    def check(self, body: Mapping[str, Any], _route: str) -> None:
        super().check(body, _route)
        for content in body["contents"]:
            if not isinstance(content, dict) or not isinstance(content.get("parts"), list):
                raise BadAsk("bad_json", "field contents must be a list of objects with parts")
            for part in content["parts"]:
                _check_part(part)
        for name, types in self._config_types.items():
            value = told(_config(body), name)
            if value is not None and type(value) not in types:
                raise BadAsk("bad_json", f"field generationConfig.{name} has a wrong type")

    def model(self, body: Mapping[str, Any], found: Found) -> str:
        return found.holes["model"]

    def prompt(self, body: Mapping[str, Any]) -> str:
        users = [one for one in body["contents"] if one.get("role") in ("user", None)]
        texts = [_text(one) for one in reversed(users or body["contents"])]
        return next(filter(None, texts), "")

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        config, read = _config(ask.body), _weigh_all(ask.body)
        limit, thought = _limit(config), _thoughts(ask, config)
        if limit is not None:
            thought = min(thought, limit)
            limit -= thought
        # Thrown before the candidates, so that it does not hang on their number.
        cached = read["TEXT"] // 2 if plan.dice.share() < 0.25 else 0
        wanted = min(max(told(config, "candidateCount") or 1, 1), _MOST_CANDIDATES)
        count = 0 if plan.flaw == "empty_choices" else wanted
        searches = count and _has_tool(ask.body, "googleSearch")
        made = _Generated(
            ask=ask,
            plan=plan,
            candidates=[_candidate(ask, plan, thought, limit) for _ in range(count)],
            read=read,
            found=_PER_SEARCH if searches else 0,
            cached=cached,
            thought=thought * count,
        )
        return made.prepared()


def _candidate(ask: Ask, plan: Plan, thought: int, left: int | None) -> _Candidate:
    """Make one candidate, its text cut to the tokens that are left for it."""
    config = _config(ask.body)
    parts: list[_Object] = []
    if thought and told(told(config, "thinkingConfig") or {}, "includeThoughts"):
        parts.append({"text": murmur(thought, plan.dice), "thought": True})
    if function := _function(ask.body, plan):
        call: _Object = {"functionCall": {"name": function["name"], "args": _args(function, plan)}}
        signed = {"thoughtSignature": _SIGNATURE} if thought else {}
        return _Candidate([*parts, call | signed], "STOP", {"TEXT": weigh(str(call))}, {})
    kinds = _modalities(ask, config)
    said: dict[str, int] = {}
    finish, beside = "STOP", {}
    if "TEXT" in kinds:
        text, finish = _within(_content(ask, plan, config), left)
        parts += [{"text": text}] if text else []
        said["TEXT"] = len(pieces(text))
        beside = _sources(ask, text)
    if "IMAGE" in kinds:
        parts.append(_inline("image/png", png(plan.dice.below(1 << 32))))
        said["IMAGE"] = _DRAWN
    if "AUDIO" in kinds:
        parts.append(_inline("audio/L16;codec=pcm;rate=24000", pcm(_SPOKEN_MS)))
        said["AUDIO"] = _SPOKEN
    return _Candidate(parts, finish, said, beside)


def _within(text: str, left: int | None) -> tuple[str, str]:
    parts = pieces(text)
    if left is None or len(parts) <= left:
        return text, "STOP"
    return "".join(parts[:left]), "MAX_TOKENS"


def _modalities(ask: Ask, config: _Object) -> set[str]:
    """Return what is to be made; a model of pictures makes one, with a text, unless told not to."""
    wanted = {str(kind).upper() for kind in told(config, "responseModalities") or ()}
    usual = {"TEXT", "IMAGE"} if made_by(ask.model) == "image" else {"TEXT"}
    return wanted & {"TEXT", "IMAGE", "AUDIO"} or usual


def _function(body: _Object, plan: Plan) -> _Object | None:
    """Return the function to call. A function's result is answered in text: loops end."""
    wish = as_dict(as_dict(body.get("toolConfig")).get("functionCallingConfig"))
    mode, allowed = str(wish.get("mode", "AUTO")).upper(), as_list(wish.get("allowedFunctionNames"))
    known = [
        function
        for tool in _tools(body)
        for function in as_list(told(tool, "functionDeclarations"))
        if as_dict(function).get("name") and (not allowed or function["name"] in allowed)
    ]
    last = body["contents"][-1]["parts"]
    is_answered = any(told(part, "functionResponse") for part in last)
    if not known or mode == "NONE" or (is_answered and mode != "ANY"):
        return None
    chosen: _Object = plan.dice.choice(known)
    return chosen


def _args(function: _Object, plan: Plan) -> Any:
    schema = function.get("parametersJsonSchema") or _plain(function.get("parameters"))
    return instance(schema or {"type": "object"}, plan.dice)


def _content(ask: Ask, plan: Plan, config: _Object) -> str:
    kind = told(config, "responseMimeType")
    schema = told(config, "responseJsonSchema") or _plain(told(config, "responseSchema"))
    if schema and kind:
        if kind == "text/x.enum":
            return str(instance(schema, plan.dice, ask.prompt))
        return schemed(schema, ask, plan)
    text = echo(ask.prompt, plan.words, plan.dice)
    if kind == "application/json":
        return orjson.dumps({"answer": text}).decode()
    stops = told(config, "stopSequences") or ()
    return before(text, [stop for stop in stops if isinstance(stop, str)])


def _plain(schema: Any) -> Any:
    """Return the vendor's kind of schema as a JSON Schema: its types are written in capitals."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.lower() if key == "type" and isinstance(value, str) else _plain(value)
        for key, value in schema.items()
    }


def _sources(ask: Ask, text: str) -> _Object:
    if not _has_tool(ask.body, "googleSearch"):
        return {}
    segment = {"startIndex": 0, "endIndex": len(text.encode()), "text": text}
    source = {"uri": "https://example.com/source", "title": "example.com"}
    return {
        "groundingMetadata": {
            "webSearchQueries": [ask.prompt],
            "groundingChunks": [{"web": source}],
            "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
        }
    }


def _thoughts(ask: Ask, config: _Object) -> int:
    """Return the tokens that each candidate thinks."""
    wish = told(config, "thinkingConfig") or {}
    budget, level = told(wish, "thinkingBudget"), told(wish, "thinkingLevel")
    if isinstance(budget, int) and budget >= 0:
        return min(budget, _LEVELS["medium"])
    if level:
        return _LEVELS.get(str(level).lower(), _LEVELS["medium"])
    return _LEVELS["medium"] if wish or "-thinking" in ask.model else 0


def _limit(config: _Object) -> int | None:
    # Zeros vanish at the gateway, so they are no limit.
    limit: int = told(config, "maxOutputTokens") or 0
    return limit if limit > 0 else None


def _config(body: Mapping[str, Any]) -> _Object:
    """Return the settings, which the gateway knows by this spelling alone."""
    return body.get("generationConfig") or {}


def _tools(body: Mapping[str, Any]) -> list[_Object]:
    tools = body.get("tools") or []
    return [tools] if isinstance(tools, dict) else [one for one in tools if isinstance(one, dict)]


def _has_tool(body: Mapping[str, Any], name: str) -> bool:
    return any(told(tool, name) is not None for tool in _tools(body))


def _check_part(part: object) -> None:
    if not isinstance(part, dict):
        raise BadAsk("bad_json", "field parts must be a list of objects")
    inline = told(part, "inlineData")
    if inline is None:
        return
    data = inline.get("data") if isinstance(inline, dict) else None
    if not isinstance(data, str) or not told(inline, "mimeType"):
        raise BadAsk("bad_request", "inlineData needs data and a mimeType")
    try:
        b64decode(data, validate=True)
    except binascii.Error:
        raise BadAsk("bad_request", "inlineData.data is no base64") from None


def _weigh_all(body: _Object) -> dict[str, int]:
    """Return the tokens of the prompt by modality; TEXT is always one of them."""
    read = {"TEXT": weigh(orjson.dumps(body["tools"]).decode()) if body.get("tools") else 0}
    system = told(body, "systemInstruction")
    for content in [*body["contents"], *([as_dict(system)] if system else [])]:
        read["TEXT"] += weigh(_text(content)) + _PER_CONTENT
        for part in map(as_dict, as_list(content.get("parts"))):
            if held := as_dict(told(part, "inlineData") or told(part, "fileData")):
                kind = str(told(held, "mimeType")).partition("/")[0]
                modality = _KINDS.get(kind, "DOCUMENT")
                read[modality] = read.get(modality, 0) + _PER_MEDIUM
    return read


def _text(content: Mapping[str, Any]) -> str:
    texts = (as_dict(part).get("text") for part in as_list(content.get("parts")))
    return " ".join(text for text in texts if isinstance(text, str))


def _cut(parts: list[_Object]) -> Iterator[_Object]:
    """Take parts apart into those of a stream."""
    for part in parts:
        if "text" in part:
            yield from ({**part, "text": piece} for piece in pieces(part["text"]))
        else:
            yield part


def _piece(index: int, parts: list[_Object]) -> _Object:
    return {"content": {"role": "model", "parts": parts}, "index": index}


def _inline(kind: str, data: bytes) -> _Object:
    return {"inlineData": {"mimeType": kind, "data": b64encode(data).decode()}}


def _details(tokens: Mapping[str, int]) -> list[_Object]:
    return [{"modality": kind, "tokenCount": count} for kind, count in tokens.items() if count]


TWIN: Twin = _Gemini()
