"""A clock on the wall that is set back or forward, between sessions and while one works.

Times on record may then go back, and nothing else does: no line is lost or asked twice, totals stay
in the hour of their record, and what measures how long something took never looks at that clock.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from batch.deadline import Deadline
from tests.processes.child import run_in_child
from tests.processes.desk import ANSWERS, ENDED, LINES, Desk
from tests.proofs.processes import lines_of
from tests.rig import EPOCH, Crashed, Rig, Scripted, json_reply, rows
from tests.toys.formats import Toy

GOOD: Final = json_reply({"say": "yes", "in": 5, "out": 2})
STAMP: Final = re.compile(rb'"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z"')
HOUR: Final = 3600.0
SHIFTS: Final = {"back": timedelta(hours=-30), "forward": timedelta(days=400)}


def shifted(desk: Desk, by: timedelta) -> None:
    """Have all that the earlier session wrote be of another time: as if the clock had been set."""

    def moved(found: re.Match[bytes]) -> bytes:
        at = datetime.fromisoformat(found[1].decode()) + by
        return f'"{at.isoformat(timespec="milliseconds")}Z"'.encode()

    for path in desk.logs:
        path.write_bytes(STAMP.sub(moved, path.read_bytes()))
    seconds = round(by.total_seconds())
    header, *entries = desk.journal.read_bytes().splitlines(keepends=True)
    told = orjson.loads(header)
    told["run"]["created_at"] += seconds
    desk.journal.write_bytes(orjson.dumps(told) + b"\n" + b"".join(entries))
    desk.save_checkpoint()


def hours(desk: Desk) -> Counter[int]:
    """Return how many answers each hour has, by the records alone."""
    found: Counter[int] = Counter()
    for record in lines_of(desk.results):
        at = datetime.fromisoformat(record["x_run"]["started_at"]).replace(tzinfo=UTC)
        found[int(at.timestamp() // HOUR * HOUR)] += 1
    return found


def negative(value: object, path: str = "") -> list[str]:
    """Return where a document has a number below zero."""
    if isinstance(value, dict):
        return [one for name, child in value.items() for one in negative(child, f"{path}/{name}")]
    if isinstance(value, list):
        return [one for child in value for one in negative(child, path)]
    return [path] if isinstance(value, int | float) and value < 0 else []


@pytest.mark.parametrize("which", SHIFTS)
def test_a_clock_that_was_set_between_two_sessions_changes_no_total_and_loses_no_line(
    made: Desk, tmp_path: Path, which: str
) -> None:
    desk = made.copied(tmp_path / "here")
    shifted(desk, -SHIFTS[which])

    code, said, sent = desk.run()

    assert (code, sent) == (3, LINES - ENDED), said
    assert set(desk.recorded()) == set(range(1, LINES + 1))
    counted: Counter[int] = Counter()
    for bucket in lines_of(desk.run_folder / "usage.jsonl"):
        counted[bucket["start_time"]] += bucket["num_model_requests"]
    assert counted == hours(desk)
    assert len(counted) >= 2
    assert sum(counted.values()) == ANSWERS + LINES - ENDED
    documents: list[Any] = [orjson.loads((desk.run_folder / "run.json").read_bytes())]
    documents += lines_of(desk.results)
    code, said = run_in_child(desk.folder, "status", "out.jsonl")
    assert code == 3, said
    assert not re.search(r"-\d+(\.\d+)? ?(s|m|h|d)\b", said), said
    assert [one for document in documents for one in negative(document)] == []


def jumping(elapsed: float) -> float:
    """Return a time of day that goes back by two hours, then forward by ten, again and again."""
    step = int(elapsed / 0.02)
    return EPOCH + elapsed + HOUR * (10 * (step // 2 % 3) - 2 * (step % 2))


def test_a_clock_that_jumps_while_a_run_works_moves_times_and_nothing_else(tmp_path: Path) -> None:
    lines = rows(200, "toy")
    rig = Rig(tmp_path, Toy())
    rig.wall = jumping
    left = [60]

    def crash() -> bool:
        left[0] -= 1
        return left[0] == 0

    with pytest.raises(Crashed):
        rig.session(lines, Scripted(lambda _: GOOD), crash=crash)
    before = len(rig.results())
    assert 0 < before < len(lines)

    rig.session(lines, Scripted(lambda _: GOOD))

    records = rig.results()
    assert len(records) == len(lines)
    assert rig.errors() == {}
    times = [record["x_run"]["started_at"] for record in records.values()]
    assert times != sorted(times)
    assert all(record["x_run"]["ms"] >= 0 for record in records.values())
    assert rig.totals()["num_model_requests"] == len(lines)


# By the clock on the wall a run ends; for how long it works, no clock on the wall says.
@pytest.mark.parametrize(
    ("wall", "why"),
    [
        (EPOCH - 24 * HOUR, None),
        (EPOCH, None),
        (EPOCH + HOUR - 1, "--finish-by is near"),
        (EPOCH + HOUR, "--finish-by has passed"),
        (EPOCH + 24 * HOUR, "--finish-by has passed"),
    ],
)
def test_a_deadline_is_where_the_clock_is_now(wall: float, why: str | None) -> None:
    by_clock, by_span = Deadline(end_by=EPOCH + HOUR), Deadline(send_for=60)

    assert by_clock.passed(10, wall, None) == why
    assert by_span.passed(59, wall, None) is None
    assert by_span.passed(60, wall, None) == "--max-duration is over"
