"""A report in words and figures: the columns, the cells, and what is to be said of the total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from batch.pricing import Cost, Gap, Why
from batch.report.tally import Line, Tally
from batch.usage import Meter, Usage, fields
from batch.wording import agreeing, counted, shown

UNPRICED: Final = "unpriced"
_DASH: Final = "—"
_NAME_WIDTH: Final = 60  # characters of a name that others chose
_PLACES: Final = Decimal("0.000000001")
_WRITES: Final = (Meter.CACHE_WRITE, Meter.CACHE_WRITE_1H)


class Column(msgspec.Struct, frozen=True):
    """A column: its head, its cells, the total's cell last, and how soon it can be missed."""

    head: str
    cells: tuple[str, ...]
    right: bool = True
    keep: int = 0  # the lower, the sooner it goes where there is no room; names and money never


def columns(tally: Tally) -> list[Column]:
    """Return a report's columns for people."""
    lines = [*tally.lines, tally.total]
    names = [
        Column(
            _head(name),
            (*(shown(line.keys[place], _NAME_WIDTH) for line in tally.lines), _total(place)),
            right=False,
            keep=9,
        )
        for place, name in enumerate(tally.by)
    ]
    digits = decimals(tally.total.cost.amount)

    def column(head: str, cells: Sequence[str], keep: int) -> list[Column]:
        useless = not any(cell not in ("", "0", _DASH) for cell in cells)
        return [] if useless and keep < 6 else [Column(head, tuple(cells), keep=keep)]

    def meter(head: str, one: Meter, keep: int) -> list[Column]:
        return column(head, [_count(line.counts.get(one)) for line in lines], keep)

    return [
        *names,
        *column("requests", [f"{line.requests:,}" for line in lines], 7),
        *column("input", [_count(line.read) for line in lines], 6),
        *meter("cached", Meter.CACHED_INPUT, 4),
        *column("cache write", [_count(line.sum(_WRITES)) for line in lines], 1),
        *column("output", [_count(line.written) for line in lines], 6),
        *meter("reasoning", Meter.REASONING, 3),
        *meter("pictures", Meter.IMAGES, 5),
        *column("seconds", [_seconds(line) for line in lines], 5),
        *meter("characters", Meter.CHARACTERS, 5),
        *meter("searches", Meter.SEARCHES, 5),
        *column("in vain", [f"{line.wasted:,}" for line in lines], 2),
        *column(tally.currency, [money(line.cost, digits) for line in lines], 9),
        *column("share", [_percent(tally.share(line)) for line in lines], 3),
    ]


def decimals(total: Decimal) -> int:
    """Return with how many decimals the amounts of a report are written."""
    return 2 if total >= 10 else 4 if total >= Decimal("0.1") else 6


def money(cost: Cost, digits: int) -> str:
    """Return an amount in words: with a sign if it is a floor, and never 0 for what is unknown."""
    if not cost.priced:
        return UNPRICED if cost.gaps else _DASH
    return f"{'≥ ' if cost.gaps else ''}{cost.amount:,.{digits}f}"


def record(line: Line, tally: Tally) -> dict[str, Any]:
    """Return a line for programs. Amounts are decimal numbers as text, null if unknown."""
    known = line.cost.priced
    named: Mapping[str, Any] = fields(Usage(line.counts)) or {}
    return {
        **dict(zip(tally.by, line.keys, strict=False)),
        "num_model_requests": line.requests,
        "num_succeeded": line.answered,
        "num_wasted": line.wasted,
        "num_maybe_billed": line.maybe_billed,
        "num_usage_unknown": line.unreported,
        "input_tokens": named.get("input_tokens"),
        "input_cached_tokens": named.get("input_cached_tokens"),
        "input_cache_write_tokens": named.get("input_cache_write_tokens"),
        "input_cache_write_1h_tokens": named.get("input_cache_write_1h_tokens"),
        "output_tokens": named.get("output_tokens"),
        "output_reasoning_tokens": named.get("output_reasoning_tokens"),
        "images": named.get("images"),
        "seconds": named.get("seconds"),
        "characters": named.get("characters"),
        "searches": named.get("searches"),
        "currency": tally.currency,
        "cost": exact(line.cost.amount) if known else None,
        "list_cost": exact(line.cost.listed) if known else None,
        "cached_savings": exact(line.cost.saved) if known else None,
        "wasted_cost": exact(line.waste.amount) if known else None,
        "is_floor": bool(line.cost.gaps),
    }


