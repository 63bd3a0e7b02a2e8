"""What a user can set, as one frozen tree, and the two things that the environment adds to it.

A name here is the flag's name, the environment's (``WBATCH_`` before it) and the job file's key.
Rooms own settings of their own: ``assemble.py`` turns this tree into theirs. A key's value is
never in the tree, only the place where it is.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import fields

from batch.errors import BadConfig
from batch.gate.settings import CONCURRENCY
from batch.inputs.settings import MAX_LINE_BYTES
from batch.records import Makes
from batch.retry import RetryPolicy
from batch.secret import Secret
from batch.transport import TransportSettings

# The address in the gateway's own documentation of its API.
GATEWAY: Final = "https://api.wenwen-ai.com"
# The official SDK reads the first; LiteLLM and many guides still say the second.
BASE_URL_NAMES: Final = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
KEY_NAME: Final = "OPENAI_API_KEY"
KEY_FILE_LIMIT: Final = 16_384  # bytes; a longer file holds something else

Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]

# Prefixes that vendors give to keys, a JWT, or a long word in which letters and digits mix.
_KEY_LOOK = re.compile(
    r"(?i:bearer\s|(sk|ak|pk|rk)-)|eyJ\w|(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}$"
)
# A room's own defaults are the defaults here, so that each stands in one place.
_TRANSPORT: Final = {one.name: one.default for one in fields(TransportSettings)}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class BadSetting(BadConfig):
    """One setting is wrong: ``path`` is its place in the tree, ``what`` says what is wrong."""

    def __init__(self, path: tuple[str, ...], what: str) -> None:
        super().__init__(f"{'.'.join(path)}: {what}" if path else what)
        self.path = path
        self.what = what


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A section of the tree. Raises ``ValueError``, naming the setting, for what cannot be."""


class KeySetting(_Section, frozen=True, kw_only=True):
    """Where the key for some models is: in a variable or in a file."""

    match: str  # pattern of models, such as claude-*
    env: str | None = None
    file: str | None = None
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


class RequestSettings(_Section, frozen=True, kw_only=True):
    """What becomes of a line's body. Part of the run's identity."""

    model: str | None = None  # for bodies without one
    override_model: str | None = None  # for every body
    endpoint: str | None = None
    add_usage: bool = True  # a streamed request asks for its usage
    pack: Count = 1  # lines that one request asks, where the endpoint takes several
    # Pattern of models → what their calls make, before what their names tell. Not part of the
    # identity: it changes how an answer is kept, not what is asked.
    makes: dict[str, Makes] = {}
    allow_files: str | None = None  # folder that local files of lines may come from
    inline_media: bool = False  # media stays in the bodies of answers

    def __post_init__(self) -> None:
        if self.endpoint is not None and not self.endpoint.startswith("/"):
            raise ValueError("endpoint is a path, such as /v1/chat/completions")
        if self.allow_files is not None and not os.path.isdir(self.allow_files):
            raise ValueError("allow_files is a folder that exists")


class Timeouts(_Section, frozen=True, kw_only=True):
    """How long to wait for the gateway, in seconds."""

    connect_seconds: Seconds = _TRANSPORT["connect_seconds"]
    total_seconds: Seconds = _TRANSPORT["total_seconds"]  # a text answer, to its last byte
    idle_seconds: Seconds = _TRANSPORT["idle_seconds"]  # without a byte, once it has begun
    media_seconds: Seconds = _TRANSPORT["media_seconds"]  # images, audio, video
    task_seconds: Seconds = RetryPolicy().task_timeout  # until a task has ended


class GatewaySettings(_Section, frozen=True, kw_only=True):
    """Where the gateway is, and how to reach it. Never part of the run's identity."""

    base_url: str | None = None
    keys: tuple[KeySetting, ...] = ()  # the first match wins
    timeouts: Timeouts = Timeouts()
    ca_bundle: str | None = None
    allow_http: bool = False


class Limits(_Section, frozen=True, kw_only=True):
    """How fast, how often, how large. None: none of ours, the run finds the gateway's."""

    concurrency: Count | None = None
    rpm: Count | None = None  # requests a minute
    tpm: Count | None = None  # tokens a minute
    max_attempts: Count = RetryPolicy().attempts  # for one line
    max_line_bytes: Count = MAX_LINE_BYTES

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


class Settings(_Section, frozen=True, kw_only=True):
    """Everything a user can set."""

    inputs: tuple[str, ...] = ()
    output: str
    request: RequestSettings = RequestSettings()
    gateway: GatewaySettings = GatewaySettings()
    limits: Limits = Limits()
    run: RunSettings = RunSettings()


def build(tree: Mapping[str, Any]) -> Settings:
    """Check a tree of plain values and return it as settings. Raises ``BadSetting``."""
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as wrong:
        what, _, where = str(wrong).partition(" - at `$")
        path = re.findall(r"\w+", where)
        raise BadSetting(tuple(path), what.replace("`", "")) from None


def looks_like_a_key(text: str) -> bool:
    """Return whether a text is more likely a key than the name of a place."""
    return _KEY_LOOK.match(text) is not None


def resolve_base_url(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the gateway's address: as set, else of the environment, else the built-in one."""
    found = (settings.gateway.base_url, *map(environ.get, BASE_URL_NAMES))
    return next((url for url in found if url), GATEWAY)


def resolve_keys(settings: Settings, environ: Mapping[str, str]) -> list[tuple[str, Secret]]:
    """Return pairs of model pattern and key, in the order in which they are to be tried.

    The given ones come first, then ``OPENAI_API_KEY`` for every model. A mock run needs none and
    gets none. Raises ``BadConfig``, which names the place of a key and never its value.
    """
    if settings.run.mock:
        return []
    places = list(settings.gateway.keys)
    if environ.get(KEY_NAME) or not places:
        places.append(KeySetting(match="*", env=KEY_NAME))
    known: dict[str, KeySetting] = {}
    for place in places:
        other = known.setdefault(place.label, place)
        if (other.env, other.file) != (place.env, place.file):
            raise BadConfig(f"two keys are called {place.label}; give one another name")
    return [(place.match, Secret(place.label, _read_key(place, environ))) for place in places]


def _read_key(place: KeySetting, environ: Mapping[str, str]) -> str:
    if place.file:
        where = f"key file {place.file}"
        value = _read_key_file(place.file)
    else:
        where = f"environment variable {place.env}"
        value = environ.get(place.env or "", "")
    value = value.rstrip("\r\n")
    if not value and place.env == KEY_NAME:
        raise BadConfig(
            f"no key for the gateway. Either export {KEY_NAME}, or say where the key is with "
            "--key 'MODELS=env:NAME' or --key 'MODELS=file:PATH', or try it without a gateway "
            "with --mock"
        )
    if not value:
        raise BadConfig(f"{where} is empty or not set, and should hold the key for {place.match}")
    if not all("!" <= char <= "~" for char in value):
        raise BadConfig(
            f"{where} holds a space, a line break or another character that no key has. "
            "Put the key alone in it"
        )
    return value


def _read_key_file(path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(KEY_FILE_LIMIT + 1)
    except OSError as error:
        raise BadConfig(f"cannot read key file {path}: {error.strerror}") from None
    if stat.S_ISREG(mode) and mode & stat.S_IRWXO:
        raise BadConfig(f"every user of this machine can read key file {path}. Run: chmod 600 it")
    if len(content) > KEY_FILE_LIMIT:
        raise BadConfig(f"key file {path} is too large to be a key")
    return content.decode("latin-1")
