"""What a user can set, as one frozen tree.

A name here is the flag's name, the environment's (``WBATCH_`` before it) and a file's key. Rooms
own settings of their own: ``shares.py`` turns this tree into theirs. A key's value is never in the
tree, only the place where it is: ``settings/keyring.py`` reads it there.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
import orjson
from msgspec import inspect
from msgspec.structs import fields

from batch.allowed import allowed, kind_at
from batch.deadline import CLOCKS, SPANS, clock_time, seconds_of
from batch.errors import BadConfig
from batch.gate.settings import CONCURRENCY, INFLIGHT_BYTES
from batch.inputs.settings import MAX_LINE_BYTES
from batch.labeling.votes import Tie
from batch.nightly.days import MOST as MOST_DAYS
from batch.nightly.state import OnFailed, WhenMissing
from batch.records import Makes
from batch.retry import RetryPolicy
from batch.transport import TransportSettings
from batch.transport.address import normalise_base_url
from batch.transport.proxy import read_proxy
from batch.usage import TIERS
from batch.wording import is_text

Count = Annotated[int, msgspec.Meta(ge=1)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e9)]  # of money, or of one currency in another
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
# In a file, relative to the folder of that file; ~ is the home.
Place = Annotated[str, msgspec.Meta(extra={"place": True})]

# Prefixes that vendors give to keys, a JWT, or a long word in which letters and digits mix.
_KEY_LOOK = re.compile(
    r"(?i:bearer\s|(sk|ak|pk|rk)-)|eyJ\w|(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}$"
)
# A room's own defaults are the defaults here, so that each stands in one place.
_TRANSPORT: Final = {one.name: one.default for one in fields(TransportSettings)}
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_ADDRESS = re.compile(r"https?://[^/?#\s]+[^\s]*$")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A number of bytes, perhaps with a unit.
_SIZE = re.compile(r"(\d+) ?([A-Za-z]*)", re.ASCII)
_UNITS: Final[Mapping[str, int]] = dict(
    zip(
        ("", "b", "kb", "mb", "gb", "kib", "mib", "gib"),
        (1, 1, 10**3, 10**6, 10**9, 1 << 10, 1 << 20, 1 << 30),
        strict=True,
    )
)
_FILES: Final = (("inputs",), ("output",))  # a run has more to say of their names
_SIZES: Final = "a number of bytes, or one of kB, MB, GB, KiB, MiB or GiB, such as 256MiB"

S = TypeVar("S", bound="UserSettings")


class BadSetting(BadConfig):
    """One setting is wrong: ``path`` is its place in the tree, ``what`` says what is wrong."""

    def __init__(self, path: tuple[str, ...], what: str) -> None:
        super().__init__(f"{'.'.join(path)}: {what}" if path else what)
        self.path = path
        self.what = what


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A section of the tree. Raises ``ValueError``, naming the setting, for what cannot be."""


class Pace(_Section, frozen=True, kw_only=True):
    """How fast to ask at most. None: no limit of ours, the run finds the gateway's."""

    concurrency: Count | None = None  # calls at once
    rpm: Count | None = None  # requests a minute
    tpm: Count | None = None  # tokens a minute
    # How many of these may come at once, where the gateway's owner says so.
    rpm_bucket: Count | None = None
    tpm_bucket: Count | None = None


class KeySetting(Pace, frozen=True, kw_only=True):
    """Where the key for some models is, in a variable or in a file, and its own limits."""

    match: str  # pattern of models, such as claude-*
    env: str | None = None
    file: Place | None = None
    name: str | None = None  # as records and messages call it

    def __post_init__(self) -> None:
        place = self.env or self.file
        if not self.match or not place or (self.env and self.file):
            raise ValueError("a key needs a pattern of models, and either env or file")
        if looks_like_a_key(place) or looks_like_a_key(self.match):
            raise ValueError("this looks like a key itself; name the variable or file it is in")
        if self.env and not _VARIABLE.fullmatch(self.env):
            raise ValueError("env takes the name of a variable: letters, digits and _")

    @property
    def label(self) -> str:
        """Return the name of the key: the given one, else the variable's or the file's."""
        return self.name or self.env or os.path.basename(self.file or "")

    @property
    def where(self) -> str:
        """Return in words where the key is."""
        return f"key file {self.file}" if self.file else f"environment variable {self.env}"


