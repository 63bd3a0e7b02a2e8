"""A key that cannot be printed by accident, and the redaction of keys from what is written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NoReturn

MASK: Final = "[key removed]"
# A gateway's keys are long words. To remove a placeholder such as "any" or "EMPTY", which some
# gateways take for a key, would tear it out of answers in which it is a word.
SHORTEST: Final = 12  # characters


class Secret:
    """A named key. Its value leaves only through ``reveal``; printing shows the name."""

    __slots__ = ("_value", "name", "place")

    def __init__(self, name: str, value: str, place: str = "") -> None:
        self.name = name
        self.place = place  # where the value came from, for people
        self._value = value

    def reveal(self) -> str:
        """Return the value: for the header of a gateway call, and for nothing else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never pickled")


class Redactor:
    """Removes the values of known keys from bytes and text that others sent."""

    __slots__ = ("_escaped", "_pairs")

    def __init__(self, secrets: Iterable[Secret]) -> None:
        values = {value for s in secrets if len(value := s.reveal()) >= SHORTEST}
        # Longest first, so that a key which begins another one cannot leave its rest behind.
        self._pairs = [
            (value, value.encode()) for value in sorted(values, key=lambda v: (-len(v), v))
        ]

        # JSON may spell any character as an escape, and who decodes it has the key again.
        self._escaped = re.compile(b"|".join(map(_any_spelling, values)) or b"(?!)")

    def clean(self, data: bytes) -> bytes:
        """Return the bytes without any key; the same object if there was none."""
        for _, value in self._pairs:
            if value in data:
                data = data.replace(value, MASK.encode())
        # Only these two escapes can spell what a key is made of: looked for first, as it is cheap.
        if b"\\u00" in data or b"\\/" in data:
            data = self._escaped.sub(MASK.encode(), data)
        return data

    def clean_text(self, text: str) -> str:
        """Return the text without any key."""
        for value, _ in self._pairs:
            text = text.replace(value, MASK)
        return text


def _any_spelling(value: str) -> bytes:
    """Return a pattern of all the ways in which a JSON string may spell a key."""
    return b"".join(
        b"(?:%b|\\\\u00(?i:%02x)%b)"
        % (re.escape(char.encode()), ord(char), b"|\\\\/" if char == "/" else b"")
        for char in value
    )
