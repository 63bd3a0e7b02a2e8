"""What it costs to read a log back, counted in things that do not depend on the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batch.ledger.entries import encode_result
from batch.ledger.scan import PARSED_WHOLE, read_records
from batch.ledger.state import History
from batch.records import Answer
from tests.counting import for_each
from tests.ledger.kit import RUN, USAGE, answered, disk

PATH = "/out/out.jsonl"
CALLS_A_RECORD = 1  # of ours: none for itself, and some for those that are read together


def log(records: int) -> bytes:
    """Records, and after them one so large that they are not near the end."""
    large = Answer(b'"%b"' % (b"x" * PARSED_WHOLE), None, "stop", USAGE)
    lines = [encode_result(answered(line), RUN, 0) for line in range(1, records + 1)]
    return b"".join([*lines, encode_result(answered(records + 1, outcome=large), RUN, 0)])


def reading() -> Callable[[int], Any]:
    """Read a log of so many records into a history."""
    logs: dict[int, bytes] = {}

    def read(count: int) -> None:
        if count not in logs:
            logs[count] = log(count)
        files = disk()
        files.put(PATH, logs[count])
        read_records(files, PATH, 0, len(logs[count]), History().note_results, RUN)

    for count in (100, 300):
        read(count)
    return read


def test_a_record_takes_few_calls_to_be_read_back_and_is_not_parsed() -> None:
    record = for_each(reading())

    assert 0 < record("ours") <= CALLS_A_RECORD
    assert record("decode_mark") == 0  # they are read many at a time
    assert record("orjson.loads") == 0
