"""What a base URL must be, and what may be said about an address."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from batch.errors import BadConfig

# What can be repeated of a text that is no address: no login, no query, and no word that is as long
# as a key, or begins like one.
_SHOWABLE: Final = re.compile(r"(?!.*sk-)(?!.*[\w-]{20})[\w.:/-]{1,80}", re.ASCII)
_HOST: Final = re.compile(r"[\w-]*\.[\w.-]+|localhost")


def normalise_base_url(text: str, allow_http: bool = False) -> str:
    """Return the base URL without a trailing ``/`` and without one trailing ``/v1``.

    Paths of all wire formats are joined to it, and not all of them begin with /v1. Raises
    ``BadConfig``, never showing anything of the text that may be a key, because people paste them.
    """
    parts = _split(text.strip())
    host = parts.hostname or ""
    if parts.username is not None or parts.password is not None:
        raise BadConfig(
            f"the base URL of {host} contains a user or password: take them out. The gateway's key "
            "belongs into OPENAI_API_KEY"
        )
    if parts.query or parts.fragment:
        raise BadConfig(f"the base URL of {host} has a part after ? or #: leave that part out")
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        raise BadConfig(
            f"the base URL of {host} begins with http://, which would show the key to the network: "
            "write https://, or allow it with --allow-http"
        )
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    if path.endswith(("/chat/completions", "/messages", "/responses", "/embeddings")):
        raise BadConfig(
            f"the base URL of {host} ends with the path of an endpoint: leave that off, as in "
            "https://gateway.example/v1"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def is_host(name: str) -> bool:
    """Return whether a resolver would take the name; a bad one would raise no network error."""
    try:
        return bool(name.encode("idna")) and not any(map(str.isspace, name))
    except UnicodeError:
        return False


def is_loopback(host: str) -> bool:
    """Return whether this names this machine, without asking anybody."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(address: str) -> str:
    """Return host and port of an absolute address, for messages."""
    return address.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2]


def _split(text: str) -> SplitResult:
    parts = _web_address(text)
    if parts is None:
        may_show = _SHOWABLE.fullmatch(text) is not None
        said = f'"{text}"' if may_show else "the base URL"
        how = _completed(text) if may_show else None
        raise BadConfig(
            f"{said} is no web address: write {how or 'it like https://gateway.example/v1'}"
        )
    return parts


def _completed(text: str) -> str | None:
    """Return the web address that a text without a scheme most likely means; None if it has one."""
    host = _HOST.match(text)
    if host is None or "://" in text:
        return None
    whole = f"{'http' if is_loopback(host[0]) else 'https'}://{text}"
    return whole if _web_address(whole) else None


def _web_address(text: str) -> SplitResult | None:
    """Return the parts of a web address, None for what is none."""
    try:
        parts = urlsplit(text)
        usable = (
            parts.scheme in {"http", "https"} and is_host(parts.hostname or "") and parts.port != 0
        )
    except ValueError:
        return None
    return parts if usable and not any(map(str.isspace, text)) else None


def at_gateway(base: str, path: str) -> str:
    """Return the address of a path at the gateway.

    Anything but a path would let what follows the base URL become another host.
    """
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is no path at the gateway")
    return base + path
