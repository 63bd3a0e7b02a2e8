"""Which of several choices an answer takes, and how answers look that obey no schema.

A choice follows the text that is asked about: by words that please or displease where the choices
are of that kind, else by the text itself. One in so many is another, so that votes differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final
from zlib import crc32

from batch.mock.chance import Dice

_OTHERWISE: Final = 0.12  # share of the choices that do not follow the text
_WORD: Final = re.compile(r"[a-z]+")
_GOOD: Final = frozenset(
    {
        *("amazing", "awesome", "beautiful", "best", "brilliant", "comfortable", "delicious"),
        *("delighted", "easy", "excellent", "fast", "fantastic", "favorite", "fun", "glad"),
        *("good", "great", "happy", "helpful", "impressed", "love", "loved", "lovely", "nice"),
        *("perfect", "pleased", "recommend", "reliable", "solid", "superb", "sturdy", "thanks"),
        *("well", "wonderful", "worth", "again", "better", "clean", "dry", "fine", "quick"),
        *("right", "thick", "warm"),
    }
)
_BAD: Final = frozenset(
    {
        *("annoying", "awful", "bad", "boring", "broke", "broken", "cheap", "complaint", "cracked"),
        *("damaged", "defective", "difficult", "disappointed", "disappointing", "dirty", "fails"),
        *("failed", "hate", "horrible", "late", "leaks", "missing", "never", "noisy", "poor"),
        *("refund", "return", "returned", "rude", "slow", "terrible", "ugly", "unusable"),
        *("useless", "waste", "worse", "worst", "wrong", "catches", "heavy", "hums", "hurt"),
        *("loud", "nobody", "otherwise", "scratched", "sent", "silent", "small"),
        *("soaked", "stopped", "takes"),
    }
)
# The same of texts that set no spaces.
_GOOD_SIGNS: Final = ("不错", "满意", "喜欢", "推荐", "舒服", "很好", "精彩", "值得", "干净")
_BAD_SIGNS: Final = ("不好", "失望", "太差", "很差", "垃圾", "糟", "脏", "吵", "不值", "后悔")
# What choices are called, from what displeases to what pleases.
_BELOW: Final = ("negative", "neg", "bad", "unhappy", "complaint")
_ABOVE: Final = ("positive", "pos", "good", "happy", "praise")
_BETWEEN: Final = ("neutral", "mixed", "other", "unclear", "cannot_tell")


def choose(choices: Sequence[Any], text: str, dice: Dice) -> Any:
    """Return one of several choices."""
    if not text or dice.share() < _OTHERWISE:
        return dice.choice(choices)
    ordered = sorted(
        choices, key=str
    )  # so that the order in which they are named counts for nothing
    names = {str(one).casefold(): one for one in ordered}
    below, above = _first(names, _BELOW), _first(names, _ABOVE)
    if below is None or above is None:
        return ordered[crc32(text.encode(errors="replace")) % len(ordered)]
    lean = _lean(text)
    between = _first(names, _BETWEEN)
    if lean == 0:
        return between if between is not None else above
    return above if lean > 0 else below


def spoiled(answer: str, dice: Dice) -> str:
    """Return an answer as a model writes it that heeds no schema; some can be mended, not all."""
    return dice.choice(_SPOILERS)(answer)


def _lean(text: str) -> int:
    """Return by how many words a text is pleased, or else displeased, below 0.

    Only its last line counts: before it stands what to do with it, and what the choices mean.
    """
    text = text.rstrip().rpartition("\n")[2]
    words = set(_WORD.findall(text.casefold()))
    lean = len(words & _GOOD) - len(words & _BAD)
    if not text.isascii():
        lean += sum(sign in text for sign in _GOOD_SIGNS)
        lean -= sum(sign in text for sign in _BAD_SIGNS)
    return lean


def _first(names: dict[str, Any], wanted: Sequence[str]) -> Any:
    return next((names[name] for name in wanted if name in names), None)


def _unknown(answer: str) -> str:
    """Put another word in the place of the last text."""
    return re.sub(r'"[^"]*"(?=[^"]*$)', '"hard to say"', answer)


_SPOILERS: Final[tuple[Callable[[str], str], ...]] = (
    lambda answer: f"```json\n{answer}\n```",
    lambda answer: f"Sure! Here is my answer: {answer} I hope it helps.",
    lambda answer: f"<think>What would fit here?</think>\n\n{answer}",
    lambda answer: re.sub(r'"([^"]*)"(?=[^"]*$)', lambda last: last[0].upper(), answer),
    lambda answer: (re.findall(r'"([^"]*)"', answer) or [answer])[-1] + ".",
    _unknown,
    lambda answer: "I am not able to decide that.",
)
