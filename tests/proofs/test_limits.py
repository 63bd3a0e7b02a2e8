"""What the proofs of limits say of rows that were made up: a measure that errs proves nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from batch.cli.mock import command
from tests.proofs import page
from tests.proofs.light_gateway import Bucket
from tests.proofs.light_gateway import serve as serve_light
from tests.proofs.limit_cases import CASES, Case, hurried, outside
from tests.proofs.limit_figures import Watched, figures, misses, on_the_wire, per_second

STEADY = Case(name="x", about="", rate=100, seconds=90)


def rows(
    a_second: float,
    since: float,
    until: float,
    status: int = 200,
    key: str = "k",
    ms: int = 100,
    work_ms: int = 100,
) -> list[dict[str, Any]]:
    """Requests at even distances."""
    fate = "answered" if status == 200 else "requests_per_minute"
    count = round((until - since) * a_second)
    row = {"status": status, "fate": fate, "key": key, "ms": ms, "work_ms": work_ms}
    return [{"time": since + n / a_second, **row} for n in range(count)]


def watched(case: Case, *parts: list[dict[str, Any]], failed: int = 0, **more: Any) -> Watched:
    everything = sorted((row for part in parts for row in part), key=lambda row: row["time"])
    given = Watched(case, everything, ("k",), ((),), len(everything), failed)
    return msgspec.structs.replace(given, **more)


def test_only_what_comes_after_the_settling_time_counts() -> None:
    found = figures(
        watched(STEADY, rows(500, 0, 30, 429), rows(96, 30, 90), rows(0.5, 30, 90, 429))
    )

    assert found.used == pytest.approx(0.96, abs=0.001)
    assert found.rejected == pytest.approx(0.5 / 96.5, abs=0.001)
    assert misses(STEADY, found) == []


def test_a_pause_and_the_time_after_a_step_do_not_count() -> None:
    paused = Case(name="x", about="", rate=100, seconds=150, pause=(50, 60))
    stepped = Case(name="x", about="", rate=100, seconds=120, steps=((60, 0.5),))

    assert paused.steady() == [[(30, 50), (110, 150)]]
    assert stepped.steady() == [[(30, 60)], [(90, 120)]]
    found = figures(watched(stepped, rows(100, 30, 60), rows(5, 60, 90, 429), rows(40, 60, 120)))
    assert found.used == pytest.approx(0.8)
    assert found.changing == pytest.approx(5 / 45)
    assert misses(stepped, found) == ["used 80.0%", "rejected 11.11% while changing"]


def test_two_clients_are_told_apart() -> None:
    parts = rows(70, 0, 90), rows(30, 0, 90, key="l")

    found = figures(watched(STEADY, *parts, keys=("k", "l"), samples=((), ())))

    assert found.shares == pytest.approx((0.7, 0.3))
    assert len(misses(STEADY, found)) == 1


def test_what_works_on_so_many_at_once_is_used_up_when_its_places_are_taken() -> None:
    case = CASES["b"]

    found = figures(watched(case, rows(300, 0, 90, ms=400, work_ms=160)))

    assert found.used == pytest.approx(300 * 0.160 / 50)
    assert found.slower == pytest.approx(2.5)
    assert misses(case, found) == ["2.50 times as slow"]


def test_errors_are_a_share_of_all_lines() -> None:
    found = figures(watched(STEADY, rows(100, 0, 90), failed=9))

    assert misses(STEADY, found) == ["errors 0.100%"]


def test_series_are_per_second_and_means() -> None:
    some = [*rows(10, 0, 1), *rows(20, 2, 3, ms=500)]

    assert per_second(some, 4) == [10, 0, 20, 0, 0]
    assert on_the_wire(some, 4, each=1) == pytest.approx([0.995, 0.005, 7.6, 2.4, 0], abs=0.2)


@pytest.mark.parametrize(
    ("pauses", "parts"),
    [
        ([], [(10, 20)]),
        ([(0, 5)], [(10, 20)]),
        ([(5, 12)], [(12, 20)]),
        ([(12, 14), (18, 25)], [(10, 12), (14, 18)]),
        ([(5, 25)], []),
    ],
)
def test_pauses_are_left_out(
    pauses: list[tuple[float, float]], parts: list[tuple[float, float]]
) -> None:
    assert outside((10, 20), pauses) == parts


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_case_can_be_asked_for_at_the_command_line(case: Case) -> None:
    quick = hurried(case, 3)

    for one in (case, quick):
        command.make_context("mock", [str(flag) for flag in one.flags])
    thirds = [end / 3 for spans in case.steady() for span in spans for end in span]
    ends = [end for spans in quick.steady() for span in spans for end in span]
    assert ends == pytest.approx(thirds)


def test_a_table_replaces_the_last_one_between_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- t: begin -->\nold\n<!-- t: end -->\nafter\n")

    for cell in ("1", "2"):
        page.put("t", page.table(("a", "b:"), [(cell, "x")]), path)

    text = path.read_text()
    assert "| a | b |\n|---|---:|\n| 2 | x |\n" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| 1 |" not in text


def test_a_page_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("nothing here")

    with pytest.raises(ValueError, match="no place for t"):
        page.put("t", "table", path)


def test_the_light_gateway_admits_its_bucket_and_then_its_rate() -> None:
    now = 0.0
    bucket = Bucket(100, 10, lambda: now)
    admitted = 0

    for tick in range(3_000):
        now = tick / 1000
        admitted += bucket.admits()

    assert admitted in (309, 310)
    counted = msgspec.json.decode(bucket.counts())
    assert (counted["accepted"], counted["rejected"]) == (admitted, 3_000 - admitted)
    assert sum(counted["by_second"]) == admitted


def test_the_light_gateway_speaks_http(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> list[Any]:
        server = asyncio.create_task(serve_light(rate=1, depth=1, latency=0))
        while not (said := capsys.readouterr().out.strip()):
            await asyncio.sleep(0)
        async with aiohttp.ClientSession() as session:
            told = []
            for body in (b"{}", b"x" * 100_000):
                async with session.post(f"{said}/v1/chat/completions", data=body) as reply:
                    told.append((reply.status, sorted(await reply.json())))
            async with session.get(f"{said}/counts") as reply:
                counts = await reply.json()
        server.cancel()
        return [*told, counts["accepted"], counts["rejected"]]

    told = asyncio.run(main())

    assert [status for status, _ in told[:2]] == [200, 429]
    assert told[0][1] == ["choices", "created", "id", "model", "object", "usage"]
    assert told[2:] == [1, 1]