class RequestSettings(_Section, frozen=True, kw_only=True):
    """What becomes of a line's body. Part of the run's identity."""

    model: str | None = None  # for bodies without one
    override_model: str | None = None  # for every body
    endpoint: str | None = None
    add_usage: bool = True  # a streamed request asks for its usage
    pack: Count = 1  # lines that one request asks, where the endpoint takes several
    prompt: Place | None = None  # template: what to ask of each row of data
    system: Place | None = None  # template: the system text of rows, and of prompts without one
    params: dict[str, Any] = {}  # fields of the bodies that are made of rows and prompts
    encoding: str | None = None  # of the inputs, if not UTF-8
    id_column: str | None = None  # where rows have their ids, if not under custom_id or id

    def __post_init__(self) -> None:
        if self.endpoint is not None and not self.endpoint.startswith("/"):
            raise ValueError("endpoint is a path, such as /v1/chat/completions")
        # A name may be a long word. Keys of the gateway begin like this, and no model does.
        if any((name or "").startswith("sk-") for name in (self.model, self.override_model)):
            raise ValueError("what should be a model's name is a key; --key says where keys are")
        if not _can_be_sent(self.params):
            raise ValueError(
                "what --param says, or params in a job, no request can hold: a number of more "
                "than 64 bits, one that is not a number or has no end, or lists that are nested "
                "too deeply"
            )


def _can_be_sent(params: Mapping[str, Any]) -> bool:
    try:
        json.dumps(params, allow_nan=False, default=str)  # the other would write null
        orjson.dumps(params)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


class LabelSettings(_Section, frozen=True, kw_only=True):
    """What an answer may be, and how often it is asked for. Part of the run's identity."""

    labels: tuple[str, ...] = ()  # one of these
    schema: Place | None = None  # or what fits the JSON Schema in this file
    field: str | None = None  # where the label stands in the answer; of a schema: what is compared
    votes: Annotated[int, msgspec.Meta(ge=1, le=99)] = 1  # for each line
    retries: Annotated[int, msgspec.Meta(ge=0, le=99)] = 2  # paid, for each line in all
    tie: Tie = "first"

    def __post_init__(self) -> None:
        if self.labels and self.schema:
            raise ValueError("give either labels or a schema")
        said = self.field or self.votes > 1 or self.tie != "first"
        if said and not self.wanted:
            raise ValueError("votes, field and tie are for labels: give labels or a schema too")

    @property
    def wanted(self) -> bool:
        """Return whether lines are to be labeled."""
        return bool(self.labels or self.schema)


class MediaSettings(_Section, frozen=True, kw_only=True):
    """Files in and out. Not part of the identity: it changes what is kept, not what is asked."""

    # Pattern of models → what their calls make, before what their names tell.
    makes: dict[str, Makes] = {}
    allow_files: Place | None = None  # folder that local files of lines may come from
    inline_media: bool = False  # media stays in the bodies of answers

    def __post_init__(self) -> None:
        if self.allow_files is not None and not os.path.isdir(self.allow_files):
            raise ValueError("allow_files is a folder that exists")


