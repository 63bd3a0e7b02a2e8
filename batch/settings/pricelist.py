"""Where prices come from: files, settings, and the list of ``genai-prices``, which is offline.

What a price file holds is the section ``[prices]`` of the settings, checked like them. A file is
read by itself, so that its currency and its date are those of its own prices.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import msgspec

from batch.errors import BadConfig
from batch.pricing import BASE, ONE, ZERO, Price, PriceBook, Rate
from batch.settings.apart import Apart
from batch.settings.checker import Scope
from batch.settings.config import read_file
from batch.settings.tree import ModelPrice, PriceFile, PriceSettings, UserSettings
from batch.usage import Meter

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

PRICES: Final = Scope(PriceFile, "has no place in a price file, which holds [prices] only")
_LIST: Final = "genai_prices"
_SIGNS: Final = frozenset("*?[")
_MILLION: Final = Decimal(1_000_000)
_THOUSAND: Final = Decimal(1000)
_SECOND: Final = Decimal(1000)  # milliseconds
# Meter → its setting, and how many units of the meter that is a price of.
_SETTINGS: Final[Mapping[Meter, tuple[str, Decimal]]] = {
    Meter.INPUT: ("input_per_mtok", _MILLION),
    Meter.CACHED_INPUT: ("cached_input_per_mtok", _MILLION),
    Meter.CACHE_WRITE: ("cache_write_per_mtok", _MILLION),
    Meter.CACHE_WRITE_1H: ("cache_write_1h_per_mtok", _MILLION),
    Meter.INPUT_AUDIO: ("input_audio_per_mtok", _MILLION),
    Meter.INPUT_IMAGE: ("input_image_per_mtok", _MILLION),
    Meter.OUTPUT: ("output_per_mtok", _MILLION),
    Meter.REASONING: ("reasoning_per_mtok", _MILLION),
    Meter.OUTPUT_AUDIO: ("output_audio_per_mtok", _MILLION),
    Meter.OUTPUT_IMAGE: ("output_image_per_mtok", _MILLION),
    Meter.IMAGES: ("per_image", ONE),
    Meter.MILLISECONDS: ("per_second", _SECOND),
    Meter.CHARACTERS: ("per_million_characters", _MILLION),
    Meter.SEARCHES: ("per_thousand_searches", _THOUSAND),
}
# The same for the list, the first name that has a price. It prices a kind of tokens of which it
# says nothing like plain ones.
_LISTED: Final[Mapping[Meter, tuple[tuple[str, ...], Decimal]]] = {
    Meter.INPUT: (("input_mtok",), _MILLION),
    Meter.CACHED_INPUT: (("cache_read_mtok", "input_mtok"), _MILLION),
    Meter.CACHE_WRITE: (("cache_write_mtok", "cache_write_5m_mtok", "input_mtok"), _MILLION),
    Meter.CACHE_WRITE_1H: (("cache_write_1h_mtok",), _MILLION),
    Meter.INPUT_AUDIO: (("input_audio_mtok", "input_mtok"), _MILLION),
    Meter.INPUT_IMAGE: (("input_image_mtok", "input_mtok"), _MILLION),
    Meter.OUTPUT: (("output_mtok",), _MILLION),
    Meter.REASONING: (("output_reasoning_mtok", "output_mtok"), _MILLION),
    Meter.OUTPUT_AUDIO: (("output_audio_mtok", "output_mtok"), _MILLION),
    Meter.OUTPUT_IMAGE: (("output_image_mtok", "output_mtok"), _MILLION),
    Meter.MILLISECONDS: (
        ("audio_hours", "input_audio_hours", "output_audio_hours"),
        3600 * _SECOND,
    ),
    Meter.CHARACTERS: (("input_mchars",), _MILLION),
    Meter.SEARCHES: (("web_searches_kcount",), _THOUSAND),
}
# Who made a model sells it at its list price; others who host it come after, and not here.
_MAKERS: Final = (
    *("openai", "anthropic", "google", "deepseek", "mistral", "x-ai", "moonshotai", "zai"),
    *("zhipuai", "minimax", "cohere", "voyageai", "perplexity"),
)


def read_prices(path: str) -> PriceSettings:
    """Return what a price file says. Raises ``BadConfig`` with its line."""
    tree = read_file(path, PRICES, required=True)
    if not tree:
        raise BadConfig(
            f'{path}: no [prices] stand there. Write [prices.models."NAME"] and below it '
            "input_per_mtok = 1.0"
        )
    prices: PriceSettings = msgspec.convert(tree, PriceFile).prices
    if prices.files:
        raise BadConfig(f"{path}: prices.files has no place in a price file. Name each by --prices")
    return prices


def price_book_of(
    settings: UserSettings, currency: str | None = None, *, apart: bool = False
) -> PriceBook:
    """Return all prices that settings know, those of the files that they name before the others.

    ``apart``: list prices are looked up by another process, for one that must stay small.
    Raises ``BadConfig`` for a file, with its line.
    """
    named = settings.prices
    files = [(os.path.basename(path), read_prices(path)) for path in named.files]
    return price_book(files, named, currency, apart=apart)


def price_book(
    files: Iterable[tuple[str, PriceSettings]],
    settings: PriceSettings,
    currency: str | None,
    *,
    apart: bool = False,
) -> PriceBook:
    """Return all prices: of files by name, the first before the others, then of the settings."""
    layers = [*files, ("settings", settings)]
    by_tier: dict[str, Decimal] = {}
    for _, layer in reversed(layers):
        by_tier.update({tier: exact(times) for tier, times in layer.tiers.items()})
    own = [
        (pattern, _own(price, layer, name, by_tier))
        for name, layer in layers
        for pattern, price in sorted(layer.models.items(), key=_is_pattern)
    ]
    per_base: dict[str, Decimal] = {}
    for _, layer in reversed(layers):
        per_base.update({name: exact(rate) for name, rate in layer.rates.items()})
    chosen = currency or next((layer.currency for _, layer in layers if layer.currency), BASE)
    factor = next((layer.multiplier for _, layer in layers if layer.multiplier is not None), 1.0)
    wanted = all(layer.listed for _, layer in layers)
    found = listed(exact(factor)) if wanted else None
    if found is not None and apart:
        found = Apart(exact(factor), found)
    if found is not None and by_tier:
        found = _at_tiers(found, by_tier)
    return PriceBook(tuple(own), found, chosen.upper(), per_base)


def unlisted(settings: PriceSettings) -> str:
    """Return how to get the list prices that are wanted and not installed; "" if that is not so."""
    if not settings.listed or find_spec(_LIST) is not None:
        return ""
    return "list prices come with another package: pip install 'wenwen-batch[report]'"


def exact(number: float) -> Decimal:
    """Return a number as it was written: 0.15, not the binary fraction that is nearest to it."""
    return Decimal(repr(number))


def _is_pattern(entry: tuple[str, ModelPrice]) -> bool:
    """Return whether an entry is for several models: names go before patterns."""
    return not _SIGNS.isdisjoint(entry[0])


def _own(
    price: ModelPrice, layer: PriceSettings, name: str, by_tier: Mapping[str, Decimal]
) -> Price:
    rates = {}
    for meter, (setting, units) in _SETTINGS.items():
        amount = getattr(price, setting)
        if amount is not None:
            rates[meter] = Rate(exact(amount) / units)
    return Price(
        rates,
        source=price.source or layer.source or name,
        as_of=price.as_of or layer.as_of,
        per_request=exact(price.per_request) if price.per_request is not None else ZERO,
        currency=(price.currency or layer.currency or BASE).upper(),
        by_tier={**by_tier, **{tier: exact(times) for tier, times in price.tiers.items()}},
    )


def _at_tiers(
    look: Callable[[str, float], Price | None], by_tier: Mapping[str, Decimal]
) -> Callable[[str, float], Price | None]:
    """Return a list whose prices know what tiers cost, each price the same object as before."""
    known: dict[int, tuple[Price, Price]] = {}

    def price(model: str, at: float) -> Price | None:
        found = look(model, at)
        if found is None:
            return None
        if id(found) not in known:
            known[id(found)] = found, msgspec.structs.replace(found, by_tier=by_tier)
        return known[id(found)][1]

    return price


@cache
def listed(multiplier: Decimal) -> Callable[[str, float], Price | None] | None:
    """Return the list of genai-prices, if it is installed. It never looks for newer prices."""
    if find_spec(_LIST) is None:
        return None

    @cache
    def makers() -> dict[str, Provider]:
        # Loaded when it is first asked: who has own prices for all does without these 0.3 s.
        from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - of the extra `report`

        return {one.id: one for one in get_snapshot().providers}

    @cache
    def entry(model: str) -> tuple[str, ModelInfo] | None:
        known = makers()
        for maker in _MAKERS:
            found = known[maker].find_model(model) if maker in known else None
            if found is not None:
                return maker, found
        return None

    known: dict[int, tuple[Any, Price | None]] = {}  # by what the list holds, which is few things

    def price(model: str, at: float) -> Price | None:
        found = entry(model)
        if found is None:
            return None
        told = found[1].get_prices(datetime.fromtimestamp(at, UTC))
        if id(told) not in known:
            known[id(told)] = told, _listed(told, found[0], multiplier)
        return known[id(told)][1]

    return price


def _listed(told: Any, maker: str, multiplier: Decimal) -> Price | None:
    rates = {
        meter: rate
        for meter, (names, units) in _LISTED.items()
        if (rate := _rate(told, names, units))
    }
    per_request = getattr(told, "requests_kcount", None) or ZERO
    if not rates and not per_request:
        return None
    return Price(
        rates,
        source=f"genai-prices {version(_LIST)}, {maker}",
        per_request=per_request / 1000,
        multiplier=multiplier,
    )


def _rate(told: Any, names: Iterable[str], units: Decimal) -> Rate | None:
    for name in names:
        value = getattr(told, name, None)
        if isinstance(value, Decimal):
            return Rate(value / units)
        if value is not None:
            tiers = tuple((tier.start, tier.price / units) for tier in value.tiers)
            return Rate(value.base / units, tiers)
    return None