def exact(amount: Decimal) -> str:
    """Return an amount to nine places, without zeros at its end."""
    text = f"{amount.quantize(_PLACES):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def span(tally: Tally) -> str:
    """Return from when to when there was anything."""
    if tally.first is None or tally.last is None:
        return ""
    if tally.first == tally.last:
        return tally.first.isoformat()
    return f"{tally.first} to {tally.last}"


def headline(tally: Tally) -> str:
    """Return the total in a sentence."""
    cost = tally.total.cost
    if not cost.priced:
        return "the total is unpriced" if cost.gaps else "nothing was used"
    amount = f"{cost.amount:,.{decimals(cost.amount)}f} {tally.currency}"
    return f"total {'at least ' if cost.gaps else ''}{amount}"


def floors(models: Tally) -> list[str]:
    """Return why a total is a floor; ``models`` is the report by model."""
    return [_gap(gap, line) for line in models.lines for gap in sorted(line.cost.gaps)]


def remarks(models: Tally) -> list[str]:
    """Return what else is to be said of a total; ``models`` is the report by model."""
    total, digits = models.total, decimals(models.total.cost.amount)
    said = []
    if total.cost.saved:
        said.append(f"cached input saved {total.cost.saved:,.{digits}f} {models.currency}")
    if total.wasted:
        cost = money(total.waste, decimals(total.waste.amount))
        of = f"{counted(total.wasted, 'paid attempt')} {agreeing(total.wasted, 'was', 'were')}"
        said.append(f"{of} no line's answer: {cost} {models.currency}, in the total")
    if total.maybe_billed:
        told = counted(total.maybe_billed, "attempt")
        said.append(
            f"{told} broke off unanswered and may be billed: what they cost nobody but the "
            "gateway knows, and it is not in the total"
        )
    if total.cost.listed != total.cost.amount:
        said.append(f"at list prices: {total.cost.listed:,.{digits}f} {models.currency}")
    return said


_SENTENCES: Final[Mapping[Why, str]] = {
    "no_price": "no price is known",
    "no_tier_price": "no price is known of what was served at {detail}: add it to tiers",
    "no_meter_price": "no price is known of its {detail}",
    "no_usage": "the gateway did not say in full what {unreported} used",
    "long_context": "requests above {detail} input tokens cost more, and how many did nobody noted",
    "no_rate": "no rate is known from {detail}: add it to [prices.rates]",
}


def _gap(gap: Gap, line: Line) -> str:
    unreported = f"{line.unreported:,} of {counted(line.requests, 'request')}"
    told = _SENTENCES[gap.why].format(detail=gap.detail, unreported=unreported)
    size = ""
    if gap.why == "no_price":
        size = f" ({counted(line.requests, 'request')}): write one into a file for --prices"
    return f"{shown(gap.model or _DASH, _NAME_WIDTH)}: {told}{size}"


def _head(name: str) -> str:
    return shown(name, _NAME_WIDTH)


def _total(place: int) -> str:
    return "total" if place == 0 else ""


def _count(count: int | None) -> str:
    return _DASH if count is None else f"{count:,}"


def _seconds(line: Line) -> str:
    count = line.counts.get(Meter.MILLISECONDS)
    return _DASH if count is None else f"{count / 1000:,.1f}"


def _percent(share: Decimal | None) -> str:
    return _DASH if share is None else f"{100 * share:.0f} %"
