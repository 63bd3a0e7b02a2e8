"""Media that are small, valid and always the same for the same seed. No vendor's words."""

from __future__ import annotations

import struct
import zlib
from hashlib import blake2b
from typing import Final

_LARGEST_PICTURE: Final = 1024  # pixels a side
_LONGEST_SOUND: Final = 60_000  # milliseconds
_LARGEST_FILM: Final = 1 << 28  # bytes
_SAMPLES_A_MS: Final = 24  # of 16 bits each, as speech has them here

_FRAMES: Final = 8
# MPEG-2 layer III, 8 kbit/s, 24 kHz, mono: 24 bytes a frame. With side information of zeros a frame
# is silent, and what follows in it is nobody's.
_FRAME: Final = bytes((0xFF, 0xF3, 0x14, 0xC4)) + bytes(9)

_FILM_TYPE: Final = struct.pack(">I4s4sI8s", 24, b"ftyp", b"isom", 512, b"isommp42")


def png(seed: int, size: int = 16) -> bytes:
    """Return a square picture with so many pixels a side, from 1 to 1024."""
    size = min(max(size, 1), _LARGEST_PICTURE)
    colors = _noise(seed) * (3 * size // 64 + 2)
    rows = b"".join(b"\0" + colors[y % 64 : y % 64 + 3 * size] for y in range(size))
    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)  # 8 bits of red, green and blue
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg(seed: int) -> bytes:
    """Return a picture of 8 by 8 pixels of one grey, and the seed as its comment."""
    grey = _noise(seed)[0] & 0x7F
    # Each code is a single 0: for a difference of 7 bits, which follow, and for the block's end.
    coded = bytes((grey, 0x7F))
    segments = (
        (0xFE, b"%d" % seed),
        (0xDB, b"\0" + bytes([8]) * 64),
        (0xC0, struct.pack(">BHHBBBB", 8, 8, 8, 1, 1, 0x11, 0)),
        (0xC4, b"\x00\1" + bytes(15) + b"\7"),
        (0xC4, b"\x10\1" + bytes(15) + b"\0"),
        (0xDA, bytes((1, 1, 0, 0, 63, 0))),
    )
    written = b"".join(
        struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data for marker, data in segments
    )
    return b"\xff\xd8" + written + coded + b"\xff\xd9"


def webp(seed: int) -> bytes:
    """Return a lossless picture of 16 by 16 pixels of one color."""
    red, green, blue, *_ = _noise(seed)
    # Width and height less one, no alpha; neither transform nor cache nor several codes. Then five
    # codes with one symbol each, so that the pixels take no bits at all; the last is of distances.
    fields = [(15, 14), (15, 14), (0, 1), (0, 3), (0, 3)]
    for symbol in (green, red, blue, 255):
        fields += [(0b101, 3), (symbol, 8)]
    fields.append((0b0001, 4))
    bits = place = 0
    for value, width in fields:
        bits |= value << place
        place += width
    return _riff(b"WEBP", (b"VP8L", b"\x2f" + bits.to_bytes(-(-place // 8), "little")))


def pcm(ms: int) -> bytes:
    """Return bare silence: 16 bit, mono, 24 kHz, a minute at most."""
    return bytes(2 * _SAMPLES_A_MS * min(max(ms, 0), _LONGEST_SOUND))


def wav(ms: int) -> bytes:
    """Return the same silence as a file that plays."""
    form = struct.pack("<HHIIHH", 1, 1, 24000, 48000, 2, 16)
    return _riff(b"WAVE", (b"fmt ", form), (b"data", pcm(ms)))


def _riff(kind: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Put chunks together, each of an even length."""
    written = b"".join(struct.pack("<4sI", name, len(data)) + data for name, data in chunks)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(written), kind) + written


def mp3(seed: int) -> bytes:
    """Return 192 ms of silence, with the seed where players do not look."""
    frame = _FRAME + b"%011d" % (seed % 10**11)
    return frame * _FRAMES


def mp4(seed: int, length: int) -> bytes:
    """Return a film of so many bytes, at least 32, that holds no picture but is known as a film."""
    length = min(max(length, len(_FILM_TYPE) + 8), _LARGEST_FILM)
    size = length - len(_FILM_TYPE)
    noise = _noise(seed) * (size // 64 + 1)
    return _FILM_TYPE + struct.pack(">I4s", size, b"mdat") + noise[: size - 8]


def srt(text: str) -> str:
    """Return subtitles that show the text for a second."""
    return f"1\n00:00:00,000 --> 00:00:01,000\n{_cue(text)}\n\n"


def vtt(text: str) -> str:
    """Return the same as WebVTT."""
    return f"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{_cue(text)}\n\n"


def _cue(text: str) -> str:
    """Return a text as one line, which no empty line and no arrow ends."""
    return " ".join(text.split()).replace("-->", "->")


def _noise(seed: int) -> bytes:
    return blake2b(b"%d" % seed).digest()
