"""Flags, templates and ids that cannot be meant, a row each, and what the command does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.catalogues.bad_inputs_files import FILLED, GOOD, Case, Make
from tests.catalogues.bad_inputs_names import BEYOND


def _flags(*said: str, code: int, says: Sequence[str], name: str = "") -> Case:
    return Case(
        name or " ".join(said),
        "numbers that make no sense",
        {"in.jsonl": GOOD},
        code,
        says,
        more=said,
    )


FLAGS: Final = (
    _flags("--shard", "3/2", code=2, says=("--shard",)),
    *(_flags("--rpm", number, code=2, says=("--rpm",)) for number in ("0", "-1", "nan", "1.5")),
    *(_flags("-c", number, code=2, says=("--concurrency",)) for number in ("0", "-3")),
    *(
        _flags("--timeout", number, code=2, says=("--timeout",))
        for number in ("0", "nan", "inf", "-1")
    ),
    *(
        _flags("--max-cost", number, code=2, says=("--max-cost",))
        for number in ("nan", "-1", "inf")
    ),
    *(
        _flags("--max-duration", number, code=2, says=("--max-duration",))
        for number in ("nan", "0", "soon")
    ),
    _flags("--max-line-bytes", "0", code=2, says=("--max-line-bytes",)),
    _flags("--max-inflight-bytes", "0", code=2, says=("--max-inflight-bytes",)),
    _flags("--head", "0", code=2, says=("--head",)),
    _flags("--param", "seed=18446744073709551616", code=2, says=("--param",)),
    _flags(
        "--param",
        f"x={'[' * 400}{']' * 400}",
        code=2,
        says=("--param", "deep"),
        name="--param of 400 levels",
    ),
    _flags(
        "--param",
        f"x={'[' * 100_000}",
        code=2,
        says=("--param", "deep"),
        name="--param of 100,000 levels",
    ),
    _flags("--param", "=1", code=2, says=("--param", "max_tokens=100")),
    _flags("--param", r'x="\ud800"', code=2, says=("param", "UTF-8")),
    Case(
        "-m with a stray byte",
        "numbers that make no sense",
        {"in.jsonl": GOOD},
        2,
        ("--model", "UTF-8"),
        more=("-m", b"m\xff"),
    ),
)


_DEEP: Final = b"[" * 300 + b"]" * 300
_ROW: Final = b'{"text":"a","n":null,"big":18446744073709551616,"deep":%b}\n' % _DEEP


def _template(
    name: str,
    text: bytes | Make,
    code: int,
    *says: str,
    sent: int = 0,
    holds: bytes = b"",
    errors: Sequence[str] = (),
) -> Case:
    files = {"in.jsonl": _ROW, "p.txt": text}
    return Case(
        name, "odd templates", files, code, says, sent, more=FILLED, holds=holds, errors=errors
    )


TEMPLATES: Final = (
    _template("a hole that is open", b"Hello {{ text", 78, "p.txt:1", 'written {{ "{{" }}'),
    _template("a word that is none", b"{% loop %}", 78, "p.txt:1", "loop"),
    _template(
        "a hole of another language",
        b"{0.__class__} {text}",
        0,
        sent=1,
        holds=b"{0.__class__} {text}",
    ),
    _template(
        "a way out of the sandbox",
        b"{{ text.__class__.__mro__ }}",
        65,
        "in.jsonl:1",
        "p.txt",
        "__class__",
    ),
    _template(
        "a way out by a filter", b"{{ text | attr('__class__') }}", 65, "in.jsonl:1", "p.txt"
    ),
    _template(
        "a file of the system", b"{% include '/etc/passwd' %}", 65, "in.jsonl:1", "no other file"
    ),
    _template("chance", b"{{ lipsum() }}", 65, "in.jsonl:1", 'uses "lipsum"'),
    _template(
        "a field that is missing",
        b"{{ txt }}",
        65,
        "in.jsonl:1",
        'p.txt uses "txt", which is not there',
        'Was "text" meant?',
        "Nothing was sent",
    ),
    _template("a field that is null", b"{{ n }}", 65, "in.jsonl:1", "null", "or"),
    _template("65 bits", b"{{ big }}", 0, sent=1, holds=b'"18446744073709551616"'),
    _template("300 levels", b"{{ deep }}", 0, sent=1, holds=b'"%b"' % _DEEP),
    _template("a lone surrogate", rb'{{ "\ud800" }}', 65, "in.jsonl:1", "p.txt", "surrogate"),
    _template(
        "a loop of days",
        b"{% for i in range(10 ** 9) %}x{% endfor %}",
        65,
        "in.jsonl:1",
        "p.txt",
        "range",
    ),
    _template("nothing", b"", 3, errors=("empty_prompt",)),
    _template("no UTF-8", b"caf\xe9 {{ text }}", 78, "p.txt", "not UTF-8", "Save it as UTF-8"),
    _template("a folder", Path.mkdir, 78, "p.txt", "Is a directory"),
    _template(
        "a text without an end",
        lambda path: path.symlink_to("/dev/zero"),
        78,
        "p.txt",
        "larger than",
    ),
    Case(
        "no such template",
        "odd templates",
        {"in.jsonl": GOOD},
        78,
        ("p.txt cannot be read",),
        more=FILLED,
    ),
)

DOUBLE: Final = (
    Case(
        "ids that stand twice",
        "duplicate custom_id",
        {"in.jsonl": b'{"id":"a","prompt":"x"}\n' * 2},
        65,
        ("in.jsonl:2", 'custom_id "a" already stands on in.jsonl:1'),
    ),
    Case(
        "a number and a text",
        "duplicate custom_id",
        {"in.jsonl": b'{"id":1,"prompt":"x"}\n{"id":"1","prompt":"x"}\n'},
        65,
        ("in.jsonl:2", 'custom_id "1" already stands on in.jsonl:1'),
    ),
    Case(
        "in two files",
        "duplicate custom_id",
        {"in.jsonl": b'{"id":"a","prompt":"x"}\n', "b.jsonl": b'{"id":"a","prompt":"y"}\n'},
        65,
        ("b.jsonl:1", "in.jsonl:1"),
        more=("b.jsonl",),
    ),
    Case(
        "of a batch",
        "duplicate custom_id",
        {
            "in.jsonl": b'{"custom_id":"a","body":{"messages":[{"role":"user","content":"x"}]}}\n'
            * 2
        },
        65,
        ("in.jsonl:2", "Give every line its own custom_id"),
    ),
    Case(
        "the name that another line is given",
        "duplicate custom_id",
        {"in.jsonl": b'{"id":"line-2","prompt":"x"}\n{"prompt":"y"}\n'},
        65,
        ("in.jsonl:", 'custom_id "line-2"'),
    ),
    Case(
        "in other spellings of Unicode",
        BEYOND,
        {"in.jsonl": '{"id":"é","prompt":"x"}\n{"id":"e\u0301","prompt":"x"}\n'.encode()},
        0,
        sent=2,
    ),
)


SETTINGS: Final = (*FLAGS, *TEMPLATES, *DOUBLE)
