"""What a user can set, as one frozen tree.

A name here is the flag's name, the environment's (``WBATCH_`` before it) and a file's key. Rooms
own settings of their own: ``shares.py`` turns this tree into theirs. A key's value is never in the
tree, only the place where it is: ``keyring.py`` reads it there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec.structs import fields

from batch.errors import BadConfig
from batch.gate.settings import CONCURRENCY, INFLIGHT_BYTES
from batch.inputs.settings import MAX_LINE_BYTES
from batch.records import Makes
from batch.retry import RetryPolicy
from batch.transport import TransportSettings

Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
# In a file, relative to the folder of that file; ~ is the home.
Place = Annotated[str, msgspec.Meta(extra={"place": True})]

# Prefixes that vendors give to keys, a JWT, or a long word in which letters and digits mix.
_KEY_LOOK = re.compile(
    r"(?i:bearer\s|(sk|ak|pk|rk)-)|eyJ\w|(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}$"
)
# A room's own defaults are the defaults here, so that each stands in one place.
_TRANSPORT: Final = {one.name: one.default for one in fields(TransportSettings)}
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

    def __post_init__(self) -> None:
        if self.endpoint is not None and not self.endpoint.startswith("/"):
            raise ValueError("endpoint is a path, such as /v1/chat/completions")


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
    ca_bundle: Place | None = None
    allow_http: bool = False
    timeout: Seconds = _TRANSPORT["total_seconds"]  # a text answer, to its last byte
    connect_timeout: Seconds = _TRANSPORT["connect_seconds"]
    idle_timeout: Seconds = _TRANSPORT["idle_seconds"]  # without a byte, once it has begun
    media_timeout: Seconds = _TRANSPORT["media_seconds"]  # images, audio, video
    task_timeout: Seconds = RetryPolicy().task_timeout  # until a task has ended


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


class RunSettings(_Section, frozen=True, kw_only=True):
    """How this run is conducted."""

    new_run: bool = False  # keep the old output aside and start over
    keep_answers: bool = False  # answers to unchanged lines stay under changed settings
    mock: bool = False
    mock_fail: str | None = None  # 429=5%,500=1%
    mock_latency: Annotated[float, msgspec.Meta(ge=0, le=3_600_000)] | None = None  # ms
    mock_seed: int | None = None
    verbose: Annotated[int, msgspec.Meta(ge=0)] = 0  # 1: retries and waits, 2: every request

    def __post_init__(self) -> None:
        if self.new_run and self.keep_answers:
            raise ValueError("new_run and keep_answers exclude each other")
        dials = (self.mock_fail, self.mock_latency, self.mock_seed)
        if not self.mock and any(dial is not None for dial in dials):
            # Refused, because what was meant as a rehearsal would be sent and paid.
            raise ValueError("only a mock run takes mock_fail, mock_latency and mock_seed")


class UserSettings(_Section, frozen=True, kw_only=True):
    """What may hold for all runs of a user. Operational: none of it makes another answer."""

    gateway: GatewaySettings = GatewaySettings()
    keys: tuple[KeySetting, ...] = ()  # the first match wins
    limits: Limits = Limits()
    media: MediaSettings = MediaSettings()


class Settings(UserSettings, frozen=True, kw_only=True):
    """Everything a user can set."""

    inputs: tuple[str, ...] = ()
    output: str
    request: RequestSettings = RequestSettings()
    run: RunSettings = RunSettings()


def build(tree: Mapping[str, Any], shape: type[S]) -> S:
    """Check a tree of plain values and return it as settings. Raises ``BadSetting``."""
    try:
        return msgspec.convert(tree, shape)
    except msgspec.ValidationError as wrong:
        what, _, where = str(wrong).partition(" - at `$")
        path = re.findall(r"\w+", where)
        raise BadSetting(tuple(path), what.replace("`", "")) from None


def looks_like_a_key(text: str) -> bool:
    """Return whether a text is more likely a key than the name of a place."""
    return _KEY_LOOK.match(text) is not None
