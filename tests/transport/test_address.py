"""What is a base URL, and what is said about one that is not."""

from __future__ import annotations

import pytest

from batch.errors import BadConfig
from batch.transport.address import host_of, normalise_base_url

GOOD = {
    "https://gw.example": "https://gw.example",
    "https://gw.example/": "https://gw.example",
    "https://gw.example/v1": "https://gw.example",
    "https://gw.example/v1/": "https://gw.example",
    " https://GW.example:8443/v1/\n": "https://gw.example:8443",
    "https://gw.example/api/v1//": "https://gw.example/api",
    "https://gw.example/api": "https://gw.example/api",
    "https://gw.example/v1beta": "https://gw.example/v1beta",
    "http://localhost:3000/v1": "http://localhost:3000",
    "http://127.0.0.1:3000": "http://127.0.0.1:3000",
    "http://127.9.9.9": "http://127.9.9.9",
    "http://[::1]:3000/v1": "http://[::1]:3000",
}
BAD = {
    "gw.example/v1": '^"gw.example/v1" is no web address: write https://gw.example/v1$',
    "gw.example:3000": '^"gw.example:3000" is no web address: write https://gw.example:3000$',
    "localhost:3000": '^"localhost:3000" is no web address: write http://localhost:3000$',
    "127.0.0.1:3000": '^"127.0.0.1:3000" is no web address: write http://127.0.0.1:3000$',
    "nowhere": '^"nowhere" is no web address: write it like https://',
    "sk-secret": "^the base URL is no web address: write it like https://",
    "secretsecretsecretsecret1": "^the base URL is no web address",
    "me:secret@gw.example": "^the base URL is no web address",
    "gw.example?key=secret": "^the base URL is no web address",
    "htp://gw.example": '^"htp://gw.example" is no web address: write it like https://',
    "": "like https://",
    "ftp://gw.example": "like https://",
    "https://": "like https://",
    "https:///v1": "like https://",
    "https://gw.example:99999": "like https://",
    "https://[odd": "like https://",
    "https://gw example/v1": "like https://",
    "https://" + "a" * 70 + ".example": "like https://",
    "http://gw.example": "write https://",
    "http://10.0.0.1": "write https://",
    "http://127.0.0.1.example": "write https://",
    "https://sk-secret@gw.example": "gw.example contains a user",
    "https://me:sk-secret@gw.example/v1": "gw.example contains a user",
    "https://gw.example/v1?key=sk-secret": "gw.example has a part after",
    "https://gw.example/v1#sk-secret": "gw.example has a part after",
}


@pytest.mark.parametrize(("text", "url"), GOOD.items())
def test_a_base_url_loses_its_trailing_slash_and_version(text: str, url: str) -> None:
    assert normalise_base_url(text) == url


@pytest.mark.parametrize(("text", "words"), BAD.items())
def test_a_bad_base_url_is_refused_with_a_cure_and_without_its_secrets(
    text: str, words: str
) -> None:
    with pytest.raises(BadConfig, match=words) as refusal:
        normalise_base_url(text)

    assert "secret" not in str(refusal.value)


def test_plain_http_to_another_machine_must_be_allowed() -> None:
    assert normalise_base_url("http://10.0.0.1/v1", allow_http=True) == "http://10.0.0.1"


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://gw.example:8443/v1/x?y=1", "gw.example:8443"),
        ("https://me:word@gw.example/x", "gw.example"),
        ("https://gw.example?key=1", "gw.example"),
        ("nothing", ""),
    ],
)
def test_only_the_host_of_an_address_is_shown(address: str, host: str) -> None:
    assert host_of(address) == host
