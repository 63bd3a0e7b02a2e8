"""Who issued a certificate, for which names and how long: read for people, never to trust it.

OpenSSL's messages do not say it, and Python hands out the fields of a certificate only after it was
verified, which is what has failed. So the few fields that people need are read from its DER. It
comes from anybody: whatever is odd is a ValueError.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

LONGEST: Final = 100  # characters of a name that are shown

# Tag and content of one element.
_Element: TypeAlias = tuple[int, bytes]
_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_UTC_TIME: Final = 0x17
_DNS_NAME: Final = 0x82
_IP_ADDRESS: Final = 0x87
_COMMON_NAME: Final = b"\x55\x04\x03"
_ORGANISATION: Final = b"\x55\x04\x0a"
_UNIT: Final = b"\x55\x04\x0b"
_OTHER_NAMES: Final = b"\x55\x1d\x11"
_ENCODINGS: Final = {0x14: "latin-1", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}  # else UTF-8


class Certificate(msgspec.Struct, frozen=True):
    """What people want to know of a certificate that was not accepted."""

    issuer: str
    subject: str
    names: tuple[str, ...]  # hosts that it is for
    since: dt.datetime
    until: dt.datetime


def read_certificate(der: bytes) -> Certificate:
    """Return what a certificate says of itself. Raises ``ValueError``."""
    try:
        (_, whole), *_ = _elements(der)
        (_, signed), *_ = _elements(whole)
        first, *rest = _elements(signed)
        after_serial = rest[1:] if first[0] == _VERSION else rest
        _, (_, issuer), (_, validity), (_, subject), _, *more = after_serial
        since, until = map(_time, _elements(validity))
        extensions = b"".join(content for tag, content in more if tag == _EXTENSIONS)
        return Certificate(_name(issuer), _name(subject), tuple(_names(extensions)), since, until)
    except (IndexError, ValueError) as odd:
        raise ValueError("this is no certificate") from odd


def _elements(data: bytes) -> list[_Element]:
    """Return what stands one after the other."""
    found, at = [], 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count])
            at += count
        if at + size > len(data):
            raise ValueError("an element is longer than what it stands in")
        found.append((tag, data[at : at + size]))
        at += size
    return found


def _name(name: bytes) -> str:
    """Return common name and organisation, or what there is of them."""
    parts: dict[bytes, str] = {}
    for _, group in _elements(name):
        for _, pair in _elements(group):
            (_, kind), (tag, text) = _elements(pair)
            parts.setdefault(kind, _shown(text.decode(_ENCODINGS.get(tag, "utf-8"), "replace")))
    called = parts.get(_COMMON_NAME) or parts.get(_UNIT) or ""
    owner = parts.get(_ORGANISATION, "")
    if called and owner and called != owner:
        return f"'{called}' of '{owner}'"
    return f"'{called or owner}'" if called or owner else "somebody without a name"


def _names(extensions: bytes) -> Iterator[str]:
    for _, listed in _elements(extensions):
        for _, extension in _elements(listed):
            (_, kind), *_, (_, value) = _elements(extension)
            if kind != _OTHER_NAMES:
                continue
            for _, names in _elements(value):
                for tag, name in _elements(names):
                    if tag == _DNS_NAME:
                        yield _shown(name.decode("ascii", "replace"))
                    elif tag == _IP_ADDRESS:
                        yield str(ipaddress.ip_address(name))


def _time(element: _Element) -> dt.datetime:
    tag, text = element
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return dt.datetime.strptime(text.decode("ascii"), form).replace(tzinfo=dt.UTC)


def _shown(text: str) -> str:
    """Return a text that may stand in a message, whoever wrote it."""
    return "".join(char for char in text if char.isprintable())[:LONGEST]
