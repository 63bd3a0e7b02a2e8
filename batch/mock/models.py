"""The twin of the list of models: those that the key may call."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

import orjson

from batch.mock import Ask, Plan, Prepared, Twin, Whole
from batch.mock._base import Served

_CREATED: Final = 1626777600  # a constant there, not a date
# Patterns of models → kinds of endpoints, and whose they are said to be; the first match counts.
# The gateway has no word for speech, transcriptions and Midjourney, and says nothing of what it
# does not know.
_KINDS: Final[tuple[tuple[str, tuple[str, ...] | None, str], ...]] = (
    ("claude-*", ("anthropic", "openai"), "custom"),
    ("gemini-*-image*", ("image-generation", "gemini", "openai"), "custom"),
    ("gemini-*", ("gemini", "openai"), "custom"),
    ("gpt-image-*", ("image-generation", "openai"), "openai"),
    ("gpt-5*", ("openai", "openai-response"), "openai"),
    ("text-embedding-*", ("embeddings",), "openai"),
    ("*rerank*", ("jina-rerank",), "custom"),
    ("sora-*", ("openai-video",), "custom"),
    ("veo-*", ("openai-video",), "custom"),
    ("kling-*", None, "custom"),
    ("mj_*", ("openai",), "midjourney"),
    ("*", ("openai",), "openai"),
)


class _Models(Served):
    name = "models"

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        models = [_entry(name) for name in plan.models]
        return Whole(body=orjson.dumps({"success": True, "object": "list", "data": models}))


def _entry(name: str) -> dict[str, object]:
    kinds, owner = next(told for pattern, *told in _KINDS if fnmatchcase(name, pattern))
    return {
        "id": name,
        "object": "model",
        "created": _CREATED,
        "owned_by": owner,
        "supported_endpoint_types": kinds,
    }


TWIN: Twin = _Models()
