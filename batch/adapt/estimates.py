"""How many tokens a call takes, learned for each model from what was reported.

A third of the bytes is far off for some languages and for pictures, and how long answers are cannot
be told from a body. So what a format estimates is multiplied by how reports have differed from it,
apart for input and output, and apart for amounts of another size: a picture's bytes say nothing of
text, and answers that may be long say nothing of those that may not.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from batch.usage import INPUT_METERS, OUTPUT_METERS, Usage

Side: TypeAlias = Literal["input", "output"]

SMOOTHING: Final = 1 / 16  # part of each new report, once there are as many; the first one is all
SIZE_BITS: Final = 2  # amounts within a factor of four are of one size
# Models, sides and sizes that are remembered; of more, those that were reported longest ago are
# forgotten. A run asks a few models; what is read from a file may name any number.
MOST: Final = 4096


class Estimates:
    """What reports have taught of each model."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[str, Side, int], _Trend] = {}

    def expected(self, model: str, input_tokens: int, output_tokens: int) -> int:
        """Return the tokens of a call for which a format estimates so many; at least 1.

        It is 0 for what is not counted in tokens: nothing was estimated, and nothing reported.
        """
        expected = 0.0
        for side, estimated in _sides(input_tokens, output_tokens):
            trend = self._known.get((model, side, _size(estimated)))
            expected += estimated if trend is None else trend.at(estimated)
        return max(1, round(expected)) if expected or input_tokens or output_tokens else 0

    def learn(self, model: str, input_tokens: int, output_tokens: int, usage: Usage) -> None:
        """Take note of what a call used for which a format estimated so many tokens.

        Of a side of which nothing is known nothing is learned, nor of an input that took nothing.
        """
        for side, estimated in _sides(input_tokens, output_tokens):
            used = _used(usage, side)
            if used is None or (side == "input" and not used):
                continue
            key = model, side, _size(estimated)
            trend = self._known.pop(key, None) or _Trend()
            self._known[key] = trend  # the last of all
            trend.add(estimated, used)
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]


class Claim:
    """What one call takes of the limits: reckoned when it comes, and again when its turn comes."""

    __slots__ = ("_estimates", "_input", "_model", "_output", "tokens")

    def __init__(self, known: Estimates, model: str, input_tokens: int, output_tokens: int) -> None:
        self._estimates = known
        self._model = model
        self._input = input_tokens
        self._output = output_tokens
        self.tokens = 0  # that are reserved
        self.reckon()

    def reckon(self) -> int:
        """Reserve what is expected by now."""
        self.tokens = self._estimates.expected(self._model, self._input, self._output)
        return self.tokens

    def settle(self, usage: Usage) -> int | None:
        """Learn from what was used, and return how much more that is; None if it is unknown."""
        used = usage.tokens()
        if used is None:
            return None
        self._estimates.learn(self._model, self._input, self._output, usage)
        return used - self.tokens


class _Trend:
    """Reported and estimated tokens, smoothed alike, so that large calls count for more."""

    __slots__ = ("_count", "_estimated", "_reported")

    def __init__(self) -> None:
        self._count = 0
        self._estimated = self._reported = 0.0

    def add(self, estimated: int, reported: int) -> None:
        self._count += 1
        part = max(SMOOTHING, 1 / self._count)
        self._estimated += part * (estimated - self._estimated)
        self._reported += part * (reported - self._reported)

    def at(self, estimated: int) -> float:
        if not self._estimated:
            return self._reported  # where nothing can be estimated, so much is usual
        return estimated * self._reported / self._estimated


def _sides(input_tokens: int, output_tokens: int) -> tuple[tuple[Side, int], ...]:
    return ("input", input_tokens), ("output", output_tokens)


def _used(usage: Usage, side: Side) -> int | None:
    meters = INPUT_METERS if side == "input" else OUTPUT_METERS
    counts = [usage.counts[meter] for meter in meters if meter in usage.counts]
    return sum(counts) if counts else None


def _size(tokens: int) -> int:
    return (tokens.bit_length() + SIZE_BITS - 1) // SIZE_BITS
