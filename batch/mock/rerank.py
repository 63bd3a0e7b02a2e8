"""The twin of reranking: what shares more words with the query comes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from batch.mock import Ask, Plan, Prepared, Twin, Whole, _errors
from batch.mock._base import Served, Types
from batch.mock._text import weigh

_TYPES: Final[Types] = {
    "model": (str,),
    "query": (str,),
    "documents": (list,),
    "top_n": (int,),
    "return_documents": (bool,),
}


class _Rerank(Served):
    name = "rerank"
    required = ("model", "query", "documents")
    types = _TYPES

    def prompt(self, body: Mapping[str, Any]) -> str:
        query = body.get("query")
        return query if isinstance(query, str) else ""

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        if plan.flaw == "error_200":
            return Whole(body=_errors.words("error_200", plan.id))
        texts = [_text(one) for one in ask.body["documents"]]
        read = sum(weigh(text) + weigh(ask.prompt) for text in texts)
        scores = [_score(ask.prompt, text) for text in texts]
        order = sorted(range(len(texts)), key=lambda index: (-scores[index], index))
        shown = [] if plan.flaw == "empty_choices" else order[: ask.body.get("top_n") or len(order)]
        results: list[dict[str, Any]] = [
            {"index": index, "relevance_score": scores[index]} for index in shown
        ]
        if ask.body.get("return_documents"):
            results = [{**one, "document": {"text": texts[one["index"]]}} for one in results]
        usage = {"prompt_tokens": read, "completion_tokens": 0, "total_tokens": read}
        return Whole(
            body=orjson.dumps({"model": ask.model, "results": results, "usage": usage}),
            billed={
                "input_tokens": read,
                "input_cached_tokens": 0,
                "output_tokens": 0,
                "output_reasoning_tokens": 0,
            },
            reserve=read,
        )


def _text(document: Any) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    return text if isinstance(text, str) else ""


def _score(query: str, text: str) -> float:
    asked, said = set(query.lower().split()), set(text.lower().split())
    return round(len(asked & said) / max(1, len(asked)), 4)


TWIN: Twin = _Rerank()
