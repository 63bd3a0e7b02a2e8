"""Where the gateway and its keys are, by settings and environment; keys are read here only.

What the settings say outranks the names that other tools read too: ``OPENAI_API_KEY`` and
``OPENAI_BASE_URL`` serve where nothing was said to this tool. So the two stay together, and a key
that stands in the settings never goes to an address which was meant for another program.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from typing import Final

from batch.errors import BadConfig
from batch.secret import Secret
from batch.settings.envfile import read_env_file
from batch.settings.tree import GatewaySettings, KeySetting, looks_like_a_key

# The address in the gateway's own documentation of its API.
GATEWAY: Final = "https://api.wenwen-ai.com"
# The official SDK reads the first; LiteLLM and many guides still say the second.
BASE_URL_NAMES: Final = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
KEY_NAME: Final = "OPENAI_API_KEY"
QUOTES: Final = "'\""  # docker and systemd take those of a file of variables for a part of it
KEY_FILE_LIMIT: Final = 16_384  # bytes; a longer file holds something else


def surrounding(gateway: GatewaySettings, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with what the settings' ``.env`` file adds to it.

    Raises ``BadConfig`` if that file holds a key and is open to everybody.
    """
    env = read_env_file(gateway.env_file)
    for name, value in env.values.items():
        if env.shared and looks_like_a_key(value):
            raise BadConfig(
                f"{env.path}:{env.lines[name]}: {name} holds a key, and every user of this "
                f"machine can read this file. Run: chmod 600 {env.path}"
            )
    return env.under(environ)


def resolve_base_url(gateway: GatewaySettings, environ: Mapping[str, str]) -> str:
    """Return the gateway's address: as set, else of the environment, else the built-in one."""
    name = base_url_name(environ)
    return gateway.base_url or (environ[name] if name else GATEWAY)


def base_url_name(environ: Mapping[str, str]) -> str | None:
    """Return which variable has the gateway's address where no setting has it, if one does."""
    return next((name for name in BASE_URL_NAMES if environ.get(name)), None)


def resolve_keys(
    places: Iterable[KeySetting], environ: Mapping[str, str]
) -> list[tuple[str, Secret]]:
    """Return pairs of model pattern and key, in the order in which they are to be tried.

    The given ones come first, then ``OPENAI_API_KEY`` for every model that none of them is for.
    Raises ``BadConfig``, which names the place of a key and never its value.
    """
    places = list(places)
    served = any(place.match == "*" for place in places)
    if not places or (environ.get(KEY_NAME) and not served):
        places.append(KeySetting(match="*", env=KEY_NAME))
    return read_keys(places, environ)


def read_keys(places: Iterable[KeySetting], environ: Mapping[str, str]) -> list[tuple[str, Secret]]:
    """Return pairs of model pattern and key. Raises ``BadConfig``, as above."""
    known: dict[str, KeySetting] = {}
    pairs = []
    for place in places:
        other = known.setdefault(place.label, place)
        if (other.env, other.file) != (place.env, place.file):
            raise BadConfig(f"two keys are called {place.label}; give one another name")
        secret = Secret(place.label, _read_key(place, environ), place.where)
        pairs.append((place.match, secret))
    return pairs


def _read_key(place: KeySetting, environ: Mapping[str, str]) -> str:
    where = place.where
    value = _read_key_file(place.file) if place.file else environ.get(place.env or "", "")
    value = value.rstrip("\r\n")
    if not value and place.env == KEY_NAME:
        raise BadConfig(
            f"no key for the gateway. Either export {KEY_NAME}, or write it into a file .env "
            "beside the job or in this folder, or say where the key is with "
            "--key 'MODELS=env:NAME' or --key 'MODELS=file:PATH', or as [[keys]] in a job or in "
            "~/.config/wbatch/config.toml, or try a run without a gateway: --mock"
        )
    if not value:
        raise BadConfig(f"{where} is empty or not set, and should hold the key for {place.match}")
    if not all("!" <= char <= "~" for char in value):
        raise BadConfig(
            f"{where} holds a space, a line break or another character that no key has. "
            "Put the key alone in it"
        )
    if value[0] in QUOTES or value[-1] in QUOTES:
        raise BadConfig(f"{where} holds a key in quotes, which no key has. Take them out")
    return value


def _read_key_file(path: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(KEY_FILE_LIMIT + 1)
    except OSError as error:
        raise BadConfig(f"cannot read key file {path}: {error.strerror}") from None
    if stat.S_ISREG(mode) and mode & stat.S_IRWXO:
        raise BadConfig(
            f"every user of this machine can read key file {path}. Run: chmod 600 {path}"
        )
    if len(content) > KEY_FILE_LIMIT:
        raise BadConfig(f"key file {path} is too large to be a key")
    return content.decode("latin-1")
