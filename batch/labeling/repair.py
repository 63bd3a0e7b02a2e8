"""What can be mended in an answer for free, before it is asked for again and paid again.

Each repair has a name, which stands in the record. None of them guesses: where an answer could
mean two things it is left as it is.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Any, Final, NoReturn, TypeAlias

import orjson

# A value, and the names of the repairs that led to it.
Mended: TypeAlias = tuple[Any, tuple[str, ...]]

THINK: Final = "think"  # reasoning before the answer
FENCE: Final = "fence"  # a block of code around it
PROSE: Final = "prose"  # words around one object
BARE: Final = "bare"  # a word where an object was asked for
KEY: Final = "key"  # the object names its one value otherwise
TYPE: Final = "type"  # a number where a text was asked for
WHITESPACE: Final = "whitespace"
QUOTES: Final = "quotes"
PUNCTUATION: Final = "punctuation"
CASE: Final = "case"

NOTHING: Final = object()
_OPENED: Final = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_CLOSED: Final = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_FENCE: Final = "```"
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9_+-]*[ \t]*\r?\n")
_QUOTES: Final = "\"'`*_“”‘’«»„‚「」『』《》"  # noqa: RUF001 - quotation marks of several languages
_PUNCTUATION: Final = ".,;:!?。，；：！？"  # noqa: RUF001 - the same of full width
_SPACES: Final = re.compile(r"[\s_-]+")
_TRIES: Final = 32  # braces that are tried as the beginning of an object
_LAYERS: Final = 3  # of quotation marks and punctuation around a word


def unwrapped(text: str) -> tuple[str, tuple[str, ...]]:
    """Take away reasoning before an answer, and the one block of code around it."""
    done: list[str] = []
    bare = _without_thoughts(text)
    if bare != text:
        done.append(THINK)
    text = bare.strip()
    parts = text.split(_FENCE)
    # Two marks, or one that was never closed.
    if len(parts) == 3 or (len(parts) == 2 and not parts[0]):
        inside = parts[1]
        language = _LANGUAGE.match(inside)
        text = inside[language.end() if language else 0 :].strip()
        done.append(FENCE)
    return text, tuple(done)


def parsed(text: str) -> Mended:
    """Return the JSON that a text is, or the one object in it; else ``NOTHING``."""
    whole = _loaded(text)
    if whole is not NOTHING:
        return whole, ()
    objects = _objects(text)
    return (objects[0], (PROSE,)) if len(objects) == 1 else (NOTHING, ())


def unwritable(value: Any) -> str:
    """Return why a value cannot stand in a record, in words that a model understands; "" if it can.

    Models write numbers of any length, half a character, and brackets without end.
    """
    try:
        orjson.dumps([[[[[[[[value]]]]]]]])  # as deep as in a record, or deeper
    except orjson.JSONEncodeError as error:
        return str(error)
    return ""


def spelled(said: str, labels: tuple[str, ...]) -> Mended:
    """Return the label that a word means, or ``NOTHING``."""
    if said in labels:
        return said, ()
    done: list[str] = []
    word = said.strip()
    if word != said:
        done.append(WHITESPACE)
    for _ in range(_LAYERS):
        if word in labels:
            break
        for name, signs in ((QUOTES, _QUOTES), (PUNCTUATION, _PUNCTUATION)):
            less = word.strip(signs) if name == QUOTES else word.rstrip(signs)
            if less != word:
                word = less.strip()
                done.append(name)
    if word in labels:
        return word, tuple(dict.fromkeys(done))
    meant = [label for label in labels if folded(label) == folded(word)]
    if len(meant) != 1:
        return NOTHING, ()
    return meant[0], tuple(dict.fromkeys([*done, CASE]))


def folded(text: str) -> str:
    """Return a text without what does not tell words apart: case, width, kinds of space."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _without_thoughts(text: str) -> str:
    ends = [found.end() for found in _CLOSED.finditer(text)]
    if ends:
        return text[ends[-1] :]
    opened = _OPENED.search(text)  # cut while it was still thinking
    return text[: opened.start()] if opened else text


def _loaded(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return NOTHING


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the objects that stand in a text, one after the other."""
    found: list[dict[str, Any]] = []
    at = text.find("{")
    for _ in range(_TRIES):
        if at < 0:
            break
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found.append(value)
        at = text.find("{", end)
    return found if at < 0 else []


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _number(said: str) -> float:
    """Return a number with a fraction or an exponent, which may be more than there is room for."""
    number = float(said)
    if math.isinf(number):
        _no_number(said)
    return number


_DECODER: Final = json.JSONDecoder(parse_constant=_no_number, parse_float=_number)
