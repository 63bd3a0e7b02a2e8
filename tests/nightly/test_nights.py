"""A nightly job as people and schedulers call it: what it makes, says, and ends with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.files import OsFiles
from batch.session.ending import Watch
from batch.session.summary import Outcome
from batch.settings.tree import Settings
from tests.cli.fake_engine import FakeEngine
from tests.nightly.kit import Site, ended, night_after
from tests.notices.ends import Listener

DAY, BEFORE, FIRST = "2026-11-26", "2026-11-25", "2026-11-24"
AT = night_after(DAY)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WBATCH_MOCK", "1")
    return Site(tmp_path)


def site_with(folder: Path, nightly: str, more: str = "") -> Site:
    folder.mkdir()
    return Site(folder, nightly, more)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def table(text: str) -> dict[str, str]:
    """What the last lines say of each day: its first words."""
    lines = [line.split("  ", 1) for line in text.splitlines() if line.startswith("2026-")]
    return {day: rest.strip() for day, rest in lines}


# One day


def test_a_day_is_made_aside_and_then_there(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.receive(DAY)

    code = site.call("run", at=AT)

    assert code == 0
    assert (site.days(), site.hidden()) == ([DAY], [])
    assert sorted(os.listdir(site.triage / DAY)) == ["answers.jsonl", "answers.run"]
    assert site.recorded(DAY) == {1, 2, 3}
    text = said(capsys)
    assert table(text) == {DAY: f"published    3 ok · {site.triage / DAY}/"}
    assert "partial" not in text
    assert f"files    triage/{DAY}/answers.jsonl" in text


def test_a_day_that_is_published_is_done_and_returns_what_its_records_say(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(DAY)
    site.spoil(DAY)
    first = site.call("run", at=AT)
    before = (site.triage / DAY / "answers.jsonl").read_bytes()
    os.remove(site.inbox / f"{DAY}.jsonl")
    said(capsys)

    again = site.call("run", at=AT)

    assert (first, again) == (3, 3)
    assert (site.triage / DAY / "answers.jsonl").read_bytes() == before
    assert (
        said(capsys).splitlines()[-1] == f"{DAY}  done before  3 ok · 1 failed · nothing was sent"
    )


def test_a_good_night_says_nothing_when_it_is_to_be_quiet(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(DAY)

    flags = ("-q", "--catch-up", 1, "--when-missing", "skip")
    codes = [site.call("run", *flags, at=AT) for _ in range(2)]

    assert codes == [0, 0]
    assert said(capsys) == ""


def test_the_places_in_the_summary_are_those_after_the_rename(site: Site) -> None:
    site.receive(DAY)
    site.call("run", at=AT)

    told = site.summary(DAY)["x_run"]

    assert told["output"] == str(site.triage / DAY / "answers.jsonl")
    assert told["folder"] == str(site.triage / DAY / "answers.run")


def test_what_reads_a_run_reads_the_day_of_a_job(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(DAY)
    site.spoil(DAY)
    site.call("run", at=AT)
    folder = site.triage / DAY

    assert site.call("show", "--line", 1, "--date", DAY) == 0
    assert f"{DAY}, line 1" in capsys.readouterr().out
    assert site.call("status", "--date", DAY) == 3
    assert site.call("export", "-o", tmp_path / "out.csv", "--date", DAY) == 0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 4
    assert site.call("retry", "--date", DAY, "--only", "invalid_json") == 3
    assert answer(["show", str(folder / "answers.jsonl"), "1"], Caller()) == 0
    assert answer(["report", str(folder), "--mock"], Caller()) == 0
    assert answer(["status", str(folder / "answers.jsonl")], Caller()) == 3
    assert (site.days(), site.hidden()) == ([DAY], [])


def test_a_retry_of_a_published_day_works_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_with(tmp_path / "site", "", "[limits]\nmax_attempts = 1\n")
    site.receive(DAY, 6)
    monkeypatch.setenv("WBATCH_MOCK", "1")
    assert site.call("run", "--mock-fail", "empty-choices=100%", at=AT) == 3
    assert site.recorded(DAY) == set()

    assert site.call("retry", "--date", DAY) == 0

    assert site.recorded(DAY) == {1, 2, 3, 4, 5, 6}
    assert (site.days(), site.hidden()) == ([DAY], [])
    assert site.call("run", at=AT) == 0


def test_what_was_mended_in_the_input_is_asked_in_the_days_folder_when_that_is_said(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(DAY)
    site.spoil(DAY)
    site.call("run", at=AT)
    site.receive(DAY, 5)

    assert site.call("run", at=AT) == 3
    assert site.recorded(DAY) == {1, 2, 3}
    assert site.call("run", "--keep-answers", at=AT) == 0
    assert site.recorded(DAY) == {1, 2, 3, 4, 5}
    assert (site.days(), site.hidden()) == ([DAY], [])
    assert table(said(capsys))[DAY] == "mended       5 ok"


# Days that are not published


def test_with_keep_a_day_stays_aside_until_a_retry_has_helped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = site_with(tmp_path / "site", 'on_failed = "keep"', "[limits]\nmax_attempts = 1\n")
    site.receive(DAY)
    monkeypatch.setenv("WBATCH_MOCK", "1")

    assert site.call("run", "--mock-fail", "empty-choices=100%", at=AT) == 3
    assert (site.days(), site.hidden()) == ([], [f".{DAY}.partial"])
    assert table(said(capsys))[DAY].startswith("kept aside   0 ok · 3 failed · not published")
    assert site.call("status", "--date", DAY) == 3
    assert site.call("retry", "--date", DAY) == 0
    assert site.call("run", at=AT) == 0
    assert (site.days(), site.hidden()) == ([DAY], [])


def test_a_first_look_publishes_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.receive(DAY)

    assert site.call("run", "--head", 1, at=AT) == 0
    assert (site.days(), site.hidden()) == ([], [f".{DAY}.partial"])
    assert table(said(capsys))[DAY].startswith("unfinished   1 ok · 2 pending")
    assert site.call("show", "--date", DAY) == 0
    assert site.call("estimate", "--date", DAY, "--mock") == 0
    assert f'"content": "{DAY}, line 2"' in capsys.readouterr().out  # the next one
    assert site.call("run", at=AT) == 0
    assert site.recorded(DAY) == {1, 2, 3}
    assert (site.days(), site.hidden()) == ([DAY], [])


def test_an_input_that_is_refused_leaves_nothing_behind(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.inbox / f"{DAY}.jsonl").write_bytes(b'{"custom_id":"a","response":{},"error":null}\n')

    assert site.call("run", at=AT) == 65
    assert not site.triage.exists()
    text = said(capsys)
    assert f"error: {DAY}: " in text
    assert table(text) == {DAY: "refused      exit code 65, as said"}


def test_what_wbatch_did_not_make_is_left_alone(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(DAY)
    (site.triage / DAY).mkdir(parents=True)
    (site.triage / DAY / "notes.txt").write_text("mine")

    assert site.call("run", at=AT) == 65
    assert "is no day that wbatch made" in said(capsys)
    assert os.listdir(site.triage / DAY) == ["notes.txt"]


def test_a_rehearsed_day_does_not_pass_for_one_that_was_made(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.receive(DAY)
    assert [site.call("run", at=AT), site.call("run", at=AT)] == [0, 0]
    monkeypatch.delenv("WBATCH_MOCK")
    said(capsys)

    code = site.call("run", at=AT)

    assert code == 65
    assert "is of a rehearsal (--mock), and holds no answers" in said(capsys)


def test_a_published_day_is_not_begun_anew_over_the_heads_of_its_readers(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(DAY)
    site.call("run", at=AT)

    assert site.call("run", "--new-run", at=AT) == 2
    assert f"{DAY} is published, and stays so until" in said(capsys)
    os.rename(site.triage / DAY, site.triage / "old")
    assert site.call("run", "--new-run", at=AT) == 0
    assert site.days() == [DAY, "old"]


# Inputs that are missing


@pytest.mark.parametrize(
    ("when_missing", "code", "word"), [("fail", 66, "refused"), ("skip", 0, "skipped")]
)
def test_a_missing_input_fails_or_is_skipped_and_leaves_nothing(
    when_missing: str, code: int, word: str, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.call("run", "--when-missing", when_missing, at=AT) == code
    text = said(capsys)
    assert f"{site.inbox}/{DAY}.jsonl" in text
    assert table(text)[DAY].startswith(word)
    assert not site.triage.exists()


def test_an_older_day_that_is_missing_does_not_stop_the_later_ones(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(FIRST)
    site.receive(DAY)

    assert site.call("run", "--catch-up", 2, at=AT) == 66
    assert site.days() == [FIRST, DAY]
    words = {day: line.split("  ")[0] for day, line in table(said(capsys)).items()}
    assert words == {FIRST: "published", BEFORE: "refused", DAY: "published"}
    site.receive(BEFORE)
    assert site.call("run", "--catch-up", 2, at=AT) == 0
    assert site.days() == [FIRST, BEFORE, DAY]


def test_a_day_that_was_made_is_published_without_its_input(site: Site) -> None:
    site.receive(DAY)
    site.call("run", at=AT)
    os.rename(site.triage / DAY, site.triage / f".{DAY}.partial")
    os.remove(site.inbox / f"{DAY}.jsonl")

    with Listener(200) as chat:
        told = ("--webhook-url", chat.url, "--notify-when", "always")
        assert site.call("run", *told, at=AT) == 0

    assert (site.days(), site.hidden()) == ([DAY], [])
    (run,) = orjson.loads(chat.told[0].body)["runs"]
    assert run["request_counts"] == {"total": 3, "completed": 3, "failed": 0}


def test_a_day_that_was_begun_needs_its_input_whatever_is_said(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(DAY)
    site.call("run", "--head", 1, at=AT)
    os.remove(site.inbox / f"{DAY}.jsonl")

    assert site.call("run", "--when-missing", "skip", at=AT) == 66
    assert "is no longer there, and the day is not finished" in said(capsys)
    assert site.hidden() == [f".{DAY}.partial"]


def test_a_day_that_was_begun_needs_each_of_its_inputs_though_a_pattern_finds_others(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given: a day of two files that one pattern names, of which one line was asked
    site.job.write_text(site.job.read_text().replace("{date}.jsonl", "{date}*.jsonl"))
    site.receive(DAY)
    site.receive(f"{DAY}.late")
    site.call("run", "--head", 1, at=AT)
    late = site.inbox / f"{DAY}.late.jsonl"

    # When: one of them goes
    late.rename(site.folder / "away")

    # Then: the day waits for it
    assert site.call("run", "--when-missing", "skip", at=AT) == 66
    assert f"{late} is no longer there, and the day is not finished" in said(capsys)
    assert (site.days(), site.hidden()) == ([], [f".{DAY}.partial"])

    (site.folder / "away").rename(late)
    assert site.call("run", at=AT) == 0
    assert "6 ok" in said(capsys)


def test_inputs_may_move_to_another_folder_while_a_day_is_made(site: Site) -> None:
    site.receive(DAY)
    site.call("run", "--head", 1, at=AT)
    site.inbox.rename(site.folder / "post")
    site.job.write_text(site.job.read_text().replace("inbox/", "post/"))

    assert site.call("run", at=AT) == 0
    assert site.days() == [DAY]


# Several days


class DaysEngine(FakeEngine):
    """An engine whose days end as they are told to."""

    def __init__(self, codes: Mapping[str, int]) -> None:
        super().__init__()
        self.codes = codes
        self.begun: list[str] = []
        self.ends_by: set[str | None] = set()

    async def run(self, settings: Settings, watch: Watch, *, approve: object = None) -> Outcome:
        assert settings.run.date is not None
        self.begun.append(settings.run.date)
        self.ends_by.add(settings.budget.finish_by)
        code = self.codes[settings.run.date]
        folder = Path(settings.output.replace(".jsonl", ".run"))
        folder.mkdir(parents=True)
        (folder / "journal.jsonl").write_text("{}\n")
        counts = {"total": 4, "completed": 3, "failed": int(code == 3)}
        summary: dict[str, Any] = {
            "request_counts": counts,
            "x_run": {"pending": 0 if code in (0, 3) else 1},
        }
        return Outcome(code, summary, (f"done     {settings.run.date}",))


@pytest.mark.parametrize(
    ("codes", "begun", "code"),
    [
        ((0, 0, 0), 3, 0),
        ((3, 0, 0), 3, 3),
        ((65, 0, 0), 3, 65),
        ((66, 3, 0), 3, 66),
        ((65, 66, 3), 3, 66),
        ((3, 66, 65), 3, 66),
        ((0, 77, 0), 2, 77),
        ((3, 69, 0), 2, 69),
        ((65, 77, 0), 2, 65),
        ((4, 0, 0), 1, 4),
        ((73, 0, 0), 1, 73),
        ((75, 0, 0), 1, 75),
        ((0, 143, 0), 2, 143),
        ((130, 0, 0), 1, 130),
    ],
)
def test_the_days_are_made_oldest_first_until_one_says_that_the_others_would_end_alike(
    codes: tuple[int, ...], begun: int, code: int, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [FIRST, BEFORE, DAY]
    for day in days:
        site.receive(day)
    engine = DaysEngine(dict(zip(days, codes, strict=True)))

    ending = answer(
        ["run", str(site.job), "--catch-up", "2"], Caller(engine, os.environ, lambda: AT)
    )

    assert (engine.begun, ending) == (days[:begun], code)
    assert (
        site.days()
        == [day for day, one in zip(days, codes, strict=True) if one in (0, 3)][
            : len([one for one in codes[:begun] if one in (0, 3)])
        ]
    )
    lines = table(said(capsys))
    assert list(lines) == days
    assert all(lines[day].startswith("not begun") for day in days[begun:])


def test_all_days_have_ended_by_the_same_moment_however_late_one_of_them_begins(
    site: Site,
) -> None:
    for day in (BEFORE, DAY):
        site.receive(day)
    engine = DaysEngine({BEFORE: 0, DAY: 0})

    command = ["run", str(site.job), "--catch-up", "1", "--finish-by", "06:00"]
    assert answer(command, Caller(engine, os.environ, lambda: AT)) == 0

    assert engine.ends_by == {"2026-11-27T06:00:00+01:00"}


def test_the_summary_of_several_days_is_one_object(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in (FIRST, BEFORE):
        site.receive(day)
    site.call("run", "--date", FIRST, at=AT)
    capsys.readouterr()

    code = site.call("run", "--json", "--catch-up", 2, at=AT)

    (line,) = capsys.readouterr().out.splitlines()
    told = orjson.loads(line)
    assert (told["object"], told["exit_code"], code) == ("nights", 66, 66)
    assert told["request_counts"] == {"total": 6, "completed": 6, "failed": 0}
    assert [(day["date"], day["state"], day["exit_code"]) for day in told["days"]] == [
        (FIRST, "done_before", 0),
        (BEFORE, "published", 0),
        (DAY, "refused", 66),
    ]
    for day in told["days"][:2]:
        assert day["output"] == day["summary"]["x_run"]["output"]
        assert day["output"] == str(site.triage / day["date"] / "answers.jsonl")


def test_days_with_the_same_input_are_refused(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(DAY)
    site.job.write_text(site.job.read_text().replace("{date}.jsonl", f"{DAY}.jsonl", 1))

    assert site.call("run", "--catch-up", 1, at=AT) == 78
    assert "the inputs are the same for each of them" in said(capsys)
    assert not site.triage.exists()


@pytest.mark.parametrize(
    ("output", "code"),
    [("triage-{date}.jsonl", 78), ("triage/answers.jsonl", 78), ("{date}/all/a.jsonl", 78)],
)
def test_an_output_in_no_folder_of_its_day_is_refused_before_anything_is_made(
    output: str, code: int, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.receive(DAY)
    site.job.write_text(site.job.read_text().replace("triage/{date}/answers.jsonl", output))

    assert site.call("run", at=AT) == code
    assert 'Write output = "answers/{date}/answers.jsonl"' in said(capsys)
    assert sorted(os.listdir(site.folder)) == ["inbox", "job.toml"]


def test_the_link_leads_to_the_latest_day_that_is_published(tmp_path: Path) -> None:
    site = site_with(tmp_path / "site", 'latest = "triage/latest"\nwhen_missing = "skip"')
    site.receive(BEFORE)

    code = site.call("run", "--catch-up", 2, "--mock", at=AT)

    assert code == 0
    assert os.readlink(site.triage / "latest") == BEFORE
    assert (site.triage / "latest" / "answers.jsonl").is_file()


def test_a_link_that_cannot_be_made_is_73_and_the_day_is_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = site_with(tmp_path / "site", 'latest = "job.toml"')
    site.receive(DAY)

    assert site.call("run", "--mock", at=AT) == 73
    assert "It is to be a link to the latest day" in said(capsys)
    assert site.days() == [DAY]


# Two processes


def test_the_second_process_leaves_with_75_and_says_who_makes_the_day(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in (BEFORE, DAY):
        site.receive(day)
    site.triage.mkdir()
    lock = OsFiles().lock(str(site.triage / f".{BEFORE}.lock"))
    try:
        code = site.call("run", "--catch-up", 1, at=AT)
    finally:
        os.close(lock)

    assert code == 75
    assert f"{BEFORE} is made by another process" in said(capsys)
    assert site.days() == []


def test_of_several_processes_at_once_one_makes_the_day(site: Site) -> None:
    site.receive(DAY, 20)

    started = [site.start("--mock-latency", 30, at=AT) for _ in range(4)]
    codes = [ended(pid) for pid in started]

    assert codes.count(0) >= 1
    assert set(codes) <= {0, 75}
    assert (site.days(), site.hidden()) == ([DAY], [])
    assert site.said.read_text().count(f"{DAY}  published") == 1


def test_a_day_that_another_process_publishes_just_before_the_claim_is_not_made_again(
    site: Site,
) -> None:
    site.receive(DAY)
    site.call("run", at=AT)
    place, aside = site.triage / DAY, site.triage / f".{DAY}.partial"
    os.rename(place, aside)
    answers = (aside / "answers.jsonl").read_bytes()

    def publish_before_the_claim(event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and str(args[0]).endswith(f".{DAY}.lock") and aside.exists():
            os.rename(aside, place)

    code = ended(site.start(at=AT, hook=publish_before_the_claim))

    assert code == 0
    assert (site.days(), site.hidden()) == ([DAY], [])
    assert (place / "answers.jsonl").read_bytes() == answers
    assert "nothing was sent" in site.said.read_text()
