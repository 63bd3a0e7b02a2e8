"""An estimate in words, and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from batch.estimating.told import Estimated, Money, Part
from batch.wording import agreeing, counted, shown

NAMED: Final = 3  # models that a sentence names
FAR: Final = "too many lines that have ended are before them"


def sentences(estimated: Estimated) -> Iterator[str]:
    """Yield what is about to be spent, and what of it nobody knows: at most four lines."""
    if estimated.lines and not estimated.looked:
        yield f"what {counted(estimated.lines, 'line')} cost nobody has looked at: {FAR}"
        return
    _, named = _models(estimated.parts)
    to = f" to {named}" if named else ""
    some = estimated.looked < estimated.lines
    part = f", by the first {counted(estimated.looked, 'line')}" if some else ""
    yield f"{requests_in_words(estimated)}{to}: {cost_in_words(estimated)}{part}"
    yield from remarks(estimated)


def requests_in_words(estimated: Estimated) -> str:
    """Return how many requests are likely, and at most."""
    span = estimated.requests
    most = f" (at most {span.high:,})" if span.high is not None and span.high > span.likely else ""
    return f"about {counted(span.likely, 'request')}{most}"


def cost_in_words(estimated: Estimated) -> str:
    """Return what it is likely to cost, and at most."""
    cost = estimated.cost
    if cost is None:
        return "what they cost nobody knows" if estimated.unpriced else "they cost nothing"
    likely = f"likely {'at least ' if cost.floor else ''}{amount(cost.likely, cost.likely)}"
    if cost.high is None:
        return f"{likely} {estimated.currency}, without any bound"
    more = " and what has no price" if cost.floor else ""
    return f"{likely}, at most {amount(cost.high, cost.likely)} {estimated.currency}{more}"


def amount(value: Decimal, likely: Decimal) -> str:
    """Return an amount, with as many decimals as tell something of one that is likely."""
    digits = 2 if likely >= 1 else 4 if likely >= Decimal("0.01") else 6
    return f"{value:,.{digits}f}"


def remarks(estimated: Estimated) -> Iterator[str]:
    """Yield of which lines nobody knows the cost, and what to do about it."""
    yield from unbounded(estimated)
    unpriced = [one for one in estimated.parts if one.unpriced and not one.unpriced_tier]
    if unpriced:
        names, named = _models(unpriced)
        what = "no price of all that they use" if unpriced[0].price else "no price"
        yield (
            f"{what} is known of {named}: write one under "
            f'[prices.models."{names[0]}"] in your settings, or in a file for --prices'
        )

    at_tiers = [one for one in estimated.parts if one.unpriced and one.unpriced_tier]
    if at_tiers:
        tiers = dict.fromkeys(one.tier for one in at_tiers)
        factors = ", ".join(f"{tier} = ..." for tier in tiers)
        yield (
            f"no price is known of {_models(at_tiers)[1]} at {', '.join(tiers)}: say how many "
            f"times as much tokens cost there, tiers = {{ {factors} }} under [prices] in your "
            "settings, or in a file for --prices"
        )


def _models(parts: Iterable[Part]) -> tuple[list[str], str]:
    """Return the models of some lines, and how a sentence names them."""
    names = [shown(model, 40) for model in dict.fromkeys(part.model for part in parts)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return names, ", ".join(names[:NAMED]) + more


def unbounded(estimated: Estimated) -> Iterator[str]:
    """Yield which lines have no bound, and how they get one."""
    if estimated.limitless:
        one = max(estimated.parts, key=lambda part: part.limitless)
        sets = agreeing(estimated.limitless, "sets", "set")
        its = agreeing(estimated.limitless, "its", "their")
        example = one.limit.example if one.limit else {}
        name, value = next(iter(example.items()), ("", ""))
        told = msgspec.json.encode(value).decode()
        told = f"'{name}={told}'" if isinstance(value, dict) else f"{name}={told}"
        yield (
            f"{counted(estimated.limitless, 'line')} {sets} no bound on {its} output ({name}): "
            f"give each body one, or rows and prompts --param {told}"
        )
    if beyond := estimated.unbounded - estimated.limitless:
        yield (
            f"{counted(beyond, 'line')} may take any number of tokens: for pictures, sound, film, "
            "or what a tool reads"
        )


def document(estimated: Estimated) -> dict[str, Any]:
    """Return all of it for programs. Amounts are decimal numbers as text, null if unknown."""
    return {
        "lines": estimated.lines,
        "looked_at": estimated.looked,
        "not_sendable": estimated.broken,
        "requests": msgspec.to_builtins(estimated.requests),
        "input_tokens": msgspec.to_builtins(estimated.input),
        "output_tokens": msgspec.to_builtins(estimated.output),
        "currency": estimated.currency,
        "cost": _told(estimated.cost),
        "unbounded_lines": estimated.unbounded,
        "unpriced_lines": estimated.unpriced,
        "models": [_entry(one) for one in estimated.parts],
    }


def _entry(part: Part) -> dict[str, Any]:
    return {
        "model": part.model,
        "endpoint": part.endpoint,
        "tier": part.tier or None,
        "lines": part.lines,
        "requests": msgspec.to_builtins(part.requests),
        "input_tokens": msgspec.to_builtins(part.input),
        "output_tokens": msgspec.to_builtins(part.output),
        "cost": _told(part.cost),
        "price_source": part.price.source if part.price else None,
        "price_as_of": part.price.as_of if part.price else None,
        "unbounded_lines": part.unbounded,
        "unpriced_lines": part.unpriced,
        "learned_from": part.learned,
    }


def _told(cost: Money | None) -> dict[str, Any] | None:
    if cost is None:
        return None
    numbers = {"low": cost.low, "likely": cost.likely, "high": cost.high}
    told = {name: None if n is None else f"{n:.9f}" for name, n in numbers.items()}
    return {**told, "is_floor": cost.floor}
