"""Which proxies a user has: flag, then variables, in either case."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from batch.errors import BadConfig
from batch.settings.proxies import resolve_proxies, to_gateway
from batch.settings.tree import GatewaySettings

GATEWAY = "https://gateway.example"
PLAIN = "http://gateway.example"
A, B = "http://a.example:1", "http://b.example:2"

HTTPS, ALL = "HTTPS_PROXY", "ALL_PROXY"

FOUND: list[tuple[str, str | None, Mapping[str, str], str, str | None]] = [
    ("no variable", None, {}, GATEWAY, None),
    ("the one for https", None, {HTTPS: A, "HTTP_PROXY": B}, GATEWAY, HTTPS),
    ("the one for http", None, {HTTPS: A, "HTTP_PROXY": B}, PLAIN, "HTTP_PROXY"),
    ("of http alone none for https", None, {"HTTP_PROXY": A}, GATEWAY, None),
    ("the one for all", None, {ALL: A}, GATEWAY, ALL),
    ("its own before all", None, {"all_proxy": A, HTTPS: B}, GATEWAY, HTTPS),
    ("lower case first", None, {HTTPS: A, "https_proxy": B}, GATEWAY, "https_proxy"),
    ("an empty one is none", None, {"https_proxy": "", HTTPS: A}, GATEWAY, HTTPS),
    ("the flag before variables", B, {HTTPS: A}, GATEWAY, "--proxy"),
    ("the flag for http too", B, {"HTTP_PROXY": A}, PLAIN, "--proxy"),
    ("none", "none", {HTTPS: A}, GATEWAY, None),
    ("none, in other words", "", {HTTPS: A}, GATEWAY, None),
    ("excepted", None, {HTTPS: A, "NO_PROXY": "x, gateway.example"}, GATEWAY, None),
    ("excepted, by lower case", None, {ALL: A, "no_proxy": "x", "NO_PROXY": "*"}, GATEWAY, ALL),
    ("excepted by blanks", None, {HTTPS: A, "no_proxy": "x .example"}, GATEWAY, None),
    ("excepted, though the flag says", B, {"NO_PROXY": ".example"}, GATEWAY, None),
    ("this machine", B, {}, "https://127.0.0.1:8443", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "environ", "url", "origin"), [row[1:] for row in FOUND], ids=[row[0] for row in FOUND]
)
def test_the_proxy_to_the_gateway_is_that_of(
    said: str | None, environ: Mapping[str, str], url: str, origin: str | None
) -> None:
    proxies = resolve_proxies(GatewaySettings(proxy=said), environ)

    proxy = to_gateway(proxies, url)

    assert (proxy and proxy.origin) == origin


def test_a_socks_proxy_is_refused_where_it_would_be_used() -> None:
    proxies = resolve_proxies(GatewaySettings(), {"ALL_PROXY": "socks5://me:hush@p.example:1080"})

    with pytest.raises(BadConfig, match=r"ALL_PROXY names a SOCKS proxy.*--proxy none") as refusal:
        to_gateway(proxies, GATEWAY)

    assert "hush" not in str(refusal.value)
    assert to_gateway(proxies, "https://127.0.0.1:8443") is None


@pytest.mark.parametrize("said", ["socks5://p.example", "http://", "me:hush/x@p.example"])
def test_a_setting_that_is_no_proxy_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"^proxy (names a SOCKS|is no address)") as refusal:
        GatewaySettings(proxy=said)

    assert "hush" not in str(refusal.value)
