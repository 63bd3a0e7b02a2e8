"""Whether a run's memory grows, as told from looks at it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.ten_million import Sample, growth, keep, looks
from tests.proofs.processes import Failed


def series(*resident: int) -> list[Sample]:
    """Return a look at each hundredth of a run."""
    each = 100 // len(resident)
    sizes = [size for size in resident for _ in range(each)]
    return [Sample(float(n), n + 1, size, max(sizes[: n + 1])) for n, size in enumerate(sizes)]


def test_a_flat_run_does_not_grow_whatever_its_start_was_like() -> None:
    assert growth(series(20, *(60,) * 9)) == 0


def test_a_run_that_holds_its_lines_grows() -> None:
    assert growth(series(*range(10, 110, 10))) == 80


def test_a_moment_of_much_memory_is_no_growth() -> None:
    samples = series(*(60,) * 10)
    samples[-2] = Sample(98.0, 99, 500, 500)

    assert growth(samples) == 0


def test_a_run_that_ended_between_two_looks_says_nothing() -> None:
    with pytest.raises(Failed, match="too short"):
        growth(series(60)[-1:])


def test_a_process_is_looked_at_until_it_ends(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.write_bytes(b"12345")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = looks(process, output, 0.0)

    first = next(found)
    process.communicate(b"\n")

    assert first.written == 5
    assert 0 < first.resident <= first.peak
    assert list(found) == []


def test_looks_are_kept_for_who_draws_them(tmp_path: Path) -> None:
    keep([Sample(1.0, 2, 3, 4)], tmp_path / "build" / "a.csv")

    lines = (tmp_path / "build" / "a.csv").read_text().splitlines()
    assert lines == ["seconds,written,resident,peak", "1.0,2,3,4"]
