"""Made-up media: known by their first bytes, valid, the same for the same seed, and bounded."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from collections.abc import Callable

import pytest

from batch.mock._samples import jpeg, mp3, mp4, pcm, png, srt, vtt, wav, webp
from batch.wire._media import sniff

SEEDED: list[tuple[Callable[[int], bytes], str]] = [
    (png, ".png"),
    (jpeg, ".jpg"),
    (webp, ".webp"),
    (mp3, ".mp3"),
    (lambda seed: mp4(seed, 4096), ".mp4"),
]
IDS = [extension for _, extension in SEEDED]


@pytest.mark.parametrize(("make", "extension"), SEEDED, ids=IDS)
def test_a_file_is_known_by_its_first_bytes(make: Callable[[int], bytes], extension: str) -> None:
    for seed in (0, 1, 10**12, -1):
        assert sniff(make(seed)[:64]).extension == extension


@pytest.mark.parametrize(("make", "extension"), SEEDED, ids=IDS)
def test_a_file_hangs_on_its_seed_alone(make: Callable[[int], bytes], extension: str) -> None:
    made = [make(seed) for seed in range(200)]

    assert made == [make(seed) for seed in range(200)]
    assert len(set(made)) == 200


def test_bare_sound_is_known_by_what_was_asked_for() -> None:
    assert sniff(wav(10)).extension == ".wav"
    assert sniff(pcm(10)).extension == ".bin"
    assert sniff(pcm(10), "pcm16").extension == ".pcm"


@pytest.mark.parametrize("size", [1, 16, 21, 22, 1024])
def test_a_png_is_whole_and_its_rows_have_the_size_that_it_says(size: int) -> None:
    made = png(7, size)
    chunks, at = {}, 8

    while at < len(made):
        (length,) = struct.unpack_from(">I", made, at)
        name, data = made[at + 4 : at + 8], made[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", made, at + 8 + length) == (zlib.crc32(name + data),)
        chunks[name] = data
        at += 12 + length

    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (size, size, 8, 2, 0, 0, 0)
    assert len(zlib.decompress(chunks[b"IDAT"])) == size * (1 + 3 * size)


def test_a_wav_plays_as_long_as_asked() -> None:
    with wave.open(io.BytesIO(wav(250))) as played:
        assert played.getframerate() == 24000
        assert played.getnframes() == 6000
        assert played.readframes(6000) == pcm(250)


def test_a_jpeg_leads_from_segment_to_segment_to_its_end() -> None:
    made, at, markers = jpeg(3), 2, []

    while not markers or markers[-1] != 0xDA:
        start, marker, length = struct.unpack_from(">BBH", made, at)
        assert start == 0xFF
        markers.append(marker)
        at += 2 + length

    assert markers == [0xFE, 0xDB, 0xC0, 0xC4, 0xC4, 0xDA]
    assert made[at + 2 :] == b"\xff\xd9"


def test_a_webp_says_its_own_size() -> None:
    made = webp(3)

    assert struct.unpack_from("<I", made, 4) == (len(made) - 8,)
    assert made[12:16] == b"VP8L"
    assert struct.unpack_from("<I", made, 16) == (len(made) - 20,)
    assert len(made) % 2 == 0


def test_an_mp3_is_frames_of_one_length() -> None:
    made = mp3(3)

    assert len(made) % 24 == 0
    assert all(made[at : at + 2] == b"\xff\xf3" for at in range(0, len(made), 24))
    assert made.count(b"\xff") == len(made) // 24


@pytest.mark.parametrize("length", [32, 33, 100, 4096, 10**6])
def test_a_film_has_the_length_asked_for_and_its_boxes_fill_it(length: int) -> None:
    made = mp4(3, length)
    boxes, at = [], 0

    while at < len(made):
        size, name = struct.unpack_from(">I4s", made, at)
        boxes.append(name)
        at += size

    assert len(made) == length == at
    assert boxes == [b"ftyp", b"mdat"]


def test_sizes_beyond_reason_are_cut() -> None:
    assert png(1, 10**9) == png(1, 1024)
    assert png(1, 0) == png(1, 1)
    assert len(wav(10**9)) == len(wav(60_000)) < 3_000_000
    assert pcm(-1) == b""
    assert len(mp4(1, -1)) == 32


SAID = "one\n\ntwo --> three\r\n"


def test_subtitles_have_one_cue_whatever_is_said() -> None:
    assert srt(SAID) == "1\n00:00:00,000 --> 00:00:01,000\none two -> three\n\n"
    assert vtt(SAID) == "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\none two -> three\n\n"