class GatewaySettings(_Section, frozen=True, kw_only=True):
    """Where the gateway is, how to reach it, and how long to wait for it."""

    base_url: str | None = None
    env_file: Place | None = None  # variables beside the environment's, keys among them
    proxy: str | None = None  # its address; "none" or "": none. Unset: as the environment says
    ca_bundle: Place | None = None
    allow_http: bool = False
    timeout: Seconds = _TRANSPORT["total_seconds"]  # a text answer, to its last byte
    connect_timeout: Seconds = _TRANSPORT["connect_seconds"]
    idle_timeout: Seconds = _TRANSPORT["idle_seconds"]  # without a byte, once it has begun
    media_timeout: Seconds = _TRANSPORT["media_seconds"]  # images, audio, video
    task_timeout: Seconds = RetryPolicy().task_timeout  # until a task has ended

    def __post_init__(self) -> None:
        if self.base_url is not None and not self.base_url.strip():
            raise ValueError("base_url is empty: write the address of the gateway, or leave it out")
        if self.base_url is not None and "${" not in self.base_url:
            _require_address(self.base_url)
        named = self.proxy is not None and self.proxy.strip().lower() not in ("", "none")
        if named and "${" not in str(self.proxy):
            fault = read_proxy(self.proxy or "", "proxy").fault
            if fault:
                raise ValueError(f"proxy {fault}")


def _require_address(base_url: str) -> None:
    try:
        normalise_base_url(base_url, allow_http=True)  # whether it is, may be said elsewhere
    except BadConfig as wrong:
        raise ValueError(f"base_url: {wrong}") from None


class Limits(Pace, frozen=True, kw_only=True):
    """The limits of the account, and of each line."""

    max_attempts: Count = RetryPolicy().attempts  # for one line
    max_line_bytes: Count = MAX_LINE_BYTES
    max_inflight_bytes: int | str = (
        INFLIGHT_BYTES  # of what is in flight: 268435456, "256MiB", "64MB"
    )

    def __post_init__(self) -> None:
        if self.inflight_bytes < 1:
            raise ValueError(f"max_inflight_bytes takes {_SIZES}")

    @property
    def inflight_bytes(self) -> int:
        """Return how many bytes may be in flight; 0 for what is no size."""
        found = _SIZE.fullmatch(str(self.max_inflight_bytes).strip())
        return int(found[1]) * _UNITS.get(found[2].lower(), 0) if found else 0

    @property
    def at_most(self) -> int:
        """Return the most calls at once."""
        return self.concurrency or CONCURRENCY


def is_currency(name: str) -> bool:
    """Return whether a text is the code of a currency."""
    return _CURRENCY.fullmatch(name) is not None


def _require_currency(name: str | None) -> None:
    if name is not None and not is_currency(name):
        raise ValueError("a currency has a code of three letters, such as USD")


def _require_tiers(named: Mapping[str, float]) -> None:
    for name in named:
        if name not in TIERS:
            raise ValueError(f"{name} is no tier; they are {', '.join(TIERS)}")


class BudgetSettings(_Section, frozen=True, kw_only=True):
    """What a run may cost, send and last at most: it then stops, and can be carried on with."""

    max_cost: Amount | None = None  # of the whole run, in the currency of the prices
    max_requests: Annotated[int, msgspec.Meta(ge=1)] | None = None  # of this command
    max_duration: Annotated[float, msgspec.Meta(gt=0)] | str | None = None  # of it: seconds, "2h"
    finish_by: str | None = None  # 06:00, or 2026-11-28T06:00
    confirm_above: Amount = 5.0  # on a terminal, ask before more than this may be spent

    def __post_init__(self) -> None:
        if isinstance(self.max_duration, str) and seconds_of(self.max_duration) is None:
            raise ValueError(f"max_duration is {SPANS}")
        if self.finish_by is not None and clock_time(self.finish_by) is None:
            raise ValueError(f"finish_by is {CLOCKS}")


