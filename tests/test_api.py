"""The Python face, against the mock gateway: iterated, left early, blocked, refused, carried on."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import orjson
import pytest

import batch
from batch.api.follow import Follow
from batch.api.guest import Guest
from batch.api.rows import Written
from batch.api.said import NAMES
from batch.cli.options import PLACES
from batch.cli.run import command
from batch.ledger.paths import Paths
from tests.proofs.processes import heeding

ROOT = Path(__file__).parent.parent
# What `wbatch run` takes and a program does not: what has a place of its own, questions on a
# terminal, who is told of the end, and nights.
NOT_HERE = {
    *("inputs", "output", "confirm_above"),
    *("health_url", "webhook_url", "notify_when", "prometheus_file", "log_file", "log_format"),
    *("catch_up", "when_missing", "on_failed", "latest"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, count: int, start: int = 0) -> None:
    lines = [{"custom_id": f"r{n}", "prompt": f"Say {n}"} for n in range(start, start + count)]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def ask(inputs: Any = "in.jsonl", **options: Any) -> batch.Run:
    return batch.run(inputs, "out.jsonl", **({"model": "gpt-4o-mini", "mock": True} | options))


async def gather(run: batch.Run) -> list[batch.Result]:
    return [result async for result in run]


def ids(results: Sequence[batch.Result]) -> list[str]:
    return sorted(result.custom_id for result in results)


def test_each_line_is_given_once_whether_it_was_answered_or_not(folder: Path) -> None:
    write(folder / "in.jsonl", 300)
    with (folder / "in.jsonl").open("a") as file:
        file.write('{"custom_id": "bad", "prompt": 7}\n')

    run = ask()
    results = asyncio.run(gather(run))

    assert ids(results) == sorted([*(f"r{n}" for n in range(300)), "bad"])
    bad = next(result for result in results if not result.ok)
    assert (bad.custom_id, bad.text, bad.error) == ("bad", None, "invalid_request")
    assert bad.message
    assert "Say 7" in str(next(r.text for r in results if r.custom_id == "r7"))
    assert run.outcome.exit_code == 3


def test_the_same_call_again_gives_the_same_and_sends_nothing(folder: Path) -> None:
    write(folder / "in.jsonl", 40)
    with (folder / "in.jsonl").open("a") as file:
        file.write('{"custom_id": "bad", "prompt": 7}\n')
    first = asyncio.run(gather(ask()))
    written = (folder / "out.jsonl").read_bytes()

    again = asyncio.run(gather(ask()))

    assert len(first) == 41
    assert ids(again) == ids(first)
    assert (folder / "out.jsonl").read_bytes() == written


def test_a_loop_that_is_left_ends_the_run_and_the_same_call_carries_on(folder: Path) -> None:
    write(folder / "in.jsonl", 200)

    async def leave() -> int:
        async for _ in ask(mock_latency=20, concurrency=4):
            break
        return len(await gather(ask(mock_latency=0, concurrency=4)))

    answered = asyncio.run(leave())

    assert answered == 200
    lines = [record["x_run"]["line"] for record in lines_of(folder / "out.jsonl")]
    assert sorted(lines) == list(range(1, 201))


def test_a_loop_that_is_left_keeps_what_was_answered_and_sends_no_more(folder: Path) -> None:
    write(folder / "in.jsonl", 2000)

    async def leave() -> batch.Run:
        async with ask(mock_latency=20, concurrency=4) as run:
            async for _ in run:
                break
        return run

    run = asyncio.run(leave())

    assert run.outcome.exit_code == 130
    assert 1 <= len(batch.read("out.jsonl")) < 200
    assert json.loads((folder / "out.run" / "run.json").read_text())["status"] == "cancelled"


@pytest.mark.parametrize("how", ["raise", "cancel"])
def test_a_body_that_fails_ends_the_run(folder: Path, how: str) -> None:
    write(folder / "in.jsonl", 500)

    async def fail() -> None:
        async for _ in ask(mock_latency=20, concurrency=4):
            if how == "raise":
                raise ValueError("mine")
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

    with pytest.raises(ValueError if how == "raise" else asyncio.CancelledError):
        asyncio.run(fail())

    assert len(batch.read("out.jsonl")) < 200
    assert batch.run_sync("in.jsonl", "out.jsonl", model="gpt-4o-mini", mock=True).answered == 500


def test_a_program_that_blocks_its_loop_holds_up_no_request(folder: Path) -> None:
    write(folder / "in.jsonl", 500)

    async def block() -> tuple[int, int]:
        run, seen = ask(mock_latency=5), 0
        async for _ in run:
            seen += 1
            if seen == 1:
                assert run._engine is not None
                run._engine.wait()  # nothing of this loop goes on meanwhile
                written = len(lines_of(folder / "out.jsonl"))
        return written, seen

    assert asyncio.run(block()) == (500, 500)


def test_a_slow_reader_has_at_most_a_portion_in_memory(folder: Path) -> None:
    write(folder / "in.jsonl", 500)
    asyncio.run(gather(ask()))
    follow = following(folder, (0, 0))

    portions = [len(portion) for portion in iter(follow.take, [])]
    follow.close()

    assert sum(portions) == 500
    assert max(portions) == 200


def following(folder: Path, safe: tuple[int, int]) -> Follow:
    """Follow a run as its thread would have it followed that has committed so much."""
    paths = Paths(str(folder / "out.jsonl"))
    plan: Any = SimpleNamespace(paths=paths, opened=SimpleNamespace(chosen=None))
    book: Any = SimpleNamespace(safe=safe, on_commit=None)
    follow = Follow(lambda: None)
    follow.begin(plan, book)
    return follow


def test_nothing_is_given_before_it_is_on_stable_storage(folder: Path) -> None:
    write(folder / "in.jsonl", 3)
    asyncio.run(gather(ask()))
    out = folder / "out.jsonl"
    before = out.stat().st_size, 0
    follow = following(folder, before)
    assert len(follow.take()) == 3

    with out.open("ab") as file:
        file.write(out.read_bytes().splitlines(keepends=True)[0])
    written = follow.take()
    book: Any = follow._book
    book.safe = (out.stat().st_size, 0)
    book.on_commit()
    safe = follow.take()
    follow.close()

    assert (written, len(safe)) == ([], 1)


def test_only_the_lines_that_were_asked_for_are_given(folder: Path) -> None:
    write(folder / "in.jsonl", 30)
    asyncio.run(gather(ask(head=20)))

    first = asyncio.run(gather(ask(head=5)))

    assert ids(first) == [f"r{n}" for n in range(5)]


def test_a_loop_that_is_collected_as_its_run_begins_to_send_holds_nobody_up() -> None:
    # Given: a program that has left its loop, which is collected in a thread of the run's
    guest = Guest(Written(), None)
    guest.stop()
    ending: Any = SimpleNamespace(stop=lambda code, why: guest.stop())

    async def send() -> None:
        with guest.sending(ending):
            pass

    thread = threading.Thread(target=lambda: asyncio.run(send()), daemon=True)
    thread.start()
    thread.join(10)

    assert not thread.is_alive()


@pytest.mark.parametrize("way", ["loop", "awaited", "plain"])
def test_where_no_thread_can_be_made_that_is_told_and_nothing_is_left(
    folder: Path, way: str
) -> None:
    told: list[BaseException] = []

    async def go() -> None:
        run = batch.run([{"prompt": "a"}], "out.jsonl", model="m", mock=True)
        if way == "awaited":
            await run
        async with run:
            await gather(run)

    def program() -> None:
        threading.stack_size(1 << 46)  # bytes, which no machine has
        try:
            if way == "plain":
                batch.run_sync([{"prompt": "a"}], "out.jsonl", model="m", mock=True)
            else:
                asyncio.run(go())
        except RuntimeError as failure:
            told.append(failure)
        finally:
            threading.stack_size(0)

    thread = threading.Thread(target=program, daemon=True)
    thread.start()
    thread.join(10)

    assert [str(one) for one in told] == ["can't start new thread"]
    assert list(folder.iterdir()) == []


def test_a_run_is_gone_through_once(folder: Path) -> None:
    write(folder / "in.jsonl", 2)
    run = ask()
    asyncio.run(gather(run))

    with pytest.raises(RuntimeError, match=r"batch\.read"):
        asyncio.run(gather(run))


def test_lines_that_are_left_are_no_success(folder: Path) -> None:
    write(folder / "in.jsonl", 50)
    seen: list[batch.Result] = []

    async def go() -> None:
        async for result in ask(max_requests=10):
            seen.append(result)  # noqa: PERF401 - what came before the end counts

    with pytest.raises(batch.Unfinished, match="40 lines are pending") as stopped:
        asyncio.run(go())

    assert len(seen) == 10
    assert stopped.value.outcome.exit_code == 4


@dataclasses.dataclass
class Point:
    x: float
    y: float


REFUSED: list[tuple[type[Exception], dict[str, Any], str]] = [
    (TypeError, {"modle": "a"}, "'modle' is no setting of a run. Did you mean 'model'?"),
    (TypeError, {"param": {}}, "Did you mean 'params'?"),
    (batch.BadUsage, {"tz": 5}, "^tz: give text"),
    (batch.BadUsage, {"rpm": "many"}, "^rpm: give a whole number of at least 1"),
    (batch.BadUsage, {"head": 2, "sample": 2}, "head and sample exclude each other"),
    (batch.BadUsage, {"keys": {"*": "sk-0123456789abcdef"}}, "^keys takes the place of a key"),
    (batch.BadUsage, {"prompt": "p.txt"}, r"prompt=Path\('p\.txt'\)"),
    (batch.BadUsage, {"output": None}, "^output: where should the answers go"),
    (batch.BadUsage, {"job": "job.yaml"}, r"^job: .* ends in \.toml"),
    (batch.BadConfig, {"config": "none.toml"}, "none.toml"),
    (batch.NoInput, {"inputs": "Say hello"}, r'\{"prompt": text\}'),
    (batch.BadUsage, {"inputs": {"prompt": "one"}}, r"Write \[row\]"),
    (batch.BadUsage, {"inputs": 7}, "give the path of a file"),
    (batch.BadUsage, {"inputs": [{"prompt": "a"}, 7]}, "row 2 is no dict"),
    (batch.BadUsage, {"inputs": [{"prompt": "a"}, {"n": {1}}]}, "row 2 cannot be written as JSON"),
    (batch.BadUsage, {"inputs": [{"n": float("nan")}]}, "row 1 cannot .*: n is nan. Leave it out"),
    (batch.BadUsage, {"inputs": [{"n": [1, {"m": float("-inf")}]}]}, "JSON: n.1.m is -inf"),
    (batch.BadUsage, {"inputs": [{"n": np.array([[1.0, np.inf]])}]}, "JSON: n.0.1 is inf"),
    (batch.BadUsage, {"inputs": [{"n": np.float32("nan")}]}, "JSON: n is nan"),
    (batch.BadUsage, {"inputs": [{"n": Point(1.0, float("inf"))}]}, "JSON: n.y is inf"),
    (batch.BadUsage, {"inputs": None}, "^inputs: what should be sent"),
    (batch.BadUsage, {"output": "a\0b"}, "no file can have this name"),
    (batch.BadUsage, {"output": "\ud800.jsonl"}, "no file can have this name"),
    (batch.BadConfig, {"env_file": "a\0b"}, "env_file takes a path"),
]


@pytest.mark.parametrize(("kind", "said", "why"), REFUSED, ids=lambda one: str(one)[:30])
def test_what_cannot_be_is_refused_at_the_call(
    folder: Path, kind: type[Exception], said: dict[str, Any], why: str
) -> None:
    write(folder / "in.jsonl", 1)
    call = {"inputs": "in.jsonl", "output": "out.jsonl", "mock": True} | said

    with pytest.raises(kind, match=why):
        batch.run(**call)

    assert [path.name for path in folder.iterdir()] == ["in.jsonl"]


def test_nan_is_missing_in_pandas_and_a_number_in_polars(folder: Path) -> None:
    row = ("Hi.", float("nan"))
    pandas = SimpleNamespace(
        columns=["prompt", "price"], itertuples=lambda index, name: iter([row])
    )
    polars = SimpleNamespace(
        iter_rows=lambda named: iter([dict(zip(["prompt", "price"], row, strict=True))])
    )

    batch.run_sync(pandas, "out.jsonl", model="m", mock=True)
    with pytest.raises(batch.BadUsage, match="row 1 cannot be written as JSON: price is nan"):
        batch.run_sync(polars, "other.jsonl", model="m", mock=True)

    assert orjson.loads((folder / "out.input.jsonl").read_bytes())["price"] is None
    assert not (folder / "other.input.jsonl").exists()


def test_what_refuses_a_run_is_raised_with_the_names_of_the_arguments(folder: Path) -> None:
    write(folder / "in.jsonl", 3)
    asyncio.run(gather(ask()))
    write(folder / "in.jsonl", 3, start=5)

    with pytest.raises(batch.BadData, match="start over with new_run=True"):
        asyncio.run(gather(ask()))
    with pytest.raises(batch.BadData, match="or keep_answers=True to keep them"):
        batch.run_sync("in.jsonl", "out.jsonl", model="another", mock=True)


def test_flags_with_a_name_and_a_value_are_said_as_dicts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    write(folder / "in.jsonl", 1)

    with pytest.raises(batch.BadConfig) as refused:
        batch.run_sync("in.jsonl", "out.jsonl", model="m", config="/dev/null")

    assert 'with keys={"MODELS": "env:NAME"} or keys={"MODELS": "file:PATH"}, or' in str(
        refused.value
    )


def test_the_settings_of_the_command_hold_here_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "in.jsonl", 2)
    (folder / ".env").write_text("WBATCH_MODEL=from-env-file\n")
    monkeypatch.setenv("WBATCH_MOCK", "1")

    results = batch.run_sync("in.jsonl", "out.jsonl")
    nearer = batch.run_sync("in.jsonl", "other.jsonl", model="from-the-call")

    assert results[0].model == "from-env-file"
    assert nearer[0].model == "from-the-call"


def test_a_job_is_run_with_arguments_above_it(folder: Path) -> None:
    write(folder / "in.jsonl", 4)
    job = 'inputs = ["in.jsonl"]\noutput = "o.jsonl"\n[request]\nmodel = "m"\n[run]\nmock = true\n'
    (folder / "job.toml").write_text(job)

    results = batch.run_sync(job=Path("job.toml"), head=2)

    assert [result.model for result in results] == ["m", "m"]
    assert (folder / "o.jsonl").exists()


def test_every_flag_of_a_run_has_its_argument() -> None:
    plurals = {"param": "params", "key": "keys", "tag": "tags"}
    flags = {str(param.name) for param in command.params if param.name in PLACES}

    assert {plurals.get(name, name) for name in flags} - NOT_HERE == NAMES - {"config"}


ROWS = [{"id": "a", "text": "Fine."}, {"id": "b", "text": "Bad."}, {"id": "c", "text": "坏"}]


def label(rows: Any, **options: Any) -> batch.Results:
    said = {"prompt": "Good or bad? {{ text }}", "labels": ["good", "bad"], "model": "m"} | options
    return batch.run_sync(rows, "out.jsonl", mock=True, **said)


def test_rows_are_asked_by_a_template_and_labeled(folder: Path) -> None:
    results = label(row for row in ROWS)

    assert [result.custom_id for result in results] == ["a", "b", "c"]
    assert {result.label for result in results} <= {"good", "bad"}
    assert lines_of(folder / "out.input.jsonl") == ROWS
    assert results["b"].line == 2


def test_rows_that_have_grown_go_on_and_changed_ones_are_refused(folder: Path) -> None:
    label(ROWS[:2])
    written = (folder / "out.jsonl").read_bytes()

    grown = label(ROWS)
    with pytest.raises(batch.BadData, match="new_run=True") as refused:
        label(list(reversed(ROWS)))
    with pytest.raises(batch.BadData):
        label(ROWS[:1])

    assert (folder / "out.jsonl").read_bytes().startswith(written)
    assert len(grown) == 3
    assert "--" not in str(refused.value)
    assert lines_of(folder / "out.input.jsonl") == ROWS
    assert [result.custom_id for result in label(ROWS[::-1], new_run=True)] == ["c", "b", "a"]


def test_rows_of_a_run_that_is_refused_are_not_left_behind(folder: Path) -> None:
    with pytest.raises(batch.BadData, match="text"):
        label([{"id": "a"}])
    left = [path.name for path in folder.iterdir()]
    label(ROWS)

    with pytest.raises(batch.BadData, match="to lines that changed"):
        label(ROWS[::-1], keep_answers=True)

    assert left == []
    assert lines_of(folder / "out.input.jsonl") == ROWS
    assert len(label(ROWS)) == 3
    assert not list(folder.glob("*.before"))


def test_a_run_that_comes_too_late_takes_no_rows_from_the_one_that_has_the_output(
    folder: Path,
) -> None:
    # Given: two runs over the same rows, of which only one can have the output
    rows = [{"prompt": f"Say {n}"} for n in range(5)]
    runs = [ask(rows, mock_latency=200) for _ in range(2)]

    async def main() -> list[Any]:
        return await asyncio.gather(*map(gather, runs), return_exceptions=True)

    came = asyncio.run(main())

    assert sorted(type(one).__name__ for one in came) == ["Busy", "list"]
    assert len(lines_of(folder / "out.input.jsonl")) == 5


def test_a_file_of_somebody_elses_is_not_replaced_by_rows(folder: Path) -> None:
    (folder / "out.input.jsonl").write_text("mine\n")

    with pytest.raises(batch.BadData, match="is there already"):
        label(ROWS)

    assert [path.name for path in folder.iterdir()] == ["out.input.jsonl"]


def test_a_schema_is_a_dict_and_a_prompt_may_be_a_file(folder: Path) -> None:
    pytest.importorskip("jsonschema_rs")
    (folder / "p.txt").write_text("What of {{ text }}?")
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }

    results = label(ROWS, labels=None, label_schema=schema, prompt=Path("p.txt"))

    assert all(isinstance(result.label["n"], int) for result in results)


def test_the_plain_function_works_where_a_loop_runs(folder: Path) -> None:
    async def cell() -> int:
        return len(label(ROWS))

    assert asyncio.run(cell()) == 3


def test_a_run_can_be_awaited(folder: Path) -> None:
    write(folder / "in.jsonl", 5)

    async def cell() -> batch.Results:
        return await ask()

    results = asyncio.run(cell())

    assert (results.answered, results.failed, results.outcome.exit_code) == (5, 0, 0)
    assert [result.custom_id for result in results[1:3]] == ["r1", "r2"]
    assert results[-1].custom_id == "r4"
    assert results[0].usage["output_tokens"]
    assert results[0].body["object"] == "chat.completion"
    assert repr(results[0]).startswith("Result(line=1, custom_id='r0', text='")


def interrupt_when(path: Path) -> threading.Thread:
    """Interrupt the program as Ctrl-C would, once there is a first answer."""

    def watch() -> None:
        while not (path.exists() and path.stat().st_size):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_an_interrupt_ends_a_waiting_call_in_order(folder: Path) -> None:
    write(folder / "in.jsonl", 5000)
    thread = interrupt_when(folder / "out.jsonl")

    with heeding(), pytest.raises(KeyboardInterrupt):
        batch.run_sync("in.jsonl", "out.jsonl", model="m", mock=True, mock_latency=20)
    thread.join()

    assert json.loads((folder / "out.run" / "run.json").read_text())["status"] == "cancelled"
    assert 1 <= len(batch.read("out.jsonl")) < 5000


def test_results_are_read_while_they_are_few_and_by_id(folder: Path) -> None:
    with pytest.raises(batch.NoInput):
        batch.read("out.jsonl")
    write(folder / "in.jsonl", 3)
    asyncio.run(gather(ask(head=2)))

    results = batch.read(Path("out.jsonl"))

    assert len(results) == 2
    assert results.outcome.exit_code == 75
    assert list(results.errors()) == []
    with pytest.raises(KeyError):
        results["r2"]
    with pytest.raises(IndexError):
        results[2]
    assert "r0" in results
    assert "r2" not in results


def test_a_table_without_pandas_says_what_to_install(folder: Path) -> None:
    write(folder / "in.jsonl", 1)
    asyncio.run(gather(ask()))
    code = (
        "import sys, batch\nsys.modules['pandas'] = None\n"
        "try: batch.read('out.jsonl').to_pandas()\n"
        "except batch.BadConfig as error: print(error)"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install pandas" in told.stdout


def test_what_is_said_goes_to_the_log_and_a_bar_to_stderr(
    folder: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder / "in.jsonl", 3)
    with caplog.at_level(logging.INFO, "batch"):
        asyncio.run(gather(ask()))
    quiet = capsys.readouterr()

    batch.run_sync("in.jsonl", "other.jsonl", model="m", mock=True, progress=True)

    assert any("3 to ask" in record.getMessage() for record in caplog.records)
    assert (quiet.out, quiet.err) == ("", "")
    assert "3/3" in capsys.readouterr().err


def test_to_import_it_loads_nothing() -> None:
    code = "import batch, sys; print([name for name in sys.modules if name.startswith('batch.')])"
    heavy = "import batch, sys; print({'asyncio', 'msgspec', 'click', 'aiohttp'} & {*sys.modules})"

    told = [
        subprocess.check_output([sys.executable, "-c", one], text=True) for one in (code, heavy)
    ]

    assert told == ["[]\n", "set()\n"]


def stub_names() -> Iterator[str]:
    yield from re.findall(
        r" as (\w+)$", (ROOT / "batch" / "__init__.pyi").read_text(), re.MULTILINE
    )
    yield "__version__"


def test_the_names_are_those_that_type_checkers_see() -> None:
    assert sorted(stub_names()) == sorted(batch.__all__)
    assert all(getattr(batch, name) is not None for name in batch.__all__)
    assert set(batch.__all__) <= set(dir(batch))
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        batch.runn  # type: ignore[attr-defined]  # noqa: B018


TYPED = """
import asyncio
from typing import assert_type

import batch


async def main() -> None:
    run = batch.run("in.jsonl", "out.jsonl", model="m", labels=["a"], max_cost=1.5)
    async for result in run:
        assert_type(result, batch.Result)
        assert_type(result.text, str | None)
    results = await batch.run([{"prompt": "a"}], "out.jsonl", prompt="{{ prompt }}")
    assert_type(results, batch.Results)
    assert_type(results[:2], list[batch.Result])
    try:
        assert_type(batch.run_sync(job="job.toml")["r1"].ok, bool)
    except batch.Unfinished as stopped:
        assert_type(stopped.outcome.exit_code, int)
    batch.run("in.jsonl", "out.jsonl", modle="m")
    batch.run("in.jsonl", "out.jsonl", votes="three")
"""


def test_the_names_are_typed_and_so_are_the_settings(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(TYPED)
    check = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir"]

    told = subprocess.run(
        [*check, str(ROOT / ".mypy_cache"), str(tmp_path / "typed.py")],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    errors = [line.partition("error: ")[2] for line in told.stdout.splitlines() if "error" in line]
    assert len(errors) == 2, told.stdout
    assert errors[0].startswith('Unexpected keyword argument "modle"')
    assert '"votes"' in errors[1]
