"""What is asked in a bench: prompts of 500 bytes, of which no two are the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

MODEL: Final = "gpt-4o-mini"
CHAT: Final = "/v1/chat/completions"
REVIEW: Final = (
    "Is this review of a coat positive, negative or mixed? Give the reason in two sentences. The "
    "coat fits as the picture promised, the fabric is thicker than that of my last one, and the "
    "buttons look as if they will stay. It came eight days late, though, in a box that had been "
    "opened, and nobody answered the two letters that I wrote about it. I would buy it again, from "
    "somebody else. My neighbour asked twice where it came from. "
)


def prompt(number: int) -> str:
    """Return one prompt."""
    return f"{REVIEW}({number})"


def body(number: int, stream: bool) -> dict[str, Any]:
    """Return one request for a chat."""
    said: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": prompt(number)}],
    }
    return said | {"stream": True, "stream_options": {"include_usage": True}} if stream else said


def requests(lines: int, stream: bool) -> Iterator[bytes]:
    """Yield so many requests in OpenAI's batch shape, each as a line without its break."""
    for number in range(1, lines + 1):
        line = {
            "custom_id": f"row-{number}",
            "method": "POST",
            "url": CHAT,
            "body": body(number, stream),
        }
        yield orjson.dumps(line)


def write(folder: Path, lines: int, stream: bool) -> None:
    """Write a file of requests."""
    with (folder / "in.jsonl").open("wb") as file:
        file.writelines(line + b"\n" for line in requests(lines, stream))