class ModelPrice(_Section, frozen=True, kw_only=True):
    """What a model costs. A unit that is left out has no price, except where another stands for it.

    Cached input and cache writes cost what input costs, reasoning what output costs, unless said.
    """

    input_per_mtok: Amount | None = None  # a million tokens; so all of these
    cached_input_per_mtok: Amount | None = None
    cache_write_per_mtok: Amount | None = None
    cache_write_1h_per_mtok: Amount | None = None  # kept for an hour; no other stands for it
    input_audio_per_mtok: Amount | None = None
    input_image_per_mtok: Amount | None = None
    output_per_mtok: Amount | None = None
    reasoning_per_mtok: Amount | None = None
    output_audio_per_mtok: Amount | None = None
    output_image_per_mtok: Amount | None = None
    per_image: Amount | None = None
    per_second: Amount | None = None  # of sound or film
    per_million_characters: Amount | None = None  # of text to speak
    per_thousand_searches: Amount | None = None  # of the web, beside the tokens
    per_request: Amount | None = None  # whatever it takes
    tiers: dict[str, Amount] = {}  # flex, priority, ... → so many times as much its tokens cost
    currency: str | None = None  # else that of the section
    source: str | None = None  # who says so
    as_of: str | None = None  # and when: 2026-11-01

    def __post_init__(self) -> None:
        amounts = [getattr(self, one.name) for one in fields(self) if "per_" in one.name]
        if all(amount is None for amount in amounts):
            raise ValueError("a model's price has at least one amount, such as input_per_mtok")
        _require_currency(self.currency)
        _require_tiers(self.tiers)


class PriceSettings(_Section, frozen=True, kw_only=True):
    """What models cost. Operational: it changes no answer."""

    currency: str | None = None  # of amounts and of totals; USD if nothing is said
    source: str | None = None
    as_of: str | None = None
    listed: bool = True  # genai-prices for models that are not here, if it is installed
    multiplier: Amount | None = None  # what the gateway takes of those list prices
    rates: dict[str, Amount] = {}  # currency → how much of it one US dollar is
    tiers: dict[str, Amount] = {}  # the same of all models that say none of their own
    models: dict[str, ModelPrice] = {}  # a name or a pattern; the name, else the first that matches
    files: tuple[Place, ...] = ()  # price files, which come before all of this

    def __post_init__(self) -> None:
        for name, rate in self.rates.items():
            _require_currency(name)
            if not rate:
                raise ValueError(f"the rate of {name} is how much of it one US dollar is")
        _require_currency(self.currency)
        _require_tiers(self.tiers)


class PriceFile(_Section, frozen=True, kw_only=True):
    """What a price file holds: the section as it may also stand in settings."""

    prices: PriceSettings = PriceSettings()


class RunSettings(_Section, frozen=True, kw_only=True):
    """How this run is conducted."""

    new_run: bool = False  # keep the old output aside and start over
    keep_answers: bool = False  # answers to unchanged lines stay under changed settings
    head: Count | None = None  # ask only so many lines, the first ones
    sample: Count | None = None  # ask only so many lines, chosen by chance
    seed: int | None = None  # another one chooses other lines
    date: str | None = None  # what {date} stands for in paths: 2026-11-26
    tz: str | None = None  # where it is yesterday if no date is said: Europe/Berlin
    mock: bool = False
    mock_fail: str | None = None  # 429=5%,500=1%
    mock_latency: Annotated[float, msgspec.Meta(ge=0, le=3_600_000)] | None = None  # ms
    mock_seed: int | None = None
    verbose: Annotated[int, msgspec.Meta(ge=0)] = 0  # 1: retries and waits, 2: every request

    def __post_init__(self) -> None:
        if self.new_run and self.keep_answers:
            raise ValueError("new_run and keep_answers exclude each other")
        if self.head and self.sample:
            raise ValueError("head and sample exclude each other")
        if self.seed is not None and not self.sample:
            raise ValueError("seed goes with sample: it chooses other lines")
        if self.date is not None and not is_date(self.date):
            raise ValueError("date is a day, written as 2026-11-26")
        if self.tz is not None and not is_time_zone(self.tz):
            raise ValueError("tz is a time zone, such as Europe/Berlin or UTC")
        dials = (self.mock_fail, self.mock_latency, self.mock_seed)
        if not self.mock and any(dial is not None for dial in dials):
            # Refused, because what was meant as a rehearsal would be sent and paid.
            raise ValueError("only a mock run takes mock_fail, mock_latency and mock_seed")


class NightlySettings(_Section, frozen=True, kw_only=True):
    """How the days of a job are made: each a folder, built aside and published whole."""

    # Days before the one that is asked for, those that are not published yet.
    catch_up: Annotated[int, msgspec.Meta(ge=0, le=MOST_DAYS)] = 0
    when_missing: WhenMissing = "fail"  # what a day is whose input is not there
    on_failed: OnFailed = "publish"  # what becomes of a day some lines of which failed
    latest: Place | None = None  # a link that leads to the latest day


