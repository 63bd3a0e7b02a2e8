"""The lines of a soak: a copy of every endpoint's line now and then, and chats; each of its own.

Every body that costs anything begins its prompt with the number of its line, so that the gateway's
books, which hold the first words of each prompt, name lines.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from tests.proofs.processes import chat, lines_of

ROOT: Final = Path(__file__).parents[2]
FILES: Final = ROOT / "sample_inputs" / "files"
ENDPOINTS: Final = lines_of(ROOT / "sample_inputs" / "endpoints.jsonl")
# Work that must never be paid twice: tasks, pictures, and chats that make media.
ONCE: Final = frozenset(
    {
        *("13-chat-make-image", "15-chat-edit-image", "16-images", "17-images-edit"),
        *("19-chat-film", "20-chat-film-from-image", "21-chat-film-first-last", "22-film"),
        *("23-film-from-image", "26-kling", "27-kling-from-image", "28-chat-voice"),
        *("40-gemini-image", "41-gemini-edit-image", "44-mj-imagine", "45-mj-blend"),
        *("46-mj-describe", "47-mj-swap", "48-mj-upload", "50-mj-action", "51-mj-modal"),
        "53-mj-edits",
    }
)
MUTE: Final = "mute"  # asks nothing, and is an error without a request
CHAT: Final = "chat"
_NUMBER: Final = re.compile(r"Note (\d+)\.")
_FREE: Final = "49-mj-list"  # a POST that costs nothing


def number_in(prompt: str) -> int | None:
    """Return the number of the line whose prompt this is."""
    found = _NUMBER.search(prompt)
    return int(found[1]) if found else None


class Lines:
    """The input, as it grows."""

    def __init__(self, path: Path, chance: Random) -> None:
        self._path = path
        self._chance = chance
        self.kinds: dict[int, str] = {}  # ordinal → endpoint's id, ``CHAT`` or ``MUTE``
        self.end = 0  # ordinal of the last line; blank ones have one too

    def add(self, chats: int, *, endpoints: bool = True) -> None:
        """Write so many chats at the end, and a line for every endpoint among them."""
        made = [*([CHAT] * chats), MUTE, *(one["custom_id"] for one in ENDPOINTS if endpoints)]
        self._chance.shuffle(made)
        with self._path.open("ab") as file:
            for kind in made:
                self.end += 1
                if self._chance.random() < 1 / 50:
                    file.write(b"\n")
                    self.end += 1
                self.kinds[self.end] = kind
                line = {**_line(kind, self.end), "custom_id": custom_id(self.end)}
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def once(self) -> Iterator[int]:
        """Yield the lines that must never be paid twice."""
        return (number for number, kind in self.kinds.items() if kind in ONCE)


def custom_id(number: int) -> str:
    """Return the id of a line."""
    return f"note-{number}"


def _line(kind: str, number: int) -> dict[str, Any]:
    words = f"Note {number}. "
    if kind == MUTE:
        return {"url": "/v1/chat/completions", "body": {}}
    if kind == CHAT:
        return {"url": "/v1/chat/completions", "body": chat(number, f"{words}What follows?")}
    line = copy.deepcopy(next(one for one in ENDPOINTS if one["custom_id"] == kind))
    if "body" in line and kind != _FREE:
        _mark(line["body"], words)
    return line


def _mark(body: dict[str, Any], words: str) -> None:
    """Begin the user's last text with words, wherever the format has it."""
    asked = body.get("input")
    if "contents" in body:
        _mark_text(body["contents"][-1]["parts"], words)
    elif "messages" in body:
        _mark_content([one for one in body["messages"] if one["role"] == "user"][-1], words)
    elif isinstance(asked, list):
        _mark_content(asked[-1], words)
    elif isinstance(asked, str):
        body["input"] = words + asked
    else:
        body["prompt"] = words + body.get("prompt", "")


def _mark_content(message: dict[str, Any], words: str) -> None:
    if isinstance(message["content"], str):
        message["content"] = words + message["content"]
    else:
        _mark_text(message["content"], words)


def _mark_text(parts: list[dict[str, Any]], words: str) -> None:
    part = next(one for one in parts if "text" in one)
    part["text"] = words + part["text"]
