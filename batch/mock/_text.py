"""Plausible text out of a prompt and dice, and its size in tokens. No vendor's words."""

from __future__ import annotations

import re
from typing import Final

from batch.mock.chance import Dice

OPENERS: Final = ("Certainly:", "Indeed,", "Briefly:", "Yes,", "Perhaps", "Surely,")
VOCABULARY: Final = (
    *("amber", "basin", "cedar", "delta", "ember", "field", "grove", "harbor", "island", "juniper"),
    *("kettle", "lantern", "meadow", "north", "orchard", "pebble", "quartz", "river", "stone"),
    *("thicket", "umber", "valley", "willow", "yonder", "zephyr"),
)
# Pieces that join to the text again: a space goes with the piece behind it, and scripts that set
# no spaces are cut as well.
_PIECE: Final = re.compile(r"\s*(?:\w{1,12}|[^\w\s]{1,4})|\s+")
# Words longer than this in the mean are not looked for in a prompt.
_LONGEST: Final = 32


def echo(prompt: str, words: int, dice: Dice) -> str:
    """Return so many words: an opener, the first of the prompt's, and made-up ones to fill."""
    said = prompt[: words * _LONGEST].split(maxsplit=words)[:words]
    text = [dice.choice(OPENERS), *said][:words]
    return " ".join(text + _run(words - len(text), dice))


def murmur(words: int, dice: Dice) -> str:
    """Return so many made-up words, each of them one piece."""
    return " ".join(_run(words, dice))


def _run(words: int, dice: Dice) -> list[str]:
    """Return the vocabulary from somewhere on, round and round."""
    start = dice.below(len(VOCABULARY))
    turns = (start + words) // len(VOCABULARY) + 1
    return list((VOCABULARY * turns)[start : start + words])


def pieces(text: str) -> list[str]:
    """Take a text apart into what counts as a token each; joined they are the text again."""
    return _PIECE.findall(text)


def before(text: str, stops: list[str]) -> str:
    """Return the text up to the first of the stops in it."""
    ends = [text.find(stop) for stop in stops if stop]
    return text[: min((end for end in ends if end >= 0), default=len(text))]


def weigh(text: str) -> int:
    """Return the tokens of an input text: a quarter of its bytes, rounded up."""
    size = len(text) if text.isascii() else len(text.encode(errors="replace"))
    return -(-size // 4)
