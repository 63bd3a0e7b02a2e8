"""Which proxy leads to a host, if any does. What a user says of proxies is read elsewhere.

Names are compared as they are written and never looked up: behind a proxy often only the proxy can
do that. This machine is never asked through one.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from batch.secret import Secret
from batch.transport.address import is_host, is_loopback

PORTS: Final = {"http": 80, "https": 443}
NO_ADDRESS: Final = "is no address of a proxy: write it like http://proxy.example:3128"
SOCKS: Final = "names a SOCKS proxy, and only proxies that speak HTTP can be used"
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class Proxy(msgspec.Struct, frozen=True):
    """One proxy. What logs in there is a secret, and stands in nothing that is shown."""

    address: str  # scheme, host and port
    origin: str  # the variable or flag that names it
    login: Secret | None = None  # user:password
    fault: str = ""  # why it cannot be used, to be said after its origin

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.address.partition('://')[2]} ({self.origin})"

    def is_at(self, host: str, port: int | None) -> bool:
        """Return whether this is where the proxy is."""
        parts = urlsplit(self.address)
        return (parts.hostname, parts.port) == (host, port)

    @property
    def secrets(self) -> Iterator[Secret]:
        """Yield what must not be seen of its login, in each form in which it may come back."""
        if self.login is not None:
            both = self.login.reveal()
            for value in (both, both.partition(":")[2], b64encode(both.encode()).decode()):
                yield Secret(self.login.name, value)


class Proxies(msgspec.Struct, frozen=True):
    """The proxies by the scheme of what is asked, and the hosts that are asked without one."""

    https: Proxy | None = None
    http: Proxy | None = None
    direct: tuple[str, ...] = ()  # names, .suffixes, addresses, networks; with :port or not; *

    def to(self, address: str) -> Proxy | None:
        """Return the proxy on the way to a web address, or None for the direct way."""
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
        proxy = self.https if parts.scheme == "https" else self.http
        if proxy is None or is_loopback(host):
            return None
        port = parts.port or PORTS.get(parts.scheme, 0)
        return None if any(_covers(one, host, port) for one in self.direct) else proxy

    @property
    def secrets(self) -> Iterator[Secret]:
        """Yield what must not be seen of them."""
        for proxy in (self.https, self.http):
            if proxy is not None:
                yield from proxy.secrets


def read_proxy(text: str, origin: str) -> Proxy:
    """Return the proxy that a text names, perhaps without ``http://``; it may have a fault.

    A fault repeats nothing of the text, as a password may stand anywhere in one that is wrong.
    """
    text = text.strip()
    if not _SCHEME.match(text):
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        if parts.scheme.startswith("socks"):
            return Proxy("", origin, fault=SOCKS)
        usable = parts.scheme in PORTS and is_host(host) and port != 0
        usable = usable and parts.path in {"", "/"} and not (parts.query or parts.fragment)
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        usable = usable and login.isprintable()
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in text):
        return Proxy("", origin, fault=NO_ADDRESS)
    named = f"[{host}]" if ":" in host else host
    address = f"{parts.scheme}://{named}:{port or PORTS[parts.scheme]}"
    return Proxy(address, origin, Secret("proxy", login, origin) if login != ":" else None)


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of a list of exceptions is for a host."""
    entry = entry.strip().lower()
    if entry == "*":
        return True
    name, at = _without_port(entry)
    if at is not None and at != port:
        return False
    address, network = _address(host), _network(name)
    if address is not None or network is not None:
        return address is not None and network is not None and address in network
    name = name.removeprefix("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _without_port(entry: str) -> tuple[str, int | None]:
    """Return an entry and its port, if it has one; an address of version 6 then has brackets."""
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?", entry)
    if found is None:
        return entry, None
    return found[1] or found[2] or "", int(found[3]) if found[3] else None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)  # one address is a network too
    except ValueError:
        return None


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
