"""How the lines of one source are to be understood, as its head told."""

from __future__ import annotations

import codecs
from typing import Any, Final, Literal, TypeAlias

import msgspec
import orjson

from batch.errors import BadBody, BadConfig
from batch.inputs.table import OTHER_ENCODING, Table, decoded
from batch.wording import shown

# Complete requests; prompts with what belongs to them beside; or data that a template makes
# prompts of.
Kind: TypeAlias = Literal["requests", "prompts", "rows"]
UTF8: Final = "utf-8"
_ASCII: Final = bytes(range(128))
# Texts in these may hold the bytes of a quote or a comma within a character.
_UNSAFE: Final = ("iso2022", "hz", "johab")
# A language's own spelling of texts, which may spell what is none.
_ESCAPED: Final = "escape"
# As many digits as the largest whole number of 64 bits has, or more. To look for one digit so often
# takes a tenth of the time that looking for any of ten does.
_LARGE: Final = b"0" * 19
_AS_NOUGHTS: Final = bytes.maketrans(b"123456789", b"0" * 9)


class Form(msgspec.Struct, frozen=True):
    """How the lines of one source are to be understood."""

    kind: Kind = "requests"
    what: str = "requests"  # for people
    table: Table | None = None  # None: a JSON document a line
    encoding: str = UTF8

    @property
    def salt(self) -> bytes:
        """Return what goes into the hash of every line of the source."""
        return self.table.salt if self.table else b""

    @property
    def told(self) -> str:
        """Return what the lines were found to be, for people."""
        encoding = "" if self.encoding == UTF8 else f", {self.encoding}"
        use = ", each filled into the template" if self.kind == "rows" else ""
        return f"{self.what}{encoding}{use}"

    def fields(self, raw: bytes) -> dict[str, Any]:
        """Return what a line holds, by name. Raises ``BadBody``."""
        if self.table:
            return self.table.fields(raw)
        told = self.utf8(raw)
        fields = read_object(told)
        return _exactly(told) or fields if _LARGE in told.translate(_AS_NOUGHTS) else fields

    def utf8(self, raw: bytes) -> bytes:
        """Return a line in UTF-8. Raises ``BadBody``."""
        return raw if self.encoding == UTF8 else decoded(raw, self.encoding).encode()


PLAIN: Final = Form()
# What a line that is no JSON may hold, and what that tells.
_SIGNS: Final = (
    (b"\r", " It holds a carriage return: a line ends with a line feed."),
    (b"\0", " It holds NUL bytes: the file is of another kind, or was cut by a crash."),
)


def known_encoding(name: str | None) -> str:
    """Return the encoding that a name stands for. Raises ``BadConfig`` for what is of no use."""
    if name is None:
        return UTF8
    try:
        found = codecs.lookup(name).name
        told = _ASCII.decode(found, "replace")
    except (LookupError, ValueError, TypeError):
        raise _unknown(name) from None
    if _ESCAPED in found:
        raise _unknown(name)
    if found.startswith(_UNSAFE) or told.encode() != _ASCII:
        raise BadConfig(
            f"encoding {shown(name)}: such a file cannot be cut into lines as it is. Convert it: "
            f"iconv -f {found} -t UTF-8"
        )
    return found


def _exactly(raw: bytes) -> dict[str, Any]:
    """Return an object with whole numbers of any size: orjson makes floats of larger ones.

    Nothing if that cannot be had.
    """
    try:
        found: dict[str, Any] = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return {}
    return found


def _unknown(name: str) -> BadConfig:
    return BadConfig(
        f"encoding {shown(name)}: not known. Known are, among others, utf-8, gb18030, big5, "
        "shift_jis, euc-kr, cp1252 and latin-1."
    )


def read_object(raw: bytes) -> dict[str, Any]:
    """Return a line as JSON, strictly: orjson refuses NaN, bad UTF-8 and lone surrogates."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadBody(_json_flaw(raw, error), "invalid_json") from None
    if not isinstance(document, dict):
        raise BadBody("The line is JSON, but not an object: {…}.")
    return document


def _json_flaw(raw: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        raw.decode()
    except UnicodeDecodeError as flaw:
        return f"The line is not UTF-8: byte {flaw.start + 1} is wrong.{OTHER_ENCODING}"
    hint = next((hint for sign, hint in _SIGNS if sign in raw), "")
    return f"The line is not JSON: {error.msg} (character {error.pos + 1}).{hint}"
