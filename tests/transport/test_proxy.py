"""Which proxy leads where, told from what people write."""

from __future__ import annotations

import pytest

from batch.transport.proxy import NO_ADDRESS, SOCKS, Proxies, read_proxy

HTTPS, HTTP = read_proxy("proxy.example:1", "HTTPS_PROXY"), read_proxy("p.example", "HTTP_PROXY")


@pytest.mark.parametrize(
    ("text", "address", "login"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", None),
        ("http://proxy.example:3128/", "http://proxy.example:3128", None),
        (" proxy.example:3128 ", "http://proxy.example:3128", None),
        ("proxy.example", "http://proxy.example:80", None),
        ("https://proxy.example", "https://proxy.example:443", None),
        ("HTTP://Proxy.Example:80", "http://proxy.example:80", None),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128", None),
        ("http://me:p%40ss%3Aword@proxy.example:1", "http://proxy.example:1", "me:p@ss:word"),
        ("http://me:p@ss@proxy.example:1", "http://proxy.example:1", "me:p@ss"),
        ("me:secret@proxy.example:1", "http://proxy.example:1", "me:secret"),
        ("http://me@proxy.example:1", "http://proxy.example:1", "me:"),
    ],
)
def test_an_address_of_a_proxy_is_taken_without_its_login(
    text: str, address: str, login: str | None
) -> None:
    proxy = read_proxy(text, "HTTPS_PROXY")

    assert (proxy.address, proxy.fault) == (address, "")
    assert (proxy.login and proxy.login.reveal()) == login
    assert str(proxy) == f"{address.partition('://')[2]} (HTTPS_PROXY)"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("socks5://me:hush@proxy.example:1080", SOCKS),
        ("socks5h://proxy.example", SOCKS),
        ("socks4a://proxy.example", SOCKS),
        ("ftp://proxy.example", NO_ADDRESS),
        ("http://", NO_ADDRESS),
        ("http://me:hu/sh@proxy.example:3128", NO_ADDRESS),
        ("http://proxy.example:99999", NO_ADDRESS),
        ("http://proxy.example:0", NO_ADDRESS),
        ("http://proxy.example/way", NO_ADDRESS),
        ("http://pro xy.example", NO_ADDRESS),
        ("http://[odd", NO_ADDRESS),
        ("http://a%0d%0ab:hush@proxy.example", NO_ADDRESS),
    ],
)
def test_what_is_no_proxy_that_can_be_used_has_a_fault_which_repeats_nothing(
    text: str, fault: str
) -> None:
    proxy = read_proxy(text, "ALL_PROXY")

    assert proxy.fault == fault
    assert "hush" not in repr(proxy)


def test_all_forms_in_which_a_login_may_come_back_are_secrets() -> None:
    proxy = read_proxy("http://me:a-long-password@proxy.example", "HTTPS_PROXY")

    values = {secret.reveal() for secret in Proxies(https=proxy).secrets}

    assert values == {"me:a-long-password", "a-long-password", "bWU6YS1sb25nLXBhc3N3b3Jk"}
    assert "a-long-password" not in repr(proxy)


def test_the_scheme_of_what_is_asked_chooses_the_proxy() -> None:
    proxies = Proxies(https=HTTPS, http=HTTP)

    assert proxies.to("https://gateway.example/v1") is HTTPS
    assert proxies.to("http://gateway.example/v1") is HTTP
    assert Proxies(https=HTTPS).to("http://gateway.example") is None


@pytest.mark.parametrize(
    "address",
    [
        "https://localhost:8443",
        "https://mine.localhost",
        "https://127.0.0.1",
        "https://127.8.9.1:1",
        "https://[::1]:8443/v1",
    ],
)
def test_this_machine_is_never_asked_through_a_proxy(address: str) -> None:
    assert Proxies(https=HTTPS, http=HTTP).to(address) is None


DIRECT = [
    ("gateway.example", "https://gateway.example", True),
    ("GATEWAY.example", "https://gateway.EXAMPLE/v1", True),
    ("example", "https://gateway.example", True),
    (".example", "https://gateway.example", True),
    ("*.example", "https://gateway.example", True),
    (".gateway.example", "https://gateway.example", True),
    ("gateway.example.", "https://gateway.example.", True),
    ("way.example", "https://gateway.example", False),
    ("gateway.example", "https://example", False),
    ("gateway.example.com", "https://gateway.example", False),
    ("*", "https://gateway.example", True),
    ("", "https://gateway.example", False),
    (".", "https://gateway.example", False),
    ("gateway.example:443", "https://gateway.example", True),
    ("gateway.example:443", "https://gateway.example:8443", False),
    (".example:8443", "https://gateway.example:8443", True),
    ("10.0.0.0/8", "https://10.1.2.3", True),
    ("10.0.0.0/8", "https://11.1.2.3", False),
    ("10.1.2.3/8", "https://10.9.9.9", True),
    ("10.1.2.3", "https://10.1.2.3:8443", True),
    ("10.1.2.3:8443", "https://10.1.2.3:8443", True),
    ("10.1.2.3:8443", "https://10.1.2.3", False),
    ("10.0.0.0/8", "https://gateway.example", False),
    ("2.3", "https://10.1.2.3", False),
    ("fd00::/8", "https://[fd00::7]", True),
    ("fd00::7", "https://[fd00::7]", True),
    ("[fd00::7]:443", "https://[fd00::7]", True),
    ("[fd00::7]:1", "https://[fd00::7]", False),
    ("fd00::/8", "https://10.1.2.3", False),
]


@pytest.mark.parametrize(("entry", "address", "direct"), DIRECT)
def test_hosts_that_are_excepted_are_asked_directly(entry: str, address: str, direct: bool) -> None:
    proxies = Proxies(https=HTTPS, direct=("other.example", entry))

    assert (proxies.to(address) is None) is direct
