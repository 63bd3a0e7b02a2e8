"""What a file is, what base64 holds, and how media leave a body."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.wire._media import KINDS, MARK, decode, sniff, substitute

FRAME = b"\xff\xfb\x90\x64" + bytes(60)

MARKED = [
    ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ".png"),
    ("png cut short", b"\x89PNG", ".bin"),
    ("jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF", ".jpg"),
    ("jpeg without JFIF", b"\xff\xd8\xff\xdb", ".jpg"),
    ("gif 87", b"GIF87a\1\0", ".gif"),
    ("gif 89", b"GIF89a\1\0", ".gif"),
    ("webp", b"RIFF\x1a\0\0\0WEBPVP8L", ".webp"),
    ("wav", b"RIFF\x1a\0\0\0WAVEfmt ", ".wav"),
    ("wav of unknown length", b"RIFF\xff\xff\xff\xffWAVEfmt ", ".wav"),
    ("another RIFF", b"RIFF\x1a\0\0\0AVI LIST", ".bin"),
    ("avif", b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", ".avif"),
    ("avif in its general brand", b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf", ".avif"),
    ("heic", b"\0\0\0\x20ftypheic\0\0\0\0mif1heic", ".heic"),
    ("heic in its general brand", b"\0\0\0\x20ftypmif1\0\0\0\0mif1heic", ".heic"),
    ("mp4 isom", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", ".mp4"),
    ("mp4 mp42", b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", ".mp4"),
    ("mp4 of another brand", b"\0\0\0\x18ftypXYZ \0\0\0\0", ".mp4"),
    ("mov", b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", ".mov"),
    ("m4a", b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42", ".m4a"),
    ("webm", b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\x82\x84webmB\x87", ".webm"),
    ("mkv", b"\x1aE\xdf\xa3\xa3B\x86\x81\1B\xf7\x81\1B\x82\x88matroskaB\x87", ".mkv"),
    ("mp3 with a tag", b"ID3\4\0\0\0\0\0\x23TSSE", ".mp3"),
    ("words that begin like a tag", b"ID3 is a format", ".bin"),
    ("mp3 MPEG-1", FRAME, ".mp3"),
    ("mp3 MPEG-2", b"\xff\xf3\x14\xc4" + bytes(20), ".mp3"),
    ("mp3 MPEG-2.5", b"\xff\xe3\x18\xc4" + bytes(20), ".mp3"),
    ("sync of a version that is not", b"\xff\xeb\x90\x64", ".bin"),
    ("sync of layer I", b"\xff\xff\x90\x64", ".bin"),
    ("sync without a bit rate", b"\xff\xfb\xf0\x64", ".bin"),
    ("sync without a sample rate", b"\xff\xfb\x9c\x64", ".bin"),
    ("aac", b"\xff\xf1\x50\x80\2\x1f\xfc", ".aac"),
    ("aac MPEG-2 with a sum", b"\xff\xf8\x50\x80\2\x1f\xfc", ".aac"),
    ("aac without a sample rate", b"\xff\xf1\x7c\x80", ".bin"),
    ("flac", b"fLaC\0\0\0\x22", ".flac"),
    ("opus", b"OggS\0\2" + bytes(22) + b"OpusHead\1", ".opus"),
    ("vorbis", b"OggS\0\2" + bytes(22) + b"\1vorbis", ".ogg"),
    ("bmp", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", ".bmp"),
    ("words that begin like a bmp", b"BMW and others make cars", ".bin"),
    ("pdf", b"%PDF-1.7\n", ".pdf"),
    ("text", b"WEBVTT\n\n", ".bin"),
    ("a page", b"<!doctype html>", ".bin"),
    ("two bytes", b"\xff\xfb", ".bin"),
    ("nothing", b"", ".bin"),
]


@pytest.mark.parametrize(("name", "head", "extension"), MARKED, ids=[row[0] for row in MARKED])
def test_a_file_is_what_its_first_bytes_say(name: str, head: bytes, extension: str) -> None:
    for hint in ("", "image/svg+xml", ".exe", "audio/mpeg; charset=x"):
        assert sniff(head, hint) == KINDS[extension]


@pytest.mark.parametrize(
    ("hint", "extension"),
    [
        ("pcm", ".pcm"),
        ("pcm16", ".pcm"),
        ("audio/pcm", ".pcm"),
        ("Audio/PCM ; rate=24000", ".pcm"),
        ("audio/L16;codec=pcm;rate=24000", ".pcm"),
        ("audio/mpeg; charset=x", ".bin"),
        ("application/json", ".bin"),
        ("pcm/../../etc", ".bin"),
        ("x" * 100 + "pcm", ".bin"),
        ("", ".bin"),
    ],
)
def test_a_hint_is_asked_only_for_what_has_no_mark(hint: str, extension: str) -> None:
    assert sniff(b"\1\0\2\0", hint).extension == extension


def test_a_mark_outranks_a_hint_but_for_a_sync_that_samples_may_have_too() -> None:
    assert sniff(b"RIFF\x1a\0\0\0WAVEfmt ", "pcm16").extension == ".wav"
    assert sniff(FRAME, "pcm16").extension == ".pcm"
    assert sniff(FRAME, "audio/mpeg").extension == ".mp3"


@given(st.binary(max_size=80), st.text(max_size=80))
def test_no_name_comes_from_outside_the_table(head: bytes, hint: str) -> None:
    assert sniff(head, hint) in KINDS.values()


RAW = bytes(range(256))
TEXT = b64encode(RAW).decode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT, id="bare"),
        pytest.param(TEXT.rstrip("="), id="without padding"),
        pytest.param(TEXT + "=", id="with too much padding"),
        pytest.param(urlsafe_b64encode(RAW).decode(), id="for URLs"),
        pytest.param(urlsafe_b64encode(RAW).decode().rstrip("="), id="for URLs, without padding"),
        pytest.param("\n".join(TEXT[i : i + 76] for i in range(0, 400, 76)), id="wrapped"),
        pytest.param(f" \r\n{TEXT}\t", id="with space around"),
        pytest.param(f"data:image/png;base64,{TEXT}", id="data URI"),
        pytest.param(f"DATA:image/png;charset=x;BASE64,{TEXT}", id="data URI in capitals"),
        pytest.param(f"data:;base64,{TEXT}", id="data URI without a type"),
    ],
)
def test_base64_is_decoded_however_it_is_spelled(text: str) -> None:
    assert decode(text) == RAW


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "====",
        " \n",
        "A",
        "AAAAA",
        "AA=A",
        "AA==AAAA",
        "QUJD.",
        "QUJDé",
        "\ud800QUJ",
        "https://host/a.png",
        "data:image/png;base64,",
        "data:image/png,QUJD",
        "data:image/svg+xml;utf8,<svg/>",
        "data:image/png;base64",
        f"data:{'x' * 600};base64,QUJD",
    ],
)
def test_what_is_no_base64_or_holds_nothing_is_none(text: str) -> None:
    assert decode(text) is None


@given(st.binary(min_size=1))
def test_what_was_encoded_comes_back(raw: bytes) -> None:
    assert decode(b64encode(raw).decode()) == raw
    assert decode(urlsafe_b64encode(raw).decode().rstrip("=")) == raw


@given(st.text())
def test_any_text_is_decoded_or_none(text: str) -> None:
    assert decode(text) != b""


URL = "https://h/a/b.png?x=1&y=2"
URI = "data:image/png;base64,AB/+=="
NUMBERS = '"n": 1.10, "m": 123456789012345678901234567890'
PLACED = [
    ("an address", f'{{"a": "{URL}", {NUMBERS}}}', URL, f'{{"a": "wbatch-file:f", {NUMBERS}}}'),
    ("every place", f'["{URL}","![]({URL})"]', URL, '["wbatch-file:f","![](wbatch-file:f)"]'),
    ("as PHP does", f'["{URL}"]'.replace("/", r"\/"), URL, '["wbatch-file:f"]'),
    ("as Go does", f'["{URL}"]'.replace("&", r"\u0026"), URL, '["wbatch-file:f"]'),
    (
        "two spellings in one body",
        f'["{URL}","{URL}"]'.replace("&", r"\u0026", 1),
        URL,
        '["wbatch-file:f","wbatch-file:f"]',
    ),
    (
        "as nobody does: that string alone is spelled anew",
        rf'{{"a": "\u0068{URL[1:]} \u00e9", "b": "\u00e9", {NUMBERS}}}',
        URL,
        rf'{{"a": "wbatch-file:f é", "b": "\u00e9", {NUMBERS}}}',
    ),
    ("after an escape", rf'["\n\n{URL}\n"]', URL, r'["\n\nwbatch-file:f\n"]'),
    ("at the end of a sentence", f'["see {URL}."]', URL, '["see wbatch-file:f."]'),
    ("a data URI", f'["![]({URI})"]', URI, '["![](wbatch-file:f)"]'),
    ("base64", '{"b": "QUJD"}', "QUJD", '{"b": "wbatch-file:f"}'),
    ("base64 as PHP writes it", r'{"b": "QU\/D"}', "QU/D", '{"b": "wbatch-file:f"}'),
    ("base64 with escapes", r'{"b": "QUJ\u003d"}', "QUJ=", '{"b": "wbatch-file:f"}'),
    ("base64 that is a key as well", '{"data":{"b": "data"}}', "data", None),
    (
        "quotes in an address",
        r'["https://h/\"a\"", "x"]',
        'https://h/"a"',
        '["wbatch-file:f", "x"]',
    ),
    ("characters beyond ASCII", '["https://h/图.png"]', "https://h/图.png", '["wbatch-file:f"]'),
]


@pytest.mark.parametrize(("name", "body", "text", "after"), PLACED, ids=[row[0] for row in PLACED])
def test_a_name_takes_the_place_of_media_and_of_nothing_else(
    name: str, body: str, text: str, after: str | None
) -> None:
    expected = after or body.replace('"b": "data"', '"b": "wbatch-file:f"')

    assert substitute(body.encode(), text, "f").decode() == expected


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(f'["{URL}"]', "https://h/other.png", id="an address that is not there"),
        pytest.param(f'["{URL}"]', "https://h/a", id="the beginning of a longer address"),
        pytest.param(f'["{URL}"]', "https://h/a/b", id="an address without extension"),
        pytest.param(f'["{URL}"]', URL.partition("?")[0], id="an address without query"),
        pytest.param(f'["{URL}"]', URL.partition("&")[0], id="an address with half of its query"),
        pytest.param(rf'["{URL}"]'.replace("&", r"\u0026"), URL.partition("&")[0], id="so in Go"),
        pytest.param(f'["{URI}"]', URI[:-2], id="the beginning of a data URI"),
        pytest.param('["QUJDQUJD"]', "QUJD", id="a part of base64"),
        pytest.param('{"n": 1234, "t": true}', "1234", id="a number"),
        pytest.param('{"n": 1234, "t": true}', "true", id="a word of JSON"),
        pytest.param('{"data" : 1}', "data", id="a key"),
        pytest.param('["https://h/a\\",\\"b", "https://h/a","b"]', 'https://h/a", "', id="quotes"),
        pytest.param(
            r'["\u00adata:image/png;base64,QUJD"]', "data:image/png;base64,QUJD", id="half"
        ),
        pytest.param('[""]', "", id="nothing"),
        pytest.param('["a"]', "https://h/\ud800", id="half of a pair"),
    ],
)
def test_where_the_text_does_not_stand_nothing_changes(body: str, text: str) -> None:
    assert substitute(body.encode(), text, "f") == body.encode()


@given(
    st.lists(
        st.sampled_from([URL, URI, "QUJD", URL[:9], "d", "\\", '"', "/", "&", "é", " ", "ad"])
    ),
    st.sampled_from([URL, URI, "QUJD"]),
    st.booleans(),
)
def test_what_was_json_stays_json(pieces: list[str], text: str, ascii_only: bool) -> None:
    document = {"".join(pieces): ["".join(pieces), *pieces, text, 10**30]}
    body = json.dumps(document, ensure_ascii=ascii_only).encode()

    after = json.loads(substitute(body, text, "f"))

    (values,) = after.values()
    assert MARK + "f" in values
    assert values[-1] == 10**30
    assert len(values) == len(pieces) + 3


def test_a_name_is_written_as_json_wants_it() -> None:
    after = substitute(b'["https://h/a"]', "https://h/a", 'x"\\\n')

    assert orjson.loads(after) == [MARK + 'x"\\\n']
