"""A report as a page: one file with all in it, which asks nobody for anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any, Final, TypeAlias

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from batch.report.charts import COLORS, stacked
from batch.report.periods import week_of
from batch.report.tally import Line, Tally
from batch.report.view import columns, decimals, floors, money, remarks, span
from batch.usage import INPUT_METERS, Meter
from batch.wording import counted, large, shown

OTHERS: Final = "others"
_NAME: Final = 60  # characters
_ROWS: Final = 500  # of the table; a page is to be looked at
# What tokens are, as they are drawn: the meters that each kind has.
_Kind: TypeAlias = tuple[str, tuple[Meter, ...]]
_KINDS: Final[tuple[_Kind, ...]] = (
    ("input, uncached", tuple(one for one in INPUT_METERS if one is not Meter.CACHED_INPUT)),
    ("input, cached", (Meter.CACHED_INPUT,)),
    ("output", (Meter.OUTPUT, Meter.OUTPUT_AUDIO, Meter.OUTPUT_IMAGE)),
    ("reasoning", (Meter.REASONING,)),
)


class Tile(msgspec.Struct, frozen=True):
    """A figure that stands large."""

    name: str
    value: str
    note: str = ""


class Mix(msgspec.Struct, frozen=True):
    """A model's part of the whole, in percent."""

    color: int | None
    model: str
    cost: str
    of_cost: float
    of_requests: float
    requests: str
    source: str


def as_page(report: Tally, times: Tally, models: Tally, read: str, written: datetime) -> str:
    """Return the page. ``times`` is the report by ``grain`` and model, ``models`` that by model."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        files("batch.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    labels = _labels(times)
    ranked = [line.keys[0] for line in models.lines if line.cost.priced]
    drawn = ranked[: COLORS - 1] if len(ranked) > COLORS else ranked
    table = columns(report)
    return template.render(
        currency=models.currency,
        span=span(models) or "no usage",
        read=read,
        written=f"{written:%Y-%m-%d %H:%M}",
        tiles=_tiles(models),
        grain=times.by[0],
        costs=_costs(times, labels, drawn),
        legend=[*(shown(one, _NAME) for one in drawn), *([OTHERS] if drawn != ranked else [])],
        mixes=[_mix(line, models, drawn) for line in models.lines],
        tokens=_tokens(times, labels, _used(models)),
        kinds=[name for name, _ in _used(models)],
        wasted=[line for line in models.lines if line.wasted or line.maybe_billed],
        waste=lambda line: money(line.waste, decimals(models.total.waste.amount)),
        floors=floors(models),
        remarks=remarks(models),
        heads=table,
        rows=list(zip(*(one.cells[:-1] for one in table), strict=True))[:_ROWS],
        left_out=max(0, len(report.lines) - _ROWS),
        totals=[one.cells[-1] for one in table],
        name=lambda text: shown(text, _NAME),
    )


def _labels(times: Tally) -> list[str]:
    """Return all days, weeks or months from the first to the last, empty ones too."""
    if times.first is None or times.last is None:
        return []
    looks: dict[str, Callable[[date], str]] = {
        "day": date.isoformat,
        "week": week_of,
        "month": "{:%Y-%m}".format,
    }
    days = (times.last - times.first).days
    every = (times.first + timedelta(days=number) for number in range(days + 1))
    return list(dict.fromkeys(looks[times.by[0]](day) for day in every))


def _costs(times: Tally, labels: Sequence[str], drawn: Sequence[str]) -> Markup | None:
    amounts: dict[str, dict[str, Decimal]] = {name: {} for name in (*drawn, OTHERS)}
    for line in times.lines:
        if line.cost.priced:
            time, model = line.keys
            at = amounts[model if model in drawn else OTHERS]
            at[time] = at.get(time, Decimal(0)) + line.cost.amount
    series = {
        shown(name, _NAME): [float(at.get(label, 0)) for label in labels]
        for name, at in amounts.items()
        if at
    }
    return _drawn(labels, series, lambda value: f"{value:,.4g}")


def _used(models: Tally) -> list[_Kind]:
    """Return the kinds of tokens that there are any of."""
    return [kind for kind in _KINDS if any(models.total.counts.get(one) for one in kind[1])]


def _tokens(times: Tally, labels: Sequence[str], kinds: Sequence[_Kind]) -> Markup | None:
    counts = {name: dict.fromkeys(labels, 0) for name, _ in kinds}
    for line in times.lines:
        for name, meters in kinds:
            counts[name][line.keys[0]] += sum(line.counts.get(one, 0) for one in meters)
    return _drawn(labels, {name: [*at.values()] for name, at in counts.items()}, _whole)


def _whole(count: float) -> str:
    return large(round(count))


def _drawn(labels: Sequence[str], series: Any, told: Callable[[float], str]) -> Markup | None:
    # Written by an XML library, which has escaped all names.
    return Markup(stacked(labels, series, told)) if series else None  # noqa: S704


def _tiles(models: Tally) -> list[Tile]:
    total = models.total
    read, written = total.read, total.written
    cached = total.counts.get(Meter.CACHED_INPUT, 0)
    digits = decimals(total.cost.amount)
    floor = "a floor: see below" if total.cost.gaps else ""
    tiles = [
        Tile(f"total, {models.currency}", money(total.cost, digits), floor),
        Tile("requests", f"{total.requests:,}", f"{counted(total.answered, 'line')} answered"),
        Tile("tokens in", large(read or 0), f"{_share(cached, read)} cached"),
        Tile("tokens out", large(written or 0)),
    ]
    if total.cost.saved:
        tiles.append(Tile("saved by caching", _amount(total.cost.saved, models)))
    if total.wasted:
        note = f"{counted(total.wasted, 'paid attempt')} without an answer"
        tiles.append(Tile("spent in vain", money(total.waste, decimals(total.waste.amount)), note))
    return tiles


def _mix(line: Line, models: Tally, drawn: Sequence[str]) -> Mix:
    model, total = line.keys[0], models.total
    of_cost = models.share(line) or Decimal(0)
    return Mix(
        color=drawn.index(model) if model in drawn else len(drawn) if line.cost.priced else None,
        model=shown(model, _NAME),
        cost=money(line.cost, decimals(total.cost.amount)),
        of_cost=round(100 * float(of_cost), 1),
        of_requests=round(100 * line.requests / total.requests, 1) if total.requests else 0.0,
        requests=f"{line.requests:,}",
        source=shown(models.sources.get(model, ""), _NAME),
    )


def _amount(amount: Decimal, models: Tally) -> str:
    return f"{amount:,.{decimals(models.total.cost.amount)}f}"


def _share(part: int, whole: int | None) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "none"
