"""Addresses that others chose: answers and lines name files on the web, and may name anything.

An address of this machine or of a private network is not asked on their word, unless the gateway
itself is in such a place: a file there may be of nobody's business, and what lines name is sent on.

Through a proxy it is the proxy that looks names up. They are looked up here too, and what leads
inside is refused; a name that nobody here knows is left to the proxy, since in such networks most
are.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from batch.errors import FileGone

# From a host's name to its addresses; none if nobody knows it.
LookUp: TypeAlias = Callable[[str], Awaitable[list[Any]]]

_LOOKUP_SECONDS: Final = 2.0  # for a name that only the proxy has to know
_REMEMBERED: Final = 1000  # such names
# NAT64, and what is compatible with version 4: they end with an address of it.
_HOLDERS: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


class Outside(AbstractResolver):
    """Resolves names, and refuses those that lead inside. Raises ``FileGone``."""

    def __init__(self, gateway: str, look_up: LookUp | None = None) -> None:
        """``gateway`` is the host of the gateway; ``look_up`` the system's unless it is given."""
        self._gateway = gateway
        self._look_up = look_up or _addresses
        self._inside: bool | None = None  # whether the gateway is in a private place
        self._resolver = aiohttp.DefaultResolver()
        self._found: dict[str, list[Any]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host."""
        found = await self._resolver.resolve(host, port, family)
        for one in found:
            await self.check(one["host"])
        return found

    async def check(self, host: str) -> None:
        """Raise ``FileGone`` if this is an address, and one that must not be asked."""
        if is_private(host) and not await self._gateway_is_private():
            raise FileGone(
                f"a file's address leads to {host}, on this machine or in a private network: it "
                "was not asked"
            )

    async def check_name(self, host: str) -> None:
        """Raise ``FileGone`` if a name that a proxy is to be asked for leads inside."""
        if host not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[host] = await self._look_up(host)
        for address in self._found[host]:
            await self.check(address)

    async def close(self) -> None:
        """Let go of what the resolver holds."""
        await self._resolver.close()

    async def _gateway_is_private(self) -> bool:
        if self._inside is None:
            self._inside = is_private(self._gateway) or any(
                is_private(host) for host in await self._look_up(self._gateway)
            )
        return self._inside


def is_private(host: str) -> bool:
    """Return whether this is an address, no name, that the web does not reach."""
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        # Numbers such as 127.1 and 2130706433 are no names: systems read them as an address.
        return host.replace(".", "").isdigit()
    held = _held(address) if isinstance(address, ipaddress.IPv6Address) else None
    reached = held or address
    return not reached.is_global or reached.is_multicast


def _held(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the address of version 4 that one of version 6 holds, by whatever it is reached."""
    if any(address in network for network in _HOLDERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


async def _addresses(host: str) -> list[Any]:
    try:
        async with asyncio.timeout(_LOOKUP_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except (OSError, UnicodeError):  # which a timeout is too
        return []
    return [address[0] for *_, address in found]
