"""Finds the pictures, films and sounds that a text leads to: by address, or held as data URIs.

The text may be hostile and many megabytes long: each place is looked at a fixed number of times,
and a data URI is copied once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

Medium: TypeAlias = Literal["image", "audio", "video"]

_START: Final = re.compile(r"https?://(?=[\w\[])|data:", re.IGNORECASE)
# What stands before an address that Markdown encloses: ``](``, perhaps with space or ``<``.
_OPENING: Final = re.compile(r"\]\(\s*<?\Z")
_LONGEST_OPENING: Final = 12
# The characters of an address, but for brackets. In prose one ends at the first character that is
# not ASCII: Chinese follows it without a space.
_ENCLOSED: Final = re.compile(r'[^\s\x00-\x1f\x7f<>"()\[\]{}]*')
_BARE: Final = re.compile(r'[^\s\x00-\x1f\x7f-\U0010ffff<>"`\\^|()\[\]{}]*')
_CLOSERS: Final[Mapping[str, str]] = {"(": ")", "[": "]", "{": "}"}
# Signs of the prose around. An underscore is none: signatures of CloudFront end with it.
_PROSE: Final = ".,;:!?'*([{"
_LONGEST: Final = 16384  # characters of an address; no server takes longer ones

_DATA: Final[Mapping[Medium, re.Pattern[str]]] = {
    medium: re.compile(
        rf"data:{medium}/[a-z0-9.+-]{{1,64}}(?:;[a-z0-9.+=_-]{{1,64}}){{0,4}};base64,",
        re.IGNORECASE,
    )
    for medium in ("image", "audio", "video")
}
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_=-]*")
_WRAPPED_BASE64: Final = re.compile(r"[A-Za-z0-9+/_=\s-]*")

# An extension counts at the end of the path, or of a value in the query; never in the host, as
# there are hosts in .mov and .zip.
_EXTENSION: Final = re.compile(
    r"https?://[^/?#]+[/?#].*?\.(?:(?P<image>png|jpe?g|webp|gif|bmp|avif|heic)"
    r"|(?P<video>mp4|webm|mov|m4v|mkv)|(?P<audio>mp3|wav|ogg|opus|flac|aac|m4a))(?=[?#&]|\Z)",
    re.IGNORECASE,
)
# Words that tell a link without an extension. For pictures there are none: a refusal links to
# rules about images.
_SAYS: Final[Mapping[Medium, re.Pattern[str]]] = {
    "video": re.compile("video|download|视频|下载", re.IGNORECASE),
    "audio": re.compile("audio|download|音频|下载", re.IGNORECASE),
}
# The piece of the path in which the ways to one file differ at known relays.
_WAYS: Final = re.compile(r"/(?:download|preview)(?=/)")
_LABEL_SIGNS: Final = re.compile(r"\\.|[\[\]]", re.DOTALL)
_LONGEST_LABEL: Final = 4096  # characters; of a longer one the end is looked at

# How sure it is that a find is what was asked for: these in this order, the last only alone.
_PICTURE, _LINK, _MENTION, _INLINE, _GUESS = range(5)


def links(text: str, makes: Medium = "image") -> list[str]:
    """Return addresses and data URIs of such media in a text, each once, the surest first."""
    return [find for tier in tiers(text, makes) for find in tier]


def tiers(text: str, makes: Medium = "image") -> list[list[str]]:
    """Return the same apart: pictures that are shown, links, mentions, data URIs, and guesses."""
    found = sorted(_finds(text, makes), key=lambda find: find[0])
    least = _INLINE if found and found[0][0] < _GUESS else _GUESS
    ranks: dict[str, int] = {}
    for rank, find in found:
        if rank <= least:
            ranks.setdefault(find, rank)
    return [[find for find, rank in ranks.items() if rank == tier] for tier in range(_GUESS + 1)]


def by_file(tiers: Iterable[Iterable[str]]) -> list[list[str]]:
    """Return for each file the addresses that lead to it, the surest first.

    The first tier that is not empty says which files there are. Of a later one only those count
    that lead to one of these in another way: relays show a picture, and link to its download.
    """
    files: dict[str, list[str]] = {}
    for tier in tiers:
        told = bool(files)
        for address in tier:
            name = _WAYS.sub("", address)
            if not told or name in files:
                files.setdefault(name, []).append(address)
    return list(files.values())


def _finds(text: str, makes: Medium) -> Iterator[tuple[int, str]]:
    at = labels = 0  # where the next address, and the next label, may begin
    while start := _START.search(text, at):
        begin = start.start()
        opening = _OPENING.search(text, max(at, begin - _LONGEST_OPENING), begin)
        if text[begin] in "dD":
            at = end = _data_end(text, begin, makes, wrapped=opening is not None)
        else:
            at = end = _address_end(text, begin, _ENCLOSED if opening else _BARE)
        if opening:
            label = _label(text, max(labels, opening.start() - _LONGEST_LABEL), opening.start())
            labels = at
            rank = _rank_of_link(text, label, begin, end, makes)
        else:
            rank = _rank_of_mention(text, begin, end, makes)
        if rank is not None:
            yield rank, text[begin:end].rstrip(None if opening else _PROSE)


def _data_end(text: str, begin: int, makes: Medium, wrapped: bool) -> int:
    """Return the end of a data URI, or of its first word if it is not one of such media."""
    head = _DATA[makes].match(text, begin)
    if head is None:
        return begin + len("data:")
    return _end(_WRAPPED_BASE64 if wrapped else _BASE64, text, head.end())


def _address_end(text: str, begin: int, run: re.Pattern[str]) -> int:
    """Return where an address ends: at the first bracket that was not opened in it, at latest."""
    opened = dict.fromkeys(_CLOSERS.values(), 0)
    at = _end(run, text, begin)
    while sign := text[at : at + 1]:
        if sign in _CLOSERS:
            opened[_CLOSERS[sign]] += 1
        elif opened.get(sign):
            opened[sign] -= 1
        else:
            break
        at = _end(run, text, at + 1)
    return at


def _end(run: re.Pattern[str], text: str, begin: int) -> int:
    found = run.match(text, begin)
    return found.end() if found else begin


def _label(text: str, begin: int, end: int) -> int:
    """Return where the label that closes at ``end`` opens, or ``begin`` if that is not seen."""
    opened: list[int] = []
    for sign in _LABEL_SIGNS.finditer(text, begin, end):
        if sign[0] == "[":
            opened.append(sign.start())
        elif sign[0] == "]" and opened:
            opened.pop()
    return opened[-1] if opened else begin


def _rank_of_link(text: str, label: int, begin: int, end: int, makes: Medium) -> int | None:
    is_picture = makes == "image" and text.startswith("![", label - 1)
    if text[begin] in "dD":
        inline = _rank_of_mention(text, begin, end, makes)
        return _PICTURE if is_picture and inline is not None else inline
    if end - begin > _LONGEST:
        return None
    medium = _medium(text[begin:end])
    if medium is None and makes in _SAYS:
        return _GUESS if _SAYS[makes].search(text, label, end) else None
    if is_picture and medium in (makes, None):
        return _PICTURE
    return _LINK if medium == makes else None


def _rank_of_mention(text: str, begin: int, end: int, makes: Medium) -> int | None:
    if text[begin] in "dD":
        return _INLINE if _DATA[makes].match(text, begin) else None
    if end - begin > _LONGEST:
        return None
    return _MENTION if _medium(text[begin:end].rstrip(_PROSE)) == makes else None


def _medium(address: str) -> str | None:
    """Return what an address leads to, by its extension."""
    found = _EXTENSION.match(address)
    return found.lastgroup if found else None
