"""What is asked in a bench: prompts of 500 bytes, of which no two are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson

MODEL: Final = "gpt-4o-mini"
REVIEW: Final = (
    "Is this review of a coat positive, negative or mixed? Give the reason in two sentences. The "
    "coat fits as the picture promised, the fabric is thicker than that of my last one, and the "
    "buttons look as if they will stay. It came eight days late, though, in a box that had been "
    "opened, and nobody answered the two letters that I wrote about it. I would buy it again, from "
    "somebody else. My neighbour asked twice where it came from. "
)


def body(number: int, stream: bool) -> dict[str, Any]:
    """Return one request for a chat."""
    said: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": f"{REVIEW}({number})"}],
    }
    return said | {"stream": True, "stream_options": {"include_usage": True}} if stream else said


def write(path: Path, lines: int, stream: bool) -> None:
    """Write a file of requests in OpenAI's batch shape."""
    with path.open("wb") as file:
        for number in range(1, lines + 1):
            line = {
                "custom_id": f"row-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body(number, stream),
            }
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
