"""Bad files, a row each: what is there, and what the command does."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.catalogues.bad_inputs_kit import PROMPT
from tests.catalogues.bad_inputs_names import BEYOND

# What makes a file, if it is more than bytes.
Make = Callable[[Path], object]
GOOD: Final = PROMPT * 3
TABLE: Final = b"id,text\nr1,good\nr2,bad\n"
FILL: Final = {"p.txt": b"{{ text }}\n"}
FILLED: Final = ("-p", "p.txt")
USUAL: Final = ("run", "in.jsonl", "-o", "out.jsonl", "-m", "gpt-4o-mini")


class Case(msgspec.Struct, frozen=True):
    """What is there, what is asked, and what comes of it."""

    name: str
    entry: str  # of the catalogue
    files: Mapping[str, bytes | Make]
    code: int
    says: Sequence[str] = ()  # parts of the message
    sent: int = 0  # requests
    args: Sequence[str | bytes] = USUAL
    more: Sequence[str | bytes] = ()  # arguments after these
    errors: Sequence[str] = ()  # classes of the lines that failed
    given: bytes | None = None  # on standard input
    environ: Mapping[str, str] = {}
    holds: bytes = b""  # part of the last request
    apart: bool = False  # it needs a process of its own


def file(
    name: str, entry: str, content: bytes | Make, code: int, *says: str, sent: int = 0, **more: Any
) -> Case:
    """Return a case of one file of lines."""
    return Case(name, entry, {"in.jsonl": content}, code, says, sent, **more)


def table(
    name: str,
    content: bytes,
    code: int,
    *says: str,
    sent: int = 0,
    errors: Sequence[str] = (),
    called: str = "in.csv",
    flags: Sequence[str] = (),
) -> Case:
    """Return a case of a table and a template."""
    args = ("run", called, "-o", "out.jsonl", "-m", "gpt-4o-mini", *FILLED, *flags)
    return Case(name, BEYOND, {called: content, **FILL}, code, says, sent, args, errors=errors)


def _tar() -> bytes:
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w") as archive:
        one = tarfile.TarInfo("in.jsonl")
        one.size = len(GOOD)
        archive.addfile(one, io.BytesIO(GOOD))
    return kept.getvalue()


def _workbook() -> bytes:
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return kept.getvalue()


EMPTY: Final = (
    file("the end sign of DOS", BEYOND, GOOD + b"\x1a", 3, sent=3, errors=("invalid_json",)),
    file("nothing", "empty file", b"", 0, "the inputs hold no line"),
    file("line breaks alone", "only newlines", b"\n" * 5, 0, "the inputs hold no line"),
    file("a million line breaks", "only newlines", b"\n" * 1_000_000, 0, "the inputs hold no line"),
    file("blanks alone", "only whitespace lines", b" \t\r\n  \n\t", 0, "the inputs hold no line"),
    file("a mark alone", "BOM at the start", b"\xef\xbb\xbf", 0, "the inputs hold no line"),
    file("a mark and prompts", "BOM at the start", b"\xef\xbb\xbf" + GOOD, 0, sent=3),
    table("the names of columns alone", b"id,text\n", 0, "the inputs hold no line"),
)

ENCODED: Final = (
    file(
        "UTF-16 with a mark",
        "UTF-16",
        GOOD.decode().encode("utf-16"),
        65,
        "in.jsonl is UTF-16",
        "iconv -f UTF-16 -t UTF-8",
    ),
    file(
        "UTF-16 without a mark",
        "UTF-16",
        GOOD.decode().encode("utf-16-be"),
        65,
        "iconv -f UTF-16 -t UTF-8",
    ),
    table("a table in UTF-16", TABLE.decode().encode("utf-16"), 65, "in.csv is UTF-16", "iconv"),
    table(
        "a table in UTF-16 without a mark",
        TABLE.decode().encode("utf-16-le"),
        65,
        "in.csv is UTF-16",
        "iconv",
    ),
    table(
        "a table in UTF-16, said so",
        TABLE.decode().encode("utf-16"),
        78,
        "encoding utf-16",
        "iconv -f utf-16 -t UTF-8",
        flags=("--encoding", "utf-16"),
    ),
    table(
        "a table in GB18030",
        "id,text\n1,好\n2,坏\n".encode("gb18030"),
        65,
        "in.csv:2",
        "not UTF-8",
        "--encoding",
        "gb18030",
    ),
    table(
        "a table in GB18030, said so",
        "id,text\n1,好\n".encode("gb18030"),
        0,
        sent=1,
        flags=("--encoding", "gb18030"),
    ),
    table(
        "an encoding that nobody knows",
        TABLE,
        78,
        "encoding klingon",
        "gb18030",
        flags=("--encoding", "klingon"),
    ),
    table(
        "an encoding that is none of texts",
        TABLE,
        78,
        "encoding zlib",
        flags=("--encoding", "zlib"),
    ),
    table(
        "an encoding of a language",
        TABLE,
        78,
        "encoding raw_unicode_escape",
        flags=("--encoding", "raw_unicode_escape"),
    ),
)

LAID_OUT: Final = (
    file(
        "one array",
        "one JSON array",
        b'[{"prompt":"a"},{"prompt":"b"}]',
        65,
        "in.jsonl:1",
        "jq -c '.[]'",
    ),
    file(
        "one array over lines",
        "one JSON array",
        b'[\n {"prompt":"a"},\n {"prompt":"b"}\n]\n',
        65,
        "in.jsonl:1",
        "jq -c '.[]'",
    ),
    file(
        "an object over lines",
        "JSON over several lines",
        b'{\n  "prompt": "a"\n}\n',
        65,
        "in.jsonl:1",
        "jq -c .",
    ),
    file(
        "a table called JSONL",
        "CSV given as JSONL",
        TABLE,
        65,
        "in.jsonl:1",
        "CSV with the columns id, text",
        "-p prompt.txt",
        "{{ text }}",
    ),
    file(
        "lines of the old Macintosh",
        "lone CR",
        GOOD.replace(b"\n", b"\r"),
        3,
        "1 failed",
        errors=("invalid_json",),
    ),
    table(
        "a table of the old Macintosh",
        TABLE.replace(b"\n", b"\r"),
        65,
        "in.csv:1",
        "carriage return",
    ),
    table("tabs", TABLE.replace(b",", b"\t"), 0, sent=2),
    table("tabs called commas within", b"id\ttext\nr1\ta, b\n", 0, sent=1),
    table("semicolons", TABLE.replace(b",", b";"), 0, sent=2),
    table("two headers", TABLE + TABLE.replace(b"r", b"s"), 3, sent=4, errors=("invalid_row",)),
    table("a mark in the head", b"\xef\xbb\xbf" + TABLE, 0, sent=2),
    table(
        "two columns of a name",
        b"id,text,text\n1,a,b\n",
        65,
        "in.csv:1",
        'two columns are called "text"',
    ),
    table(
        "a NUL in the name of a column",
        b"id,te\0xt\n1,a\n",
        65,
        "in.csv:2",
        'uses "text", which is not there',
        "te\\x00xt",
    ),
    table(
        "a quote that is open",
        b'id,text\n1,"a\n2,b\n3,c\n',
        65,
        "in.csv:2",
        "a quote is open to the end",
        "Close it",
    ),
    table(
        "a quote in the head that is open", b'"id,text\n1,a\n', 65, "in.csv:1", "a quote is open"
    ),
    table("a name of 300,000 bytes", b"id,text," + b"n" * 300_000 + b"\n1,a,b\n", 0, sent=1),
    table(
        "no column that the template names",
        b"id,body\n1,a\n",
        65,
        "in.csv:2",
        'p.txt uses "text"',
        '"id", "body"',
    ),
    table(
        "no column of the ids",
        TABLE,
        65,
        "in.csv:1",
        'no column is called "nr"',
        "There are id, text",
        flags=("--id-column", "nr"),
    ),
    table(
        "ids that stand twice",
        TABLE + b"r1,again\n",
        65,
        "in.csv:4",
        'custom_id "r1" already stands on in.csv:2',
        "--id-column",
    ),
    table("a template in a name", b"id,text,{{ 7 * 7 }}\n1,a,b\n", 0, sent=1),
    table("JSON called a table", b'{"id":"a","text":"b"}\n', 0, sent=1),
)

FOREIGN: Final = (
    table(
        "a workbook called a table",
        _workbook(),
        65,
        "in.csv is a zip archive or an office document",
        "CSV",
    ),
    table(
        "an old workbook called a table",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
        65,
        "in.csv is",
        "office document",
        "CSV",
    ),
    file("a zip", BEYOND, _workbook(), 65, "zip archive", "Give the file inside it"),
    file("a Parquet file", BEYOND, b"PAR1" + bytes(100) + b"PAR1", 65, "Parquet", "JSONL"),
    file("a tar", BEYOND, _tar(), 65, "tar archive", "Give the file inside it"),
    file("a packed tar", BEYOND, gzip.compress(_tar()), 65, "tar archive"),
    file("a PDF", BEYOND, b"%PDF-1.7\n%\xe2\xe3\n", 65, "PDF"),
    file("a picture", BEYOND, b"\x89PNG\r\n\x1a\n" + bytes(64), 65, "in.jsonl is a picture"),
    file(
        "a web page",
        BEYOND,
        b"<!DOCTYPE html>\n<html>\n</html>\n",
        65,
        "in.jsonl is no JSONL: line 1 begins with",
        "a web page or XML",
    ),
    file(
        "a prompt a line, as text",
        BEYOND,
        b"Name a colour.\nName a fruit.\n",
        65,
        'in.jsonl is no JSONL: line 1 begins with "Name a colour."',
        'an object such as {"prompt": "..."}',
        "jq -Rc '{prompt: .}' FILE",
    ),
    file(
        "text with one good line in it",
        BEYOND,
        b"Name a colour.\n" + PROMPT,
        3,
        sent=1,
        errors=("invalid_json",),
    ),
    file("bytes of some kind", BEYOND, b"OggS\0\2\0\0\n\1\0", 65, "in.jsonl is no", "no text"),
    file(
        "answers",
        BEYOND,
        b'{"custom_id":"a","response":{"status_code":200,"body":{}},"error":null}\n',
        65,
        "in.jsonl:1",
        "It holds answers, not prompts",
    ),
    file(
        "two files in one",
        BEYOND,
        GOOD + b'{"custom_id":"a","body":{"messages":[]}}\n',
        65,
        "in.jsonl:4",
        "the file is mixed",
    ),
    file(
        "data",
        BEYOND,
        b'{"text":"a"}\n',
        65,
        "in.jsonl:1",
        "data with the fields text",
        "-p prompt.txt",
    ),
)

PACKED: Final = (
    file("gzip by another name", "compressed, told by magic", gzip.compress(GOOD), 0, sent=3),
    Case(
        "no gzip, called so",
        "compressed, told by magic",
        {"in.jsonl.gz": GOOD},
        0,
        sent=3,
        args=("run", "in.jsonl.gz", *USUAL[2:]),
    ),
    file("bzip2", "compressed, told by magic", bz2.compress(GOOD), 65, "bzip2 -dc FILE"),
    file("xz", "compressed, told by magic", b"\xfd7zXZ\x00\x00\x04", 65, "xz -dc FILE"),
    file(
        "gzip in gzip",
        "compressed, told by magic",
        gzip.compress(gzip.compress(GOOD)),
        65,
        "gzip twice",
    ),
    file("members", "broken gzip", gzip.compress(GOOD) + gzip.compress(GOOD), 0, sent=6),
    file(
        "an end cut off",
        "broken gzip",
        gzip.compress(GOOD)[:-9],
        65,
        "in.jsonl:",
        "cut short",
        "Fetch or pack the file again",
    ),
    file("ten bytes of it", "broken gzip", gzip.compress(GOOD)[:10], 65, "in.jsonl:1", "cut short"),
    file(
        "garbage behind",
        "broken gzip",
        gzip.compress(GOOD) + b"garbage",
        65,
        "in.jsonl:",
        "something else follows it",
    ),
    file("zeros behind, as on tapes", "broken gzip", gzip.compress(GOOD) + bytes(512), 0, sent=3),
    file(
        "a flipped byte",
        "broken gzip",
        gzip.compress(GOOD)[:-6] + b"\0\1" + gzip.compress(GOOD)[-4:],
        65,
        "in.jsonl:",
        "damaged",
    ),
    file(
        "a window of zstd that takes all memory",
        "zstd",
        b"\x28\xb5\x2f\xfd\x00\xf8" + bytes(64),
        65,
        "zstd -dc FILE",
    ),
    file(
        "frames of zstd",
        "zstd",
        b"\x50\x2a\x4d\x18\x04\0\0\0abcd\x28\xb5\x2f\xfd\x00",
        65,
        "zstd -dc FILE",
    ),
)


FILES: Final = (*EMPTY, *ENCODED, *LAID_OUT, *FOREIGN, *PACKED)
