"""How a notice is sent, and what is said if nobody takes it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from batch.notices.post import Patience, Post, session
from batch.transport.proxy import Proxies, read_proxy
from tests.notices.ends import Listener
from tests.transport.authorities import Authority

SECRET = "s3cret-place"
DIRECT = Proxies()


def post(
    url: str, patience: Patience | None = None, proxies: Proxies = DIRECT
) -> tuple[str | None, list[float]]:
    """Send one notice; return why nobody took it, and how long was waited between tries."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def send() -> str | None:
        async with session("wbatch", None) as opened:
            return await Post(opened, proxies, patience or Patience(), sleep)(
                url, b"body", "text/plain"
            )

    return asyncio.run(send()), waited


def nobody() -> str:
    """Return an address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}"


def test_what_is_taken_is_sent_once() -> None:
    with Listener(204) as listener:
        assert post(listener.url) == (None, [])

    assert [(one.path, one.type, one.body) for one in listener.told] == [
        (f"/{SECRET}", "text/plain", "body")
    ]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_trouble_that_passes_is_tried_again(status: int) -> None:
    with Listener(status, 200) as listener:
        assert post(listener.url) == (None, [1.0])

    assert len(listener.told) == 2


@pytest.mark.parametrize(("status", "tries"), [(500, 3), (404, 1), (410, 1), (302, 1)])
def test_what_nobody_takes_is_said_by_the_host_alone(status: int, tries: int) -> None:
    with Listener(status) as listener:
        why, _ = post(listener.url)

    assert len(listener.told) == tries
    assert why is not None
    assert why.startswith("127.0.0.1:")
    assert why.endswith(f"answered {status}")
    assert SECRET not in why


def test_who_does_not_answer_is_given_up() -> None:
    with Listener() as listener:
        why, waited = post(listener.url, Patience(seconds=0.05))

    assert len(listener.told) == 3
    assert waited == [1.0, 2.0]
    assert why is not None
    assert why.endswith("gave no answer within 0.05 s")
    assert SECRET not in why


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (nobody(), ": Connection refused"),
        (f"http://[::1/{SECRET}", "no address that can be called"),
        (f"http://user:{SECRET}@127.0.0.1:1/x", "no connection to 127.0.0.1:1"),
    ],
    ids=["nobody there", "no address", "a port that is closed"],
)
def test_an_address_that_leads_nowhere_is_not_repeated(url: str, says: str) -> None:
    why, _ = post(url)

    assert why is not None
    assert says in why
    assert SECRET not in why


def test_a_certificate_that_is_not_accepted_is_no_fault_of_the_address(tmp_path: Path) -> None:
    with Listener(200, tls=Authority(tmp_path).server("127.0.0.1")) as listener:
        why, waited = post(listener.url)

    assert why is not None
    assert why.startswith("the TLS certificate of 127.0.0.1:")
    assert " is not accepted: " in why
    assert SECRET not in why
    assert (waited, listener.told) == ([], [])


def test_a_proxy_is_asked_for_another_host_with_its_login() -> None:
    with Listener(200) as proxy:
        address = proxy.url.replace("http://", "http://user:pass@").removesuffix(f"/{SECRET}")
        proxies = Proxies(http=read_proxy(address, "HTTP_PROXY"))
        assert post("http://chat.example/hook", proxies=proxies) == (None, [])

    assert [one.path for one in proxy.told] == ["http://chat.example/hook"]
    assert proxy.logins == ["Basic dXNlcjpwYXNz"]


def test_a_proxy_that_cannot_be_used_is_said() -> None:
    proxies = Proxies(http=read_proxy(f"socks5://{SECRET}", "ALL_PROXY"))

    why, _ = post("http://chat.example/hook", proxies=proxies)

    assert why is not None
    assert why.startswith("ALL_PROXY names a SOCKS proxy")
    assert SECRET not in why
