"""Bad lines, a row each: what stands there, and what becomes of it. Many share one file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tests.catalogues.bad_inputs_names import BEYOND

CAP: Final = 1 << 20  # bytes of a line in these files


class Line(msgspec.Struct, frozen=True):
    """A line, and what becomes of it."""

    name: str
    entry: str  # of the catalogue
    raw: bytes
    code: str | None = None  # of its error; None: it is answered
    says: str = ""  # part of the message
    body: bytes | None = None  # that is sent
    custom_id: str | None = None


def chat(content: bytes = b'"x"', rest: bytes = b"") -> bytes:
    """Return a body with a message whose content is given as JSON; ``rest`` follows it."""
    message = b'[{"role":"user","content":%b}]' % content
    return b'{"model":"gpt-4o-mini","messages":%b%b}' % (message, rest)


def line(body: bytes, rest: bytes = b"") -> bytes:
    """Return a line of a batch with a body."""
    return b'{"body":%b%b}' % (body, rest)


def deep(levels: int) -> bytes:
    """Return lists in lists."""
    return b"[" * levels + b"]" * levels


def _bad(name: str, entry: str, raw: bytes, code: str, says: str) -> Line:
    return Line(name, entry, raw, code, says)


def _sent(name: str, entry: str, body: bytes) -> Line:
    """Return a line whose body goes out as it is written."""
    return Line(name, entry, line(body), body=body)


def _called(name: str, written: bytes, custom_id: str | None, entry: str = "odd custom_id") -> Line:
    """Return a line with an id as it is written; None: it cannot be one."""
    raw = b'{"custom_id":%b,"body":%b}' % (written, chat(b'"called"'))
    if custom_id is None:
        return Line(name, entry, raw, "invalid_request", '"custom_id" must be a text of 1 to 512')
    return Line(name, entry, raw, custom_id=custom_id)


_TEXT: Final = (
    Line(
        "a line that ends with CR LF", "CRLF", line(chat(b'"crlf"')) + b"\r", body=chat(b'"crlf"')
    ),
    _bad(
        "lines that end with CR alone",
        "lone CR",
        line(chat()) + b"\r" + line(chat()),
        "invalid_json",
        "carriage return",
    ),
    _bad(
        "a mark in the middle",
        "BOM in the middle",
        b"\xef\xbb\xbf" + line(chat()),
        "invalid_json",
        "byte order mark",
    ),
    _bad(
        "a wrong byte",
        "invalid UTF-8",
        line(chat(b'"caf\xe9"')),
        "invalid_json",
        "byte 73 is wrong",
    ),
    _bad(
        "an overlong spelling",
        "invalid UTF-8",
        line(chat(b'"\xc0\x80"')),
        "invalid_json",
        "not UTF-8",
    ),
    _bad(
        "a character cut in two",
        "invalid UTF-8",
        line(chat(b'"\xe4\xbd"')),
        "invalid_json",
        "not UTF-8",
    ),
    _bad(
        "GB18030 without saying so",
        BEYOND,
        line(chat('"好"'.encode("gb18030"))),
        "invalid_json",
        "--encoding",
    ),
    _bad(
        "surrogate bytes",
        "surrogates as UTF-8",
        line(chat(b'"\xed\xa0\x80"')),
        "invalid_json",
        "not UTF-8",
    ),
    _bad(
        "a lone escape",
        "lone surrogate escape",
        line(chat(rb'"\ud800"')),
        "invalid_json",
        "surrogate",
    ),
    _bad(
        "half a pair of escapes",
        "lone surrogate escape",
        line(chat(rb'"\ude00\ud83d"')),
        "invalid_json",
        "surrogate",
    ),
    _sent("a pair of escapes", "lone surrogate escape", chat(rb'"\ud83d\ude00"')),
    _bad("a NUL in a text", "NUL byte", line(chat(b'"\0"')), "invalid_json", "control"),
    _bad("a block of NUL", "NUL byte", b"\0" * 512, "invalid_json", "NUL"),
    _sent("an escaped NUL", "NUL escape", chat(rb'"a\u0000b"')),
    _sent(
        "line separators", "line separators in text", chat('"a\u2028b\u2029c\u0085d\x7f"'.encode())
    ),
    _bad("a raw tab in a text", BEYOND, line(chat(b'"a\tb"')), "invalid_json", "control"),
    _bad("an escape that is none", BEYOND, line(chat(rb'"\x41"')), "invalid_json", "escape"),
    _sent(
        "characters of no width, and of both directions",
        BEYOND,
        chat('"\ufeff\u200b\u202edlrow\u202c"'.encode()),
    ),
    _sent("emoji of several people", BEYOND, chat('"👩‍👩‍👧‍👦"'.encode())),
)

_NUMBERS: Final = (
    _bad(
        "not a number",
        "NaN and Infinity",
        line(chat(rest=b',"top_p":NaN')),
        "invalid_json",
        "not JSON",
    ),
    _bad(
        "no end",
        "NaN and Infinity",
        line(chat(rest=b',"top_p":-Infinity')),
        "invalid_json",
        "not JSON",
    ),
    _bad(
        "beyond all floats",
        "number too large",
        line(chat(rest=b',"top_p":1e400')),
        "invalid_json",
        "number",
    ),
    _sent(
        "two to the power of 64", "integer of 65 bits", chat(rest=b',"seed":18446744073709551616')
    ),
    _bad(
        "5,000 digits",
        "integer of 5,000 digits",
        line(chat(rest=b',"seed":' + b"7" * 5000)),
        "invalid_json",
        "number",
    ),
    _sent("300 digits", "integer of 5,000 digits", chat(rest=b',"seed":' + b"7" * 300)),
    _sent("minus nothing, in other words", BEYOND, chat(rest=b',"a":-0,"b":1E2,"c":1.50')),
    _bad(
        "a number that begins with 0",
        BEYOND,
        line(chat(rest=b',"n":01')),
        "invalid_json",
        "not JSON",
    ),
    *(
        _sent(
            f"{name} of {value.decode()[:12]}",
            "odd numbers in a body",
            chat(rest=b',"%b":%b' % (name.encode(), value)),
        )
        for name, value in (
            ("n", b"0"),
            ("n", b"-1"),
            ("n", b"1000"),
            ("n", b'"many"'),
            ("max_tokens", b"9007199254740993"),
            ("max_tokens", b"-5"),
            ("max_tokens", b'"all"'),
            ("max_tokens", b"0.5"),
            ("max_tokens", b"null"),
        )
    ),
)

_JSON: Final = (
    _sent("a key twice", "duplicate keys", b'{"model":"a",' + chat()[1:]),
    _bad(
        "messages twice, the last empty",
        "duplicate keys",
        line(chat(rest=b',"messages":[]')),
        "invalid_request",
        "messages",
    ),
    _bad(
        "a body twice, the last a text",
        "duplicate keys",
        line(chat(), b',"body":"x"'),
        "invalid_request",
        '"body" must be an object',
    ),
    _bad(
        "1,025 levels",
        "nested 1,025 deep",
        line(chat(rest=b',"x":' + deep(1025))),
        "invalid_json",
        "depth",
    ),
    _bad(
        "100,000 levels",
        "nested 1,025 deep",
        line(chat(rest=b',"x":' + deep(100_000))),
        "invalid_json",
        "depth",
    ),
    _bad(
        "100,000 levels without an end",
        "nested 1,025 deep",
        b"[" * 100_000,
        "invalid_json",
        "depth",
    ),
    _sent("300 levels", "nested 300 deep", chat(rest=b',"x":' + deep(300))),
    _bad("a comma too many", "trailing comma", line(chat(rest=b",")), "invalid_json", "not JSON"),
    _bad(
        "two documents",
        "two documents on a line",
        line(chat()) + line(chat()),
        "invalid_json",
        "not JSON",
    ),
    _bad("a comment behind", "comment", line(chat()) + b" // later", "invalid_json", "not JSON"),
    _bad("a line of comment", "comment", b"# the second half", "invalid_json", "not JSON"),
    _bad("a list", "no object on a line", b"[1,2,3,4]", "invalid_request", "not an object"),
    _bad("a text", "no object on a line", b'"text"', "invalid_request", "not an object"),
    _bad("a number", "no object on a line", b"42", "invalid_request", "not an object"),
    _bad("null", "no object on a line", b"null", "invalid_request", "not an object"),
    _bad("single quotes", BEYOND, b"{'body': {}}", "invalid_json", "not JSON"),
    _bad("half a line", BEYOND, line(chat())[:40], "invalid_json", "not JSON"),
    _bad("an object of nothing", BEYOND, b"{}", "unknown_endpoint", '"url"'),
    _bad(
        "longer than allowed",
        "line of 100 MB",
        line(chat(b'"%b"' % (b"x" * CAP))),
        "line_too_long",
        "--max-line-bytes",
    ),
    _sent(
        "as long as is allowed",
        "line of 100 MB",
        chat(b'"%b"' % (b"x" * (CAP - len(line(chat(b'""')))))),
    ),
)

_BODIES: Final = (
    _bad(
        "a body without messages",
        "no messages",
        line(b'{"model":"m"}', b',"url":"/v1/chat/completions"'),
        "invalid_request",
        "messages",
    ),
    _bad(
        "no messages in the list",
        "odd messages",
        line(b'{"model":"m","messages":[]}'),
        "invalid_request",
        "messages",
    ),
    _bad(
        "messages that are a text",
        "odd messages",
        line(b'{"model":"m","messages":"hello"}'),
        "invalid_request",
        "messages",
    ),
    _bad(
        "a message that is null",
        "odd messages",
        line(b'{"model":"m","messages":[null]}'),
        "invalid_request",
        "messages",
    ),
    _bad(
        "a message without a role",
        "odd messages",
        line(b'{"model":"m","messages":[{"content":"x"}]}'),
        "invalid_request",
        "role",
    ),
    _sent(
        "a role that nobody knows",
        "odd messages",
        b'{"model":"m","messages":[{"role":"wizard","content":"x"}]}',
    ),
    _sent("a content that is null", "odd messages", chat(b"null")),
    Line(
        "a stream",
        "stream in a line",
        line(chat(rest=b',"stream":true,"stream_options":{"include_usage":true}')),
        body=chat(rest=b',"stream":true,"stream_options":{"include_usage":true}'),
    ),
    Line(
        "a stream that is a text",
        "stream in a line",
        line(chat(rest=b',"stream":"yes"')),
        "invalid_request",
        "stream",
    ),
    _sent(
        "a model of its own",
        "line that sets model, url, headers",
        b'{"model":"another-model","messages":[{"role":"user","content":"x"}]}',
    ),
    _sent(
        "a model of 100,000 characters",
        BEYOND,
        b'{"model":"%b","messages":[{"role":"user","content":"x"}]}' % (b"m" * 100_000),
    ),
    _sent(
        "a model that clears the screen",
        BEYOND,
        rb'{"model":"m\u001b[2J\n\u202e","messages":[{"role":"user","content":"x"}]}',
    ),
    _bad(
        "an address of its own",
        "line that sets model, url, headers",
        line(chat(), b',"url":"https://example.org/v1/chat/completions"'),
        "invalid_request",
        "--base-url",
    ),
    _bad(
        "an address without a scheme",
        "line that sets model, url, headers",
        line(chat(), b',"url":"//example.org/v1/chat/completions"'),
        "invalid_request",
        "--base-url",
    ),
    _bad(
        "headers of its own",
        "line that sets model, url, headers",
        line(chat(), b',"headers":{"authorization":"Bearer x"}'),
        "invalid_request",
        "headers",
    ),
    _bad(
        "a path that leads elsewhere",
        BEYOND,
        line(chat(), b',"url":"/v1/chat/completions/../../admin"'),
        "unknown_endpoint",
        "/v1/chat/completions",
    ),
    _bad(
        "a model that leads elsewhere",
        BEYOND,
        line(
            b'{"contents":[{"parts":[{"text":"x"}]}]}',
            b',"url":"/v1beta/models/..:generateContent/..:generateContent"',
        ),
        "unknown_endpoint",
        "not known",
    ),
    _bad(
        "a method that nobody serves",
        BEYOND,
        line(chat(), b',"method":"DELETE"'),
        "invalid_request",
        '"method"',
    ),
    _bad(
        "a question where work is meant",
        BEYOND,
        line(chat(), b',"method":"GET","url":"/v1/chat/completions"'),
        "unknown_endpoint",
        'only with "POST"',
    ),
    _bad(
        "a url that is a number",
        BEYOND,
        line(chat(), b',"url":7'),
        "invalid_request",
        '"url" must be a text',
    ),
    _bad(
        "a body that is a list", BEYOND, line(b"[]"), "invalid_request", '"body" must be an object'
    ),
    _bad(
        "a body that is null", BEYOND, line(b"null"), "invalid_request", '"body" must be an object'
    ),
    _bad(
        "a model that is a number",
        BEYOND,
        line(b'{"model":5,"messages":[{"role":"user","content":"x"}]}'),
        "invalid_request",
        "model",
    ),
    _bad(
        "a file of the system",
        "local file in a message",
        line(chat(b'[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]')),
        "bad_file",
        "--allow-files",
    ),
    _bad(
        "a file beside the folder",
        "local file in a message",
        line(chat(b'[{"type":"image_url","image_url":{"url":"file:../../etc/passwd"}}]')),
        "bad_file",
        "--allow-files",
    ),
    _sent("a file where no file can be", "local file in a message", chat(b'"file:///etc/passwd"')),
    _sent(
        "keys of other languages, and ours",
        BEYOND,
        chat(rest=b',"__proto__":{"a":1},"x_run":{"line":1},"constructor":null'),
    ),
    Line(
        "our own key beside the body",
        BEYOND,
        b'{"x_run":{"line":1},"body":%b}' % chat(b'"ours"'),
        body=chat(b'"ours"'),
    ),
)

_IDS: Final = (
    Line("no id", "no custom_id", line(chat(b'"no id"')), body=chat(b'"no id"')),
    _called("an id that is null", b"null", ""),
    _called("1 MB of id", b'"%b"' % (b"i" * 1_000_000), None),
    _called("512 characters of id", b'"%b"' % (b"i" * 512), "i" * 512),
    _called("513 characters of id", b'"%b"' % (b"j" * 513), None),
    _called("an id that leads elsewhere", b'"../../etc/passwd"', "../../etc/passwd"),
    _called("an id with a NUL", rb'"a\u0000b"', "a\0b"),
    _called("an id with a line break", rb'"a\nb"', "a\nb"),
    _called(
        "an id that a spreadsheet computes", rb'"=cmd|\u0027/C calc\u0027!A0"', "=cmd|'/C calc'!A0"
    ),
    _called("an id of markup", b'"<script>alert(1)</script>"', "<script>alert(1)</script>"),
    _called("an id of emoji", '"👩‍👧"'.encode(), "👩‍👧"),
    _called(
        "an id that turns the line round",
        '"\u202eabc\x1b[31m"'.encode().replace(b"\x1b", rb"\u001b"),
        "\u202eabc\x1b[31m",
    ),
    _called("an id that is a number", b"123", "123"),
    _called("an id below nothing", b"-7", "-7"),
    _called("an id that is a float", b"1.5", None),
    _called("an id that is true", b"true", None),
    _called("an id that is a list", b'["a"]', None),
    _called("an empty id", b'""', None),
    _called("an accent in one character", '"caf\u00e9"'.encode(), "caf\u00e9", BEYOND),
    _called("the same in two", '"cafe\u0301"'.encode(), "cafe\u0301", BEYOND),
    _called("an id that ends with a blank", b'"123 "', "123 ", BEYOND),
)

# More of them would be found to be a mixed file: the first line alone tells what it is, as this one
# fills what is looked at.
_HEAD: Final = line(chat(b'"%b"' % (b"first " * 50_000)))

REQUESTS: Final[Sequence[Line]] = (
    Line("a line that fills what is looked at", BEYOND, _HEAD),
    *_TEXT,
    *_NUMBERS,
    *_JSON,
    *_BODIES,
    *_IDS,
    Line(
        "a last line without an end",
        "no newline at the end",
        line(chat(b'"last"')),
        body=chat(b'"last"'),
    ),
)
