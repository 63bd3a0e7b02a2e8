"""A budget against what a gateway really billed, with faults and kills."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from tests.proofs.processes import Gateway, finish, gateway, wait_until, wbatch

READ: Final = Decimal(20) / 1_000_000
WROTE: Final = Decimal(100) / 1_000_000
JOB: Final = """
inputs = ["in.jsonl"]
output = "out.jsonl"

[budget]
max_cost = 1.0

[prices]
listed = false

[prices.models."gpt-4o-mini"]
input_per_mtok = 20
output_per_mtok = 100
"""
FILMS: Final = """
inputs = ["in.jsonl"]
output = "out.jsonl"

[budget]
max_cost = 5.0

[prices]
listed = false

[prices.models."sora-2"]
per_second = 0.1
"""
# Answers of 90 words where 100 are allowed: the worst case is some 1.4 times what they cost.
WORDS: Final = 90
ALLOWED: Final = 100
LINES: Final = 600
AT_ONCE: Final = 8
FEW: Final = 4  # at once, so that kills leave little in the dark
KILLS: Final = 2
FAULTS: Final = "429=1%,500=1%,reset=1%,cut=2%,no-finish=2%,empty-choices=1%"

# After these it is known what was billed.
CLEAR: Final = ("answered", "429", "500", "empty-choices")


def body_of(number: int) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "max_tokens": ALLOWED,
        "messages": [{"role": "user", "content": f"The story of ship {number}."}],
    }
    if number % 2:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


# The most that one request can cost: all that it may write, and a token for each byte it sends.
WORST: Final = ALLOWED * WROTE + len(orjson.dumps(body_of(LINES - 1))) * READ


def write(folder: Path, lines: int = LINES) -> None:
    (folder / "job.toml").write_text(JOB)
    with (folder / "in.jsonl").open("wb") as file:
        for number in range(lines):
            line = {"custom_id": f"row-{number}", "body": body_of(number)}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def billed(mock: Gateway) -> Decimal:
    """Return what all the gateway did costs, worked out without anything of the house."""
    total = Decimal(0)
    for row in mock.rows():
        usage = row["billed"] or {}
        total += (usage.get("input_tokens") or 0) * READ
        total += (usage.get("output_tokens") or 0) * WROTE
    return total


def unclear(mock: Gateway) -> list[dict[str, Any]]:
    """Return the requests of which nobody but the gateway can know what they cost."""
    return [row for row in mock.rows() if row["fate"] not in CLEAR]


def run(folder: Path, mock: Gateway, *flags: object) -> tuple[int, str]:
    return finish(folder, "run", "job.toml", "--base-url", mock.url, "-c", AT_ONCE, *flags)


def told(folder: Path) -> tuple[Decimal, Decimal]:
    """Return what the run says it has spent for certain, and what it may have beside that."""
    budget = orjson.loads((folder / "out.run" / "run.json").read_bytes())["x_run"]["budget"]
    return Decimal(str(budget["spent"])), Decimal(str(budget["maybe_spent"]))


def test_a_budget_of_one_is_never_passed_and_at_least_0_97_of_it_are_used(tmp_path):
    write(tmp_path)
    with gateway(tmp_path, "--words", WORDS, "--latency", 5) as mock:
        code, said = run(tmp_path, mock)
        spent = billed(mock)
        again, _ = run(tmp_path, mock)

        assert (code, again) == (4, 4)
        assert billed(mock) == spent
    assert Decimal("0.97") <= spent <= 1
    assert "with a higher --max-cost, the same command again goes on from here" in said
    summary = orjson.loads((tmp_path / "out.run" / "run.json").read_bytes())
    assert Decimal(str(summary["x_run"]["budget"]["spent"])) == spent
    assert summary["status"] == "expired"


@pytest.mark.parametrize("seed", [1, 2])
def test_faults_and_kills_do_not_pass_it_either(tmp_path, seed):
    write(tmp_path)
    results = tmp_path / "out.jsonl"
    with gateway(
        tmp_path, "--words", WORDS, "--latency", 20, "--fail", FAULTS, "--seed", seed
    ) as mock:
        for kill in range(1, KILLS + 1):
            command = ("-q", "run", "job.toml", "--base-url", mock.url, "-c", FEW)
            process = wbatch(tmp_path, *command)
            wait_until(
                lambda: results.exists() and results.read_bytes().count(b"\n") >= 15 * kill,  # noqa: B023
                "some answers are there",
            )
            process.kill()
            process.wait()
        before = len(unclear(mock))
        code, said = run(tmp_path, mock, "-c", FEW)

        spent = billed(mock)
        after = len(unclear(mock)) - before
    known, doubtful = told(tmp_path)
    assert code == 4, said
    assert known <= spent <= min(1, known + doubtful)
    # Nothing is left of the budget but what nobody can know of, and less than one request costs.
    assert known + doubtful > 1 - WORST
    # A killed session leaves what it had put on record: twice what faults had left, and what was
    # under way or waited for its commit. The last one leaves what faults did.
    assert doubtful <= (2 * (KILLS * 2 * FEW + before) + after) * WORST


def test_more_money_goes_on_where_the_budget_ended(tmp_path):
    write(tmp_path, lines=100)
    with gateway(tmp_path, "--words", WORDS) as mock:
        short, _ = run(tmp_path, mock, "--max-cost", "0.3")
        rest, said = run(tmp_path, mock, "--max-cost", 5)

        arrived = len(mock.rows())
    assert (short, rest) == (4, 0), said
    assert arrived == 100


def test_a_finished_run_says_again_what_it_has_spent(tmp_path):
    write(tmp_path, lines=4)
    with gateway(tmp_path, "--words", WORDS) as mock:
        run(tmp_path, mock, "--max-cost", 5)
        spent = billed(mock)

        # When: it is repeated, with so much more that nothing else it says has changed
        code, said = run(tmp_path, mock, "--max-cost", 6, "--json")

    again = orjson.loads(said[said.index("{") :])["x_run"]["budget"]
    assert (code, again["max_cost"]) == (0, 6)
    assert Decimal(str(again["spent"])) == spent > 0


def test_a_finished_run_needs_no_price_for_its_budget(tmp_path):
    write(tmp_path, lines=4)
    with gateway(tmp_path, "--words", WORDS) as mock:
        run(tmp_path, mock)
        (tmp_path / "job.toml").write_text(JOB.partition('[prices.models."gpt-4o-mini"]')[0])

        code, said = run(tmp_path, mock, "--json")

    assert code == 0, said
    assert orjson.loads(said[said.index("{") :])["x_run"]["budget"] is None


def test_films_that_nobody_goes_on_with_count_as_spent(tmp_path):
    # Given: three films of eight seconds that go on when the session is told to end
    def write_scenes(text: str) -> None:
        lines = [
            {"url": "/v1/videos", "body": {"model": "sora-2", "prompt": text, "seconds": "8"}}
            for _ in range(12)
        ]
        (tmp_path / "in.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))

    (tmp_path / "job.toml").write_text(FILMS)
    write_scenes("A ship.")
    journal = tmp_path / "out.run" / "journal.jsonl"
    with gateway(tmp_path, "--task", 1500) as mock:
        command = ("-q", "run", "job.toml", "--base-url", mock.url, "--head", 3)
        process = wbatch(tmp_path, *command)
        wait_until(
            lambda: journal.exists() and journal.read_bytes().count(b'"task"') == 3,
            "the films are begun",
        )
        process.terminate()
        process.wait()
        begun = len(mock.rows())

        # When: their lines are others by then
        write_scenes("A boat.")
        code, said = run(tmp_path, mock, "--keep-answers")

        films = sum(row["method"] == "POST" for row in mock.rows())
    # Then: the budget has room for six, and so three more are asked
    known, doubtful = told(tmp_path)
    assert begun >= 3
    assert (code, films) == (4, 6), said
    assert (known, doubtful) == (Decimal("2.4"), Decimal("2.43"))


def test_a_line_without_a_bound_is_refused_under_a_budget_before_it_is_sent(tmp_path):
    write(tmp_path, lines=3)
    with (tmp_path / "in.jsonl").open("a") as file:
        file.write('{"body":{"model":"gpt-4o-mini","messages":[{"role":"user","content":"?"}]}}\n')
    with gateway(tmp_path) as mock:
        code, said = run(tmp_path, mock, "-c", 1)

        asked = len(mock.rows())
    assert code == 78
    assert "max_tokens" in said
    assert asked <= 3


def test_a_limit_that_is_reached_as_the_last_lines_are_answered_has_stopped_nothing(tmp_path):
    write(tmp_path, lines=2)
    with gateway(tmp_path, "--latency", 1200) as mock:
        code, said = run(tmp_path, mock, "--max-cost", 50, "--max-duration", "0.3")

    assert code == 0, said
    assert "--max-duration" not in said.partition("done ")[2]


def test_a_run_that_ends_at_a_limit_says_so_if_nobody_answered_until_then(tmp_path):
    write(tmp_path, lines=3)
    nowhere = ("--base-url", "http://127.0.0.1:9", "--max-duration", "0.5")

    code, said = finish(tmp_path, "run", "job.toml", *nowhere)

    summary = orjson.loads((tmp_path / "out.run" / "run.json").read_bytes())
    assert code == 4, said
    assert "the last failure: no connection to 127.0.0.1:9: Connection refused\n" in said
    assert "Connection refused" in summary["x_run"]["reasons"]["4"]


def test_a_retry_that_stops_at_a_limit_says_so_though_every_line_has_its_record(tmp_path):
    write(tmp_path, lines=6)
    rehearsal = ("--mock", "--mock-fail", "empty-choices=100%", "--max-attempts", "1")
    assert finish(tmp_path, "run", "in.jsonl", "-o", "out.jsonl", *rehearsal)[0] == 3

    code, said = finish(tmp_path, "retry", "out.jsonl", "--max-requests", 2)

    assert code == 4, said
    assert "2 ok · 4 failed" in said


def test_nothing_is_sent_where_the_time_is_over_before_the_run_begins(tmp_path):
    write(tmp_path, lines=40)
    with gateway(tmp_path) as mock:
        code, said = run(tmp_path, mock, "--max-cost", 50, "--finish-by", "2026-01-01T06:00")

        arrived = len(mock.rows())
    assert (code, arrived) == (4, 0), said
    assert "--finish-by has passed" in said


def test_a_run_that_is_to_finish_by_a_time_has_ended_then(tmp_path):
    write(tmp_path, lines=400)
    end = time.time() + 6
    by = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(end))
    with gateway(tmp_path, "--latency", 300) as mock:
        code, said = run(tmp_path, mock, "--max-cost", 50, "--finish-by", by, "-c", 2)
        over = time.time()

    assert code == 4, said
    assert "--finish-by" in said
    assert over < end + 2
