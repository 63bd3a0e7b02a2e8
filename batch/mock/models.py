"""The twin of the list of models: those that the key may call."""

from __future__ import annotations

from typing import Final

import orjson

from batch.mock import Ask, Plan, Prepared, Twin, Whole
from batch.mock._base import Served

_CREATED: Final = 1626777600  # a constant there, not a date


class _Models(Served):
    name = "models"

    def answer(self, ask: Ask, plan: Plan) -> Prepared:
        models = [
            {
                "id": name,
                "object": "model",
                "created": _CREATED,
                "owned_by": "custom",
                "supported_endpoint_types": ["openai"],
            }
            for name in plan.models
        ]
        return Whole(body=orjson.dumps({"success": True, "object": "list", "data": models}))


TWIN: Twin = _Models()