class NotifySettings(_Section, frozen=True, kw_only=True):
    """Who is told what a run came to. The addresses are secrets: no message repeats them."""

    health_url: str | None = None  # of a health check, told of each beginning and end
    webhook_url: str | None = None  # of a chat, told as ``when`` says
    when: Literal["failure", "always"] = "failure"
    prometheus_file: Place | None = None  # for a collector of text files

    def __post_init__(self) -> None:
        for name in ("health_url", "webhook_url"):
            address = getattr(self, name)
            if address is not None and not _is_address(address):
                raise ValueError(f"{name} is an address that begins with https:// or http://")
        if self.prometheus_file is not None and not self.prometheus_file.endswith(".prom"):
            raise ValueError("prometheus_file ends with .prom: collectors read no other")


def _is_address(text: str) -> bool:
    """Return whether a text is an address of the web."""
    try:
        parts = urlsplit(text)
        return _ADDRESS.match(text) is not None and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


class LogSettings(_Section, frozen=True, kw_only=True):
    """Where what happens in a run is written down, an event a line."""

    file: Place | None = None  # None: as text nowhere, as json to stderr
    format: Literal["text", "json"] = "text"


class UserSettings(_Section, frozen=True, kw_only=True):
    """What may hold for all runs of a user. Operational: none of it makes another answer."""

    gateway: GatewaySettings = GatewaySettings()
    keys: tuple[KeySetting, ...] = ()  # the first match wins
    limits: Limits = Limits()
    media: MediaSettings = MediaSettings()
    prices: PriceSettings = PriceSettings()
    budget: BudgetSettings = BudgetSettings()
    notify: NotifySettings = NotifySettings()
    log: LogSettings = LogSettings()
    tags: dict[str, str] = {}  # kept with the usage totals, for reports


class Settings(UserSettings, frozen=True, kw_only=True):
    """Everything a user can set."""

    name: str | None = None  # what reports call the job; the stem of its file if nothing is said
    inputs: tuple[Place, ...] = ()
    output: Place
    request: RequestSettings = RequestSettings()
    label: LabelSettings = LabelSettings()
    run: RunSettings = RunSettings()
    nightly: NightlySettings | None = None  # None: a run like any other

    def __post_init__(self) -> None:
        if self.output.endswith("/"):
            raise ValueError("output is a folder: name a file in it, such as out.jsonl")


def build(tree: Mapping[str, Any], shape: type[S]) -> S:
    """Check a tree of plain values and return it as settings. Raises ``BadSetting``."""
    _require_text(tree, ())
    try:
        return msgspec.convert(tree, shape)
    except msgspec.ValidationError as wrong:
        what, _, where = str(wrong).partition(" - at `$")
        path = tuple(re.findall(r"\w+", where))
        kind = kind_at(shape, path)
        needed = f"give {allowed(inspect.type_info(kind))}" if kind else what.replace("`", "")
        raise BadSetting(path, needed) from None


def _require_text(value: object, path: tuple[str, ...]) -> None:
    """Raise ``BadSetting`` for a text that UTF-8 cannot write, and so no record: a stray byte."""
    if isinstance(value, str) and path[:1] not in _FILES:
        if not is_text(value):
            raise BadSetting(path, "not valid UTF-8, so that no record could hold it")
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            _require_text(name, (*path, name))
            _require_text(inner, (*path, name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            _require_text(inner, (*path, str(number)))


def is_date(text: str) -> bool:
    """Return whether a text is a day as it is written in paths."""
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def is_time_zone(name: str) -> bool:
    """Return whether there is a time zone of a name."""
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):  # also for what is no name at all
        return False
    return True


def looks_like_a_key(text: str) -> bool:
    """Return whether a text is more likely a key than the name of a place."""
    return _KEY_LOOK.match(text) is not None
