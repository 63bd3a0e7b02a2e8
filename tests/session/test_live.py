"""The live state of a run, written and read back."""

from __future__ import annotations

from pathlib import Path

import msgspec
import orjson
import pytest

from batch.bottleneck import Bottleneck
from batch.files import OsFiles
from batch.ledger.paths import Paths
from batch.session.live import STALE_SECONDS, Live, Stamp, read_live, write_live
from batch.session.snapshot import Snapshot

NOW = 1_795_313_400.0
CAUSE = Bottleneck("yours", "", 0.97, "your limit", "your limit of 500/min", "raise it")
STATE = Snapshot(
    total=12_000,
    done=6000,
    ok=5997,
    failed=3,
    pending_blocked=0,
    retries=41,
    in_flight=64,
    tasks=2,
    waiting_for="limit of 500 requests/min",
    seconds=720.0,
    rate=8.25,
    seconds_left=727.5,
    bottleneck=CAUSE,
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "out.run").mkdir()
    return Paths(str(tmp_path / "out.jsonl"))


@pytest.mark.parametrize("state", [STATE, msgspec.structs.replace(STATE, bottleneck=None)])
def test_a_state_is_read_as_it_was_written(paths: Paths, state: Snapshot) -> None:
    write_live(OsFiles(), paths, Stamp("r1", NOW), state)

    live = read_live(OsFiles(), paths, NOW + 4.0)

    assert live == Live(Stamp("r1", NOW), state, 4.0)


def test_a_state_stands_flat_in_its_file_with_what_holds_the_run_back(paths: Paths) -> None:
    write_live(OsFiles(), paths, Stamp("r1", NOW, 20_000), STATE)

    told = orjson.loads(Path(paths.live).read_bytes())

    assert told["run_id"] == "r1"
    assert told["updated_at"] == NOW
    assert (told["lines"], told["total"]) == (20_000, 12_000)
    assert told["rate"] == 8.25
    assert told["bottleneck"]["kind"] == "yours"
    assert told["bottleneck"]["share"] == 0.97


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"run_id":"r1","total":3}', b"null"])
def test_a_state_that_cannot_be_understood_is_none(paths: Paths, content: bytes) -> None:
    Path(paths.live).write_bytes(content)

    assert read_live(OsFiles(), paths, NOW) is None


def test_a_run_that_goes_on_says_how_fast_how_long_and_what_slows_it_down() -> None:
    live = Live(Stamp("r1", NOW), STATE, 4.0)

    assert live.lines() == (
        "running  495/min · left 12m08s · 64 in flight + 2 tasks · 41 retries · for 12m04s",
        "slowed   by your limit of 500/min (97 % of the last minute): raise it",
    )


def test_a_run_of_which_nothing_is_known_yet_says_no_more_than_it_knows() -> None:
    young = msgspec.structs.replace(
        STATE, rate=None, seconds_left=None, bottleneck=None, retries=0, tasks=0, seconds=1.0
    )

    assert Live(Stamp("r1", NOW), young, 0.0).lines() == ("running  64 in flight · for 1s",)


@pytest.mark.parametrize(
    ("age", "running"), [(0.0, True), (STALE_SECONDS - 1, True), (STALE_SECONDS, False)]
)
def test_a_process_that_has_said_nothing_for_long_counts_as_gone(age: float, running: bool) -> None:
    live = Live(Stamp("r1", NOW), STATE, age)

    assert live.running is running
    assert live.told()["running"] is running
    assert live.lines()[0].startswith("running" if running else "stopped  no word of it for 20s")


def test_a_run_that_was_stopped_says_so_and_what_wakes_it() -> None:
    live = Live(Stamp("r1", NOW), STATE, 4.0, halted=1234)

    assert not live.running
    assert live.told()["halted"] == 1234
    assert live.lines() == ("halted   process 1234 is stopped, as by Ctrl-Z, and holds the run",)
    assert live.next() == "fg in its shell, or kill -CONT 1234, lets it go on"


def test_what_is_to_be_done_hangs_on_whether_the_run_goes_on() -> None:
    assert Live(Stamp("r1", NOW), STATE, 4.0).next() == "nothing: it goes on by itself"
    assert Live(Stamp("r1", NOW), STATE, STALE_SECONDS).next() is None


def test_a_killed_run_is_none_that_goes_on_after_the_clock_was_set_back(paths: Paths) -> None:
    write_live(OsFiles(), paths, Stamp("r1", NOW), STATE)

    live = read_live(OsFiles(), paths, NOW - 3600.0)

    assert live is not None
    assert not live.running
    assert live.lines()[0].startswith("stopped  its last word is from 1h00m ahead, by a clock set")


def test_clocks_of_two_machines_may_differ_by_a_little(paths: Paths) -> None:
    write_live(OsFiles(), paths, Stamp("r1", NOW), STATE)

    live = read_live(OsFiles(), paths, NOW - 3.0)

    assert live is not None
    assert live.running
    assert "for 11m57s" in live.lines()[0]
