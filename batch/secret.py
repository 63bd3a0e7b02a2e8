"""A key that cannot be printed by accident, and the redaction of keys from what is written."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn
from urllib.parse import quote
from weakref import WeakSet

MASK: Final = "[key removed]"
MASKED: Final = MASK.encode()
# As numbers: where bytes are looked for in bytes, Python first raises an error, and drops it.
NUL, AMPERSAND, BACKSLASH = b"\0&\\"
# A gateway's keys are long words. To remove a placeholder such as "any" or "EMPTY", which some
# gateways take for a key, would tear it out of answers in which it is a word.
SHORTEST: Final = 12  # characters


class Secret:
    """A named key. Its value leaves only through ``reveal``; printing shows the name."""

    __slots__ = ("__weakref__", "_value", "name", "place")

    def __init__(self, name: str, value: str, place: str = "") -> None:
        self.name = name
        self.place = place  # where the value came from, for people
        self._value = value
        _KNOWN.add(self)

    def reveal(self) -> str:
        """Return the value: for the header of a gateway call, and for nothing else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is never pickled")


_KNOWN: Final[WeakSet[Secret]] = WeakSet()


def redactor_of_all() -> Redactor:
    """Return what removes every key that is in use: for the words of a bug, which may hold any."""
    return Redactor(list(_KNOWN))


class Redactor:
    """Removes the values of known keys from bytes and text that others sent."""

    __slots__ = ("_escaped", "_pairs", "_shortest", "_wide")

    def __init__(self, secrets: Iterable[Secret]) -> None:
        found = {value for s in secrets if len(value := s.reveal()) >= SHORTEST}
        values = sorted(found, key=len, reverse=True)
        self._pairs = _pairs(form for value in values for form in _forms(value))
        self._wide = [*self._pairs, *_pairs("\0".join(value) for value in values)]  # UTF-16, too
        self._shortest = min((len(form) for form, _ in self._pairs), default=0)

        # JSON and HTML may spell any character as an escape, and who decodes it has the key again.
        self._escaped = re.compile(b"|".join(map(_any_spelling, values)) or b"(?!)")

    def clean(self, data: bytes) -> bytes:
        """Return the bytes without any key; the same object if there was none."""
        # One sign is found in a tenth of the time of two, or of a key: and most bodies have none.
        for _, form in self._wide if NUL in data else self._pairs:
            data = data.replace(form, MASKED)
        # Only with these can what a key is made of be escaped: looked for first, as it is cheap.
        escaped = BACKSLASH in data and (data.find(b"\\u00") >= 0 or data.find(b"\\/") >= 0)
        if escaped or (AMPERSAND in data and data.find(b"&#") >= 0):
            data = self._escaped.sub(MASKED, data)
        return data

    def clean_text(self, text: str) -> str:
        """Return the text without any key."""
        if len(text) < self._shortest:  # as the names of most requests are
            return text
        for form, _ in self._wide if "\0" in text else self._pairs:
            text = text.replace(form, MASK)
        if "\\u00" in text or "\\/" in text or "&#" in text:
            data = text.encode("utf-8", "surrogatepass")
            text = self._escaped.sub(MASKED, data).decode("utf-8", "surrogatepass")
        return text


def _pairs(forms: Iterable[str]) -> list[tuple[str, bytes]]:
    """Return each form as text and as bytes, the longest first.

    A key which begins another one would else leave that one's rest behind.
    """
    return [(form, form.encode()) for form in sorted(set(forms), key=lambda f: (-len(f), f))]


def _forms(value: str) -> Iterator[str]:
    """Yield a key as it is, and as it stands in an address and within base64."""
    yield value
    quoted = quote(value, safe="")
    yield quoted
    yield re.sub("%..", lambda found: found[0].lower(), quoted)
    for ahead in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            # Without the signs at both ends, which hang on what stands beside the key.
            whole = encode(b"\0" * ahead + value.encode()).decode().rstrip("=")
            yield whole[ahead + (ahead > 0) : -1]


def _any_spelling(value: str) -> bytes:
    """Return a pattern of all the ways in which a string of JSON or HTML may spell a key."""
    return b"".join(
        b"(?:%b|\\\\u00(?i:%02x)%b|&#0*%d;|&#(?i:x0*%x);)"
        % (
            re.escape(char.encode()),
            ord(char),
            b"|\\\\/" if char == "/" else b"",
            ord(char),
            ord(char),
        )
        for char in value
    )
