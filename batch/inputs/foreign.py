"""Files that people point the tool at by mistake, told by their first bytes and lines.

Some of them would run and cost money for nothing; the others would give an error for every line.
A kind of line counts only if all complete lines of the head are of that kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import orjson

from batch.errors import BadData
from batch.inputs.lines import UTF8_MARK

_LOOK_AT: Final = 20  # lines
_UTF16: Final = "UTF-16 or UTF-32 text. Save it as UTF-8: iconv -f UTF-16 -t UTF-8"
_COLUMNS: Final = (b",", b"\t", b";")

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xfe", _UTF16),
    (b"\xfe\xff", _UTF16),
    (b"\x00\x00\xfe\xff", _UTF16),
    (b"{\x00", _UTF16),
    (b"\x00{", _UTF16),
    (b"\x1f\x8b", "packed with gzip twice. Unpack it once: gunzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd. Unpack it, or pipe it in: zstd -dc FILE"),
    (b"BZh", "packed with bzip2. Unpack it, or pipe it in: bzip2 -dc FILE"),
    (b"\xfd7zXZ\x00", "packed with xz. Unpack it, or pipe it in: xz -dc FILE"),
    (b"PK\x03\x04", "a zip archive or an office document. Give the JSONL file inside it"),
    (b"PAR1", "a Parquet file. Convert it to JSONL first"),
    (b"SQLite format 3\x00", "an SQLite database. Export the rows as JSONL first"),
)


class _Kind(NamedTuple):
    """A kind of line that must not be asked."""

    matches: Callable[[Any], bool]
    what: str
    todo: str


_NOT_PROMPTS: Final = "It holds answers, not prompts; name the file that was asked"
_TRAINING: Final = "Its lines already end with an answer; take that away, or name another file"


def _is_script_result(line: Any) -> bool:
    """Whether this is ``[request, response]`` or ``[request, response, metadata]``."""
    return isinstance(line, list) and len(line) in (2, 3) and isinstance(line[0], dict)


def _is_batch_result(line: Any) -> bool:
    return (
        isinstance(line, dict)
        and "custom_id" in line
        and ("response" in line or "error" in line)
        and not ("body" in line or "params" in line)
    )


def _is_message_result(line: Any) -> bool:
    return (
        isinstance(line, dict)
        and "custom_id" in line
        and isinstance(line.get("result"), dict)
        and "type" in line["result"]
    )


def _is_training_chat(line: Any) -> bool:
    """Whether a chat ends with its answer; with a model it is a request that goes on from it."""
    if not isinstance(line, dict) or "model" in line or "body" in line:
        return False
    turns = line.get("messages")
    if not isinstance(turns, list) or not turns or not isinstance(turns[-1], dict):
        return False
    return turns[-1].get("role") == "assistant"


def _is_share_chat(line: Any) -> bool:
    return isinstance(line, dict) and isinstance(line.get("conversations"), list)


_KINDS: Final = (
    _Kind(_is_script_result, "the output of a parallel request script", _NOT_PROMPTS),
    _Kind(_is_message_result, "the results of an Anthropic message batch", _NOT_PROMPTS),
    _Kind(_is_batch_result, "the output of a batch", _NOT_PROMPTS),
    _Kind(_is_training_chat, "a fine-tuning file", _TRAINING),
    _Kind(_is_share_chat, "a ShareGPT file", _TRAINING),
)


_ARRAY: Final = "one JSON array, not one JSON object a line. Convert it: jq -c '.[]' FILE"
_SPREAD: Final = "JSON spread over several lines. Convert it: jq -c . FILE"
_TABLE: Final = "CSV or plain text, not one JSON object a line. Convert it to JSONL first"


def refuse_foreign(name: str, head: bytes) -> None:
    """Raise ``BadData`` if the first bytes of a file show that it holds no lines to ask.

    Its last line may be cut off: it is then no JSON, and not judged.
    """
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise BadData(f"{name} is {what}.")
    lines = list(_first_lines(head.removeprefix(UTF8_MARK)))
    if not lines:
        return
    where = f"{name}:{lines[0][0]}"
    if layout := _wrong_layout([text for _, text in lines]):
        raise BadData(f"{where}: this is {layout}.")
    documents = [document for _, text in lines for document in _parsed(text)]
    for kind in _KINDS:
        if documents and all(map(kind.matches, documents)):
            raise BadData(f"{where}: this is {kind.what}. {kind.todo}.")


def _wrong_layout(lines: Sequence[bytes]) -> str | None:
    """Return what a text is that is not laid out as one JSON document a line."""
    first, *others = lines
    if first.startswith(b"[") and not (others and _parsed(first)):
        return _ARRAY
    if first == b"{":
        return _SPREAD
    columns = any(mark in first for mark in _COLUMNS)
    if columns and others and not any(line.startswith(b"{") or _parsed(line) for line in lines):
        return _TABLE
    return None


def _first_lines(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the first lines that are not blank, with their numbers."""
    numbered = ((number, line.strip()) for number, line in enumerate(head.split(b"\n"), 1))
    return islice((one for one in numbered if one[1]), _LOOK_AT)


def _parsed(line: bytes) -> list[Any]:
    """Return the document on a line, or nothing."""
    try:
        return [orjson.loads(line)]
    except orjson.JSONDecodeError:
        return []
