"""The logs of a run, read by this test's own means: plain JSON lines up to the first that is none.

Nothing of the house reads here, so that what it reads can be compared with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from batch.ledger.paths import Paths
from tests.stateful.disk import Disk

Object: TypeAlias = dict[str, Any]
BEGUN: Final = ("intent", "task", "part")  # kinds of entries that say that a line was asked
BILLED: Final = ("billed", "part")  # kinds of entries that say what something cost


class Line(msgspec.Struct, frozen=True):
    """One whole line of a log."""

    raw: bytes
    value: Object

    @property
    def own(self) -> Object:
        """Return what a record says of itself."""
        told: Object = self.value["x_run"]
        return told

    @property
    def ordinal(self) -> int:
        """Return the line of the inputs that a record is about."""
        return int(self.own["line"])


class Logs(msgspec.Struct, frozen=True):
    """What three logs say."""

    results: list[Line]
    errors: list[Line]
    journal: list[Line]
    torn: tuple[int, int, int]  # lines after the first that is none, by log; a tail is one

    @property
    def answers(self) -> dict[int, Line]:
        """Return the answered lines."""
        return {line.ordinal: line for line in self.results}

    @property
    def failures(self) -> dict[int, Line]:
        """Return the lines whose record is an error: the last one."""
        answers = self.answers
        return {one.ordinal: one for one in self.errors if one.ordinal not in answers}

    @property
    def begun(self) -> Mapping[int, str]:
        """Return the lines that were asked, by the journal, each with its hash at that time."""
        entries = [line.value for line in self.journal if line.value["kind"] in BEGUN]
        return {entry["line"]: entry["sum"] for entry in entries}

    @property
    def identity(self) -> Object:
        """Return what was asked, as it was noted last."""
        noted = [one.value for one in self.journal if one.value["kind"] in ("header", "settings")]
        told: Object = noted[-1]["run"]["identity"] if noted else {}
        return told

    @property
    def tokens(self) -> int:
        """Return the input tokens of all billed records."""
        told = [line.own["usage"] for line in self.results]
        told += [one.value["usage"] for one in self.journal if one.value["kind"] in BILLED]
        return sum((usage or {}).get("input_tokens") or 0 for usage in told)

    def paid(self) -> Counter[int]:
        """Return what each billed record says, which tells the gateway's row, and how often.

        A pack's records share one call, and only their sum is a row's number.
        """
        found: Counter[int] = Counter()
        shared = 0
        for line in self.results:
            shared += _amount(line.own["usage"])
            place, size = line.own.get("pack") or (0, 1)
            if place + 1 == size:
                found[shared] += 1
                shared = 0
        for entry in (line.value for line in self.journal):
            if entry["kind"] in BILLED:
                found[_amount(entry["usage"])] += 1
        return found


def read_logs(files: Disk, paths: Paths) -> Logs:
    """Return what the logs say; nothing where there is none."""
    lines, torn = zip(*(_lines(files, path) for path in logs_of(paths)), strict=True)
    results, errors, journal = lines
    return Logs(_whole_packs(results), errors, journal, torn)


def logs_of(paths: Paths) -> tuple[str, str, str]:
    """Return where the logs are."""
    return paths.results, paths.errors, paths.journal


def _lines(files: Disk, path: str) -> tuple[list[Line], int]:
    found: list[Line] = []
    pieces = files.content(path).split(b"\n") if path in files.names else [b""]
    for number, raw in enumerate(pieces[:-1]):
        try:
            found.append(Line(raw, orjson.loads(raw)))
        except orjson.JSONDecodeError:
            return found, len(pieces) - number
    return found, 1 if pieces[-1] else 0


def _whole_packs(results: list[Line]) -> list[Line]:
    """Return the results but those of a last pack of which some are missing."""
    if not results:
        return results
    place, size = results[-1].own.get("pack") or (0, 1)
    return results if place + 1 == size else results[: -place - 1]


def _amount(usage: Mapping[str, Any] | None) -> int:
    """Return the input tokens of a call, or the seconds of a film: each is a row's number."""
    told = usage or {}
    return int(told.get("input_tokens") or told.get("seconds") or 0)
