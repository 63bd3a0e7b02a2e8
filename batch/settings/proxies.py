"""The proxies that a user has: by flag or setting, else by the variables that other tools read too.

Lower case outranks upper case, and a variable that is empty is as good as none, both as in curl.
``NO_PROXY`` also holds for a proxy that is named by the flag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from batch.errors import BadConfig
from batch.settings.tree import GatewaySettings
from batch.transport.proxy import Proxies, Proxy, read_proxy

FLAG: Final = "--proxy"
NONE: Final = ("", "none")
ALL: Final = "ALL_PROXY"
VARIABLES: Final = {"https": ("HTTPS_PROXY", ALL), "http": ("HTTP_PROXY", ALL)}
EXCEPT: Final = "NO_PROXY"


def resolve_proxies(gateway: GatewaySettings, environ: Mapping[str, str]) -> Proxies:
    """Return the proxies; one that cannot be used has a fault, which matters where it is used."""
    said = gateway.proxy
    if said is not None and said.strip().lower() in NONE:
        return Proxies()
    name = variable((EXCEPT,), environ)
    direct = environ[name] if name else ""
    if said is not None:
        proxy = read_proxy(said, FLAG)
        return Proxies(https=proxy, http=proxy, direct=_listed(direct))
    return Proxies(
        https=_of_environment("https", environ),
        http=_of_environment("http", environ),
        direct=_listed(direct),
    )


def to_gateway(proxies: Proxies, base_url: str) -> Proxy | None:
    """Return the proxy on the way to the gateway. Raises ``BadConfig`` for one with a fault."""
    proxy = proxies.to(base_url)
    if proxy is not None and proxy.fault:
        raise BadConfig(
            f"{proxy.origin} {proxy.fault}. Name another one with {FLAG} or in HTTPS_PROXY, or go "
            f"without: {FLAG} none"
        )
    return proxy


def variable(names: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    """Return which variable counts, of those with these names in either case."""
    spelled = (one for name in names for one in (name.lower(), name))
    return next((one for one in spelled if environ.get(one)), None)


def _of_environment(scheme: str, environ: Mapping[str, str]) -> Proxy | None:
    name = variable(VARIABLES[scheme], environ)
    return read_proxy(environ[name], name) if name else None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())
