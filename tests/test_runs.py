"""Whole runs, joined as the command joins them, against the mock gateway over loopback."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from aiohttp import web

from batch import runs
from batch.errors import BadConfig, BadData, BadUsage, NoInput
from batch.files import OsFiles
from batch.ledger.paths import paths_of
from batch.session.event import Event
from batch.session.live import Stamp, write_live
from batch.session.snapshot import Snapshot
from batch.session.summary import Outcome
from batch.settings.tree import (
    GatewaySettings,
    KeySetting,
    Limits,
    MediaSettings,
    RequestSettings,
    RunSettings,
    Settings,
)


class Quiet:
    """Watches, and remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.seen: list[Snapshot] = []
        self.noted: list[Event] = []

    def begin(self, total: int, done: int) -> None:
        self.began = (total, done)

    def tick(self, now: Snapshot) -> None:
        self.seen.append(now)

    def say(self, message: str) -> None:
        self.said.append(message)

    def note(self, event: Event) -> None:
        self.noted.append(event)

    def end(self) -> None:
        pass


class Desk:
    """A folder with an input file, and runs over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.input = folder / "in.jsonl"
        self.output = folder / "out.jsonl"
        self.watch = Quiet()

    def write(self, *lines: Any) -> None:
        self.input.write_bytes(
            b"".join((x if isinstance(x, bytes) else orjson.dumps(x)) + b"\n" for x in lines)
        )

    def settings(
        self, request: RequestSettings, limits: Limits | None = None, **conduct: Any
    ) -> Settings:
        return Settings(
            inputs=(str(self.input),),
            output=str(self.output),
            request=request,
            limits=limits or Limits(),
            run=RunSettings(mock=True, **conduct),
        )

    def run(self, request: RequestSettings | None = None, **conduct: Any) -> Outcome:
        settings = self.settings(request or RequestSettings(), **conduct)
        # A run begins with a search for garbage. It thaws what is kept out of it here.
        gc.freeze()
        return asyncio.run(runs.run(settings, self.watch))

    def retry(self, only: frozenset[str] | None = None, ambiguous: bool = False) -> Outcome:
        settings = Settings(output=str(self.output))
        return asyncio.run(runs.retry(settings, self.watch, only, ambiguous))

    def results(self) -> list[dict[str, Any]]:
        return _records(self.output)

    def errors(self) -> list[dict[str, Any]]:
        return _records(self.folder / "out.run" / "errors.jsonl")

    def usage(self) -> list[dict[str, Any]]:
        return _records(self.folder / "out.run" / "usage.jsonl")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def _records(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def chat(name: str, model: str | None = "gpt-4o-mini", **more: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": f"This is {name}"}], **more}
    if model:
        body["model"] = model
    return {"custom_id": name, "body": body}


def test_every_line_is_answered_once_in_the_shape_of_openai_batch(desk: Desk) -> None:
    desk.write(*(chat(f"r{n}", stream=n % 2 == 0) for n in range(40)))

    outcome = desk.run()

    assert outcome.exit_code == 0
    records = desk.results()
    assert Counter(record["custom_id"] for record in records) == Counter(f"r{n}" for n in range(40))
    for record in records:
        assert list(record) == ["x_run", "id", "custom_id", "response", "error"]
        assert next(iter(record["x_run"])) == "line"
        assert record["response"]["status_code"] == 200
        assert record["custom_id"] in record["response"]["body"]["choices"][0]["message"]["content"]
        assert record["error"] is None


def test_the_same_command_again_sends_nothing_and_exits_the_same(desk: Desk) -> None:
    desk.write(chat("a"), b"not json", chat("b"))
    first = desk.run()
    before = desk.output.read_bytes()

    again = desk.run()

    assert first.exit_code == again.exit_code == 3
    assert desk.output.read_bytes() == before
    assert again.summary["x_run"]["recorded"] == 0


def test_a_bad_line_is_one_error_and_costs_no_request(desk: Desk) -> None:
    desk.write(chat("a"), b'{"custom_id":"x","body":{"messages":[]}}', b"{", chat("b", model=None))

    outcome = desk.run()

    assert outcome.exit_code == 3
    assert len(desk.results()) == 1
    codes = {error["x_run"]["line"]: error["error"]["code"] for error in desk.errors()}
    assert set(codes) == {2, 3, 4}
    assert all(error["x_run"]["attempts"] == 0 for error in desk.errors())
    assert "in.jsonl:4" in desk.errors()[-1]["error"]["message"]
    assert desk.usage()[0]["num_model_requests"] == 1


def test_a_model_given_once_fills_the_lines_that_have_none(desk: Desk) -> None:
    desk.write(chat("a", model=None), chat("b", model="gpt-5"))

    desk.run(RequestSettings(model="gpt-4o"))

    models = {record["custom_id"]: record["x_run"]["model"] for record in desk.results()}
    assert models == {"a": "gpt-4o", "b": "gpt-5"}


def test_lines_added_at_the_end_are_run_and_the_others_left_alone(desk: Desk) -> None:
    desk.write(chat("a"), chat("b"))
    desk.run()
    before = desk.output.read_bytes()
    desk.write(chat("a"), chat("b"), chat("c"))

    outcome = desk.run()

    assert outcome.exit_code == 0
    assert desk.output.read_bytes().startswith(before)
    assert [record["custom_id"] for record in desk.results()][-1] == "c"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([chat("a"), chat("changed")], "line 2"),
        ([chat("b"), chat("a")], "have changed"),
        ([chat("a")], "shorter"),
    ],
)
def test_inputs_that_are_not_what_was_answered_are_refused_and_nothing_is_written(
    desk: Desk, lines: list[Any], words: str
) -> None:
    desk.write(chat("a"), chat("b"))
    desk.run()
    before = {path: path.read_bytes() for path in desk.folder.rglob("*") if path.is_file()}
    desk.write(*lines)

    with pytest.raises(BadData, match=words) as refused:
        desk.run()

    assert "2 answers" in str(refused.value)
    kept = ("in.jsonl", "lock", "checkpoint")
    for path, content in before.items():
        assert path.name in kept or path.read_bytes() == content


def test_other_settings_are_refused_unless_the_answers_are_to_be_kept(desk: Desk) -> None:
    desk.write(chat("a", model=None), b"bad")
    desk.run(RequestSettings(model="gpt-4o"))
    other = RequestSettings(model="gpt-5")

    with pytest.raises(BadData, match='model was "gpt-4o" and is now "gpt-5"'):
        desk.run(other)
    desk.write(chat("a", model=None), b"bad", chat("c", model=None))
    outcome = desk.run(other, keep_answers=True)
    again = desk.run(other)

    assert outcome.exit_code == again.exit_code == 3
    models = {record["custom_id"]: record["x_run"]["model"] for record in desk.results()}
    assert models == {"a": "gpt-4o", "c": "gpt-5"}


def test_a_changed_line_that_had_failed_is_asked_again_when_answers_are_kept(desk: Desk) -> None:
    desk.write(chat("a"), b"bad")
    desk.run()
    desk.write(chat("a"), chat("mended"))

    with pytest.raises(BadData, match="--keep-answers"):
        desk.run()
    outcome = desk.run(keep_answers=True)
    (desk.folder / "out.run" / "cache" / "checkpoint").unlink()
    again = desk.run()

    assert outcome.exit_code == again.exit_code == 0
    assert desk.errors() == []
    assert len(desk.results()) == 2


def test_a_new_run_keeps_the_old_output_aside(desk: Desk) -> None:
    desk.write(chat("a"))
    desk.run()
    old = desk.output.read_bytes()
    desk.write(chat("b"))

    desk.run(new_run=True)

    assert [record["custom_id"] for record in desk.results()] == ["b"]
    aside = list(desk.folder.glob("out.jsonl.*"))
    assert [path.read_bytes() for path in aside] == [old]
    assert len(list(desk.folder.glob("out.run.*"))) == 1


def test_a_retry_of_what_may_be_paid_twice_says_how_to_ask_for_it(desk: Desk) -> None:
    desk.write({"custom_id": "p", "url": "/mj/submit/imagine", "body": {"prompt": "cat"}})
    first = desk.run(mock_fail="reset=100%")

    kept = desk.retry(only=frozenset({"outcome_unknown"}))

    assert first.exit_code == kept.exit_code == 3
    assert desk.watch.said[-1].endswith("--ambiguous")
    assert [error["x_run"]["class"] for error in desk.errors()] == ["outcome_unknown"]


def test_retry_sends_again_what_failed_and_counts_on(desk: Desk) -> None:
    desk.write(*(chat(f"r{n}") for n in range(6)), b"bad")
    first = desk.run(mock_fail="empty-choices=100%", limits=Limits(max_attempts=2))
    failed = {error["x_run"]["line"]: error["x_run"]["attempts"] for error in desk.errors()}

    with pytest.raises(BadUsage, match="did with invalid_json, invalid_response"):
        desk.retry(only=frozenset({"timeout"}))
    second = desk.retry()

    assert first.exit_code == 3
    assert second.exit_code == 3  # the bad line cannot be mended by asking
    assert [error["x_run"]["class"] for error in desk.errors()] == ["invalid_json"]
    assert len(desk.results()) == 6
    for record in desk.results():
        assert record["x_run"]["attempts"] == failed[record["x_run"]["line"]] + 1


def test_what_may_have_been_billed_is_counted_on_by_a_retry(desk: Desk) -> None:
    desk.write(*(chat(f"r{n}") for n in range(3)))
    first = desk.run(mock_fail="cut=100%")
    before = [error["x_run"]["maybe_billed"] for error in desk.errors()]
    told = sum(row["num_maybe_billed"] for row in desk.usage())

    second = desk.retry()

    assert (first.exit_code, second.exit_code) == (3, 0)
    assert before == [2, 2, 2]
    assert [record["x_run"]["maybe_billed"] for record in desk.results()] == [2, 2, 2]
    assert sum(row["num_maybe_billed"] for row in desk.usage()) == told == 6


def test_paid_work_of_which_nothing_is_known_is_counted_as_maybe_billed(desk: Desk) -> None:
    body = {"model": "sora-2", "prompt": "cat", "seconds": "4"}
    desk.write({"custom_id": "p", "url": "/v1/videos", "body": body})

    desk.run(mock_fail="500=100%")

    (error,) = desk.errors()
    assert (error["x_run"]["class"], error["x_run"]["maybe_billed"]) == ("outcome_unknown", 1)
    assert sum(row["num_maybe_billed"] for row in desk.usage()) == 1


def test_a_retry_knows_what_the_models_make_that_the_run_was_told_of(desk: Desk) -> None:
    desk.write(chat("r1", model="my-painter"))
    settings = desk.settings(RequestSettings(), mock_fail="500=100%")
    told = msgspec.structs.replace(settings, media=MediaSettings(makes={"my-*": "image"}))
    asyncio.run(runs.run(told, desk.watch))

    desk.retry(ambiguous=True)

    journal = _records(desk.folder / "out.run" / "journal.jsonl")
    assert [entry["kind"] for entry in journal] == ["header", "intent", "intent", "billed"]
    assert [error["x_run"]["class"] for error in desk.errors()] == ["no_media"]


def test_retry_where_nothing_was_run_says_so(desk: Desk) -> None:
    with pytest.raises(NoInput, match="no run was begun there"):
        desk.retry()


def test_the_totals_are_those_of_the_records_and_of_the_paid_attempts(desk: Desk) -> None:
    desk.write(*(chat(f"r{n}", stream=n % 3 == 0) for n in range(120)))

    desk.run(mock_fail="no-finish=6%,500=2%")

    journal = _records(desk.folder / "out.run" / "journal.jsonl")
    wasted = [entry["usage"] for entry in journal if entry["kind"] == "billed"]
    assert wasted
    counted = [record["x_run"]["usage"] for record in desk.results()] + wasted
    for name in ("input_tokens", "output_tokens", "input_cached_tokens"):
        assert sum(row[name] for row in desk.usage()) == sum(one[name] or 0 for one in counted)
    assert sum(row["num_model_requests"] for row in desk.usage()) == len(counted)


def test_a_session_that_finds_nothing_left_leaves_a_checkpoint_once(desk: Desk) -> None:
    desk.write(*(chat(f"r{n}") for n in range(6)))
    desk.run()
    cache = desk.folder / "out.run" / "cache" / "checkpoint"
    before = cache.read_bytes()
    cache.unlink()

    desk.run()
    again, made = cache.read_bytes(), cache.stat().st_ino
    desk.run()

    assert again == before
    assert cache.stat().st_ino == made  # what is there says all, and is not written again


def test_a_streamed_answer_is_recorded_like_an_unstreamed_one(desk: Desk) -> None:
    desk.write(chat("same", stream=True), chat("same ", stream=False))

    desk.run()

    streamed, plain = sorted(desk.results(), key=lambda record: record["x_run"]["line"])
    assert set(streamed["response"]["body"]) <= set(plain["response"]["body"])
    assert streamed["response"]["body"]["object"] == "chat.completion"
    assert streamed["x_run"]["usage"].keys() == plain["x_run"]["usage"].keys()


def test_status_reads_a_run_from_its_files(desk: Desk) -> None:
    desk.write(chat("a"), b"bad")
    desk.run()

    outcome = runs.status(str(desk.output))

    assert outcome.exit_code == 3
    assert outcome.summary["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert "1 ok · 1 failed (1 invalid_json)" in outcome.lines[0]


@pytest.mark.parametrize(
    ("age", "total", "first", "last"),
    [
        (
            1.0,
            3,
            "running  120/min · left 1s · 2 in flight",
            "next     nothing: it goes on by itself",
        ),
        (60.0, 3, "stopped  no word of it for 1m00s", "next     the same command again"),
        (60.0, 2, "done     2 ok", "next     nothing: every line is answered"),
    ],
    ids=["running", "killed", "killed after its last line"],
)
def test_status_says_whether_a_run_goes_on(
    desk: Desk, age: float, total: int, first: str, last: str
) -> None:
    desk.write(chat("a"), chat("b"))
    run_id = desk.run().summary["id"]
    state = Snapshot(total, 2, 2, 0, 0, 0, 2, 0, None, 9.0, rate=2.0, seconds_left=1.0)
    stamp = Stamp(run_id, time.time() - age, total)
    write_live(OsFiles(), paths_of(str(desk.output)), stamp, state)

    outcome = runs.status(str(desk.output))

    assert outcome.exit_code == (75 if total > 2 else 0)
    assert outcome.lines[0].startswith(first)
    assert outcome.lines[-1].startswith(last)
    assert outcome.summary["x_run"]["live"]["running"] is (age < 20)


def test_status_tells_of_answers_that_are_gone_before_they_are_paid_again(desk: Desk) -> None:
    desk.write(chat("a"), chat("b"), chat("c"))
    desk.run()
    lines = desk.output.read_bytes().splitlines(keepends=True)
    desk.output.write_bytes(b"".join(lines[:1]))

    outcome = runs.status(str(desk.output))

    assert outcome.exit_code == 75
    assert outcome.lines[0].startswith(f"lost     {desk.output} is shorter than it was: 2 answers")
    assert [f"lost     {one}" for one in outcome.summary["x_run"]["notes"]] == [outcome.lines[0]]


def test_status_counts_all_lines_also_while_only_some_are_to_be_asked(desk: Desk) -> None:
    desk.write(*(chat(f"r{n}") for n in range(8)))
    desk.run(head=6)
    live = desk.folder / "out.run" / "status.json"

    class Asks(Quiet):
        told: tuple[int, int] | None = None

        def tick(self, now: Snapshot) -> None:
            if live.exists():
                outcome = runs.status(str(desk.output))
                self.told = outcome.exit_code, outcome.summary["request_counts"]["total"]

    desk.watch = asks = Asks()

    desk.run(sample=3, seed=2, mock_latency=1000)  # of these the seventh is left

    assert asks.told == (75, 8)


def test_a_run_says_where_it_is_while_it_goes_on_and_at_its_end_what_held_it_back(
    desk: Desk,
) -> None:
    live = desk.folder / "out.run" / "status.json"

    class Reader(Quiet):
        told: dict[str, Any] | None = None

        def tick(self, now: Snapshot) -> None:
            self.told = orjson.loads(live.read_bytes()) if live.exists() else self.told

    desk.watch = reader = Reader()
    desk.write(*(chat(f"r{n}") for n in range(4)))

    outcome = desk.run(mock_latency=1000)

    assert reader.told is not None
    assert (reader.told["in_flight"], reader.told["total"]) == (4, 4)
    assert not live.exists()
    held = outcome.summary["x_run"]["bottlenecks"]
    assert [one["kind"] for one in held][:1] == ["answers"]


def test_the_files_of_a_run_are_readable_by_their_owner_alone(desk: Desk) -> None:
    desk.write(chat("a"), b"bad")

    desk.run()

    for path in (desk.output, *desk.folder.glob("out.run/**/*"), desk.folder / "out.run"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_run_refused_before_it_began_leaves_nothing_behind(desk: Desk) -> None:
    desk.write(chat("a"), chat("a"))

    with pytest.raises(BadData, match="already stands"):
        desk.run()

    assert [path.name for path in desk.folder.iterdir()] == ["in.jsonl"]


def test_progress_counts_only_what_is_on_disk(desk: Desk) -> None:
    desk.write(*(chat(f"r{n}") for n in range(300)))

    desk.run(mock_latency=20.0)

    assert desk.watch.began == (300, 0)
    done = [snapshot.done for snapshot in desk.watch.seen]
    assert done == sorted(done)
    assert done[-1] == 300


def test_totals_that_a_killed_session_left_behind_are_brought_up_to_date(desk: Desk) -> None:
    desk.write(chat("a"), chat("b"))
    desk.run()
    published = [desk.folder / "out.run" / name for name in ("run.json", "usage.jsonl")]
    old = [path.read_bytes() for path in published]
    desk.write(chat("a"), chat("b"), chat("c"))
    desk.run()
    new = [path.read_bytes() for path in published]
    for path, content in zip(published, old, strict=True):
        path.write_bytes(content)

    again = desk.run()

    assert again.summary["request_counts"]["completed"] == 3
    assert orjson.loads(published[0].read_bytes())["request_counts"]["completed"] == 3
    assert published[1].read_bytes() == new[1]


def test_a_model_that_no_key_is_for_leaves_its_lines_pending_and_says_what_to_add(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(chat("a"))
    monkeypatch.setenv("CLAUDE_KEY", "sk-0123456789abcdef")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = Settings(
        inputs=(str(desk.input),),
        output=str(desk.output),
        gateway=GatewaySettings(base_url="http://127.0.0.1:9"),
        keys=(KeySetting(match="claude-*", env="CLAUDE_KEY"),),
    )

    outcome = asyncio.run(runs.run(settings, desk.watch))

    assert outcome.exit_code == 77
    assert "no key is for model 'gpt-4o-mini'" in outcome.lines[0]
    assert "--key 'gpt-*=env:NAME'" in outcome.lines[1]
    assert desk.results() == []


def test_two_outputs_whose_folders_would_have_the_same_name_are_kept_apart(desk: Desk) -> None:
    desk.write(chat("a"))
    desk.run()
    desk.output = desk.folder / "out"

    with pytest.raises(BadData, match=r"belongs to out\.jsonl"):
        desk.run()


def test_a_typing_error_in_a_new_run_does_not_move_the_old_output(desk: Desk) -> None:
    desk.write(chat("a"))
    desk.run()
    desk.input = desk.folder / "typo.jsonl"

    with pytest.raises(NoInput, match=r"typo\.jsonl"):
        desk.run(new_run=True)

    assert len(desk.results()) == 1


def test_new_settings_are_noted_though_nothing_is_left_to_ask(desk: Desk) -> None:
    desk.write(chat("a", model=None))
    desk.run(RequestSettings(model="gpt-4o"))
    other = RequestSettings(model="gpt-5")

    desk.run(other, keep_answers=True)

    assert desk.run(other).exit_code == 0


def test_more_workers_than_lines_are_not_made(desk: Desk) -> None:
    made: list[str] = []

    def counting(loop: Any, coro: Any, **more: Any) -> asyncio.Task[Any]:
        made.append(coro.__qualname__)
        return asyncio.Task(coro, loop=loop, **more)

    class Counting(Quiet):
        def begin(self, total: int, done: int) -> None:
            asyncio.get_running_loop().set_task_factory(counting)

    desk.write(chat("a"), chat("b"))
    settings = desk.settings(RequestSettings(), Limits(concurrency=2000))

    outcome = asyncio.run(runs.run(settings, Counting()))

    assert outcome.exit_code == 0
    assert 0 < len(made) < 50


def test_a_retry_does_not_pass_pending_lines_for_answered_ones(desk: Desk) -> None:
    """A run that is stopped leaves lines that no retry asks."""
    desk.write(*(chat(f"r{n}") for n in range(300)))
    watch = desk.watch

    class Stopping(Quiet):
        def tick(self, now: Snapshot) -> None:
            if now.done:
                os.kill(os.getpid(), signal.SIGTERM)

    settings = desk.settings(RequestSettings(), mock_latency=150.0)
    stopped = asyncio.run(runs.run(settings, Stopping()))
    retried = desk.retry()

    assert stopped.exit_code == 143
    assert retried.exit_code == 75
    assert "were not asked" in retried.lines[0]
    assert watch.said[-1].startswith("nothing is sent")


def test_a_server_that_knows_nothing_of_the_api_stops_the_run(desk: Desk) -> None:
    desk.write(*(chat(f"r{n}") for n in range(50)))

    outcome, asked = asyncio.run(_against_a_web_site(desk))

    assert outcome.exit_code == 77
    assert "check the base URL" in outcome.lines[0]
    assert asked <= 10
    assert desk.errors() == []


async def _against_a_web_site(desk: Desk) -> tuple[Outcome, int]:
    asked = 0

    async def not_found(request: web.BaseRequest) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=404, text="404 page not found")

    runner = web.ServerRunner(web.Server(not_found))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    key = desk.folder / "key"
    key.write_text("sk-0123456789abcdef")
    key.chmod(0o600)
    settings = Settings(
        inputs=(str(desk.input),),
        output=str(desk.output),
        gateway=GatewaySettings(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}"),
        keys=(KeySetting(match="*", file=str(key)),),
    )
    try:
        return await runs.run(settings, desk.watch), asked
    finally:
        await runner.cleanup()


def test_a_new_run_that_is_refused_leaves_the_old_output_where_it_is(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(chat("a"))
    desk.run()
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = Settings(
        inputs=(str(desk.input),), output=str(desk.output), run=RunSettings(new_run=True)
    )

    with pytest.raises(BadConfig):
        asyncio.run(runs.run(settings, desk.watch))
    desk.write(chat("a"), chat("a"))
    with pytest.raises(BadData, match="already stands"):
        desk.run(new_run=True)

    assert len(desk.results()) == 1


def test_a_key_that_somebody_pasted_into_a_url_is_in_no_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-0123456789abcdef0123"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    desk.write({"custom_id": "a", "url": f"/v1/{key}/chat", "body": {}})
    settings = Settings(
        inputs=(str(desk.input),),
        output=str(desk.output),
        gateway=GatewaySettings(base_url="http://127.0.0.1:9"),
    )

    outcome = asyncio.run(runs.run(settings, desk.watch))

    assert outcome.exit_code == 3
    assert desk.errors()[0]["x_run"]["class"] == "unknown_endpoint"
    files = [path for path in desk.folder.rglob("*") if path.is_file() and path != desk.input]
    assert not [path for path in files if key.encode() in path.read_bytes()]
