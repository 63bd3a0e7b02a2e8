"""What an estimate said before, beside what a rehearsal then took."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.errors import BadData
from batch.estimating.sums import Estimator
from batch.estimating.told import Estimated, Span
from batch.inputs.chosen import Chosen
from batch.outlook.lasting import lasting
from batch.outlook.look import outlook, planned, reader_of
from batch.outlook.sendable import require_sendable
from batch.outlook.words import sentences
from batch.pricing import Price, PriceBook, Rate, Used
from batch.records import Row
from batch.report.buckets import Amounts
from batch.settings.tree import KeySetting, Limits, RequestSettings, RunSettings, Settings
from batch.tariff import Tariff
from batch.usage import INPUT_METERS, OUTPUT_METERS, Meter
from batch.wire import formats
from tests.proofs.processes import gateway
from tests.wire.test_contract import FORMATS, samples_of

ROOT = Path(__file__).parents[1]
# All that may be billed, so that nothing is left out of the comparison.
DEAR = Price(
    {
        Meter.INPUT: Rate(Decimal("0.001")),
        Meter.CACHED_INPUT: Rate(Decimal("0.0001")),
        Meter.OUTPUT: Rate(Decimal("0.004")),
    },
    source="test",
)
BOOK = PriceBook((("*", DEAR),))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(*inputs: str, **more: Any) -> Settings:
    request = RequestSettings(model="the-model")
    told = {"inputs": inputs, "output": "out.jsonl", "request": request, **more}
    return Settings(**told)


def estimate(wanted: Settings, output: str | None = None, most: int = 1000) -> Estimated:
    with planned(wanted, output) as plan:
        return outlook(plan, BOOK, 0.0, most)


def rehearse(*flags: str) -> list[dict[str, Any]]:
    """Run against the mock, and return the records of what was answered."""
    answer(["run", *flags, "-o", "out.jsonl", "--mock", "-m", "the-model", "-q"], Caller())
    return [orjson.loads(line) for line in Path("out.jsonl").read_bytes().splitlines()]


def counts(record: Mapping[str, Any]) -> dict[Meter, int]:
    return msgspec.convert(record["x_run"]["usage"] or {}, Amounts).counts()


def within(span: Span, family: tuple[Meter, ...], used: Mapping[Meter, int]) -> bool:
    total = sum(count for meter, count in used.items() if meter in family)
    return not total or (span.low <= total and (span.high is None or total <= span.high))


def write(folder: Path, lines: int, **body: Any) -> None:
    asked = {"messages": [{"role": "user", "content": "hello"}], **body}
    (folder / "in.jsonl").write_bytes((orjson.dumps(asked) + b"\n") * lines)


def lines_of_samples(name: str) -> list[str]:
    """Return the samples of a format as lines that need neither a file nor another host."""
    template = formats()[name].routes[0].template
    return [
        json.dumps(
            {
                "custom_id": one.label or "first",
                "method": one.method,
                "url": one.url or template,
                "body": json.loads(one.body),
            }
        )
        for one in samples_of(name)
        if b"file:" not in one.body and b"https://" not in one.body
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_no_line_of_any_format_takes_less_than_the_least_or_more_than_the_most(
    folder: Path, name: str
) -> None:
    (folder / "in.jsonl").write_text("".join(f"{text}\n" for text in lines_of_samples(name)))
    used = {one["x_run"]["line"]: counts(one) for one in rehearse("in.jsonl")}

    with planned(settings("in.jsonl"), None) as plan:
        for line in plan.opened.inputs.lines():
            row = reader_of(plan).parse(line)
            assert isinstance(row, Row)
            one = Estimator(BOOK, 0.0, plan.script, formats())
            one.add(row)
            told, took = one.estimated(1, {}), used[line.ordinal]
            assert within(told.input, INPUT_METERS, took), (row.custom_id, told.input, took)
            assert within(told.output, OUTPUT_METERS, took), (row.custom_id, told.output, took)
            if told.cost is not None and told.cost.high is not None:
                cost = BOOK.cost(Used("m", 0.0, took, 1)).amount
                assert cost <= told.cost.high, row.custom_id


@pytest.mark.parametrize(
    ("names", "flags"),
    [
        (("prompts.jsonl",), ()),
        (("batch_openai.jsonl",), ()),
        (("batch_lite.jsonl", "batch_gemini.jsonl"), ()),
        (("batch_anthropic.jsonl",), ()),
        (("reviews.csv",), ("-p", "review.prompt.txt", "--param", "max_tokens=40")),
        (("reviews.csv",), ("-p", "review.prompt.txt", "--labels", "good,bad", "--votes", "3")),
    ],
    ids=lambda one: " ".join(one) or "as-it-is",
)
def test_a_file_takes_what_was_said_of_it(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes], names: tuple[str, ...], flags: Any
) -> None:
    shutil.copytree(ROOT / "sample_inputs", folder, dirs_exist_ok=True)
    (folder / "prices.toml").write_text(
        '[prices.models."*"]\ninput_per_mtok = 1\noutput_per_mtok = 4\n'
    )
    both = (*names, *flags, "-m", "the-model")
    assert answer(["estimate", *both, "--prices", "prices.toml", "--json"], Caller()) == 0
    told = orjson.loads(capfdbinary.readouterr().out)

    answer(["run", *both, "-o", "out.jsonl", "--mock", "-q"], Caller())
    answer(["report", "out.jsonl", "--mock", "--prices", "prices.toml", "--json"], Caller())

    total = orjson.loads(capfdbinary.readouterr().out)["total"]
    for name in ("input_tokens", "output_tokens"):
        span = told[name]
        assert span["low"] <= total[name] <= (span["high"] or total[name]), name
    cost = {name: told["cost"][name] and Decimal(told["cost"][name]) for name in ("low", "high")}
    assert cost["low"] <= Decimal(total["cost"]) <= (cost["high"] or Decimal(total["cost"]))
    assert told["requests"]["low"] <= total["num_model_requests"] <= told["requests"]["high"]


def test_a_worst_case_is_at_most_half_as_much_again_as_answers_of_that_length_cost(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-123456789012")
    write(folder, 20, max_tokens=200)
    ledger = folder / "ledger.jsonl"
    with gateway(folder, "--words", 1000) as served:
        where = ("--base-url", served.url, "--config", "/dev/null")
        answer(["run", "in.jsonl", "-o", "out.jsonl", "-m", "the-model", "-q", *where], Caller())
        billed = [orjson.loads(line)["billed"] for line in ledger.read_bytes().splitlines()]

    worst = estimate(settings("in.jsonl")).cost

    assert worst is not None
    assert worst.high is not None
    assert [one["output_tokens"] for one in billed] == [200] * 20
    paid = sum(one["input_tokens"] + 4 * one["output_tokens"] for one in billed) / Decimal(1000)
    assert paid <= worst.high <= Decimal("1.5") * paid


# What a run's own answers tell


def test_what_is_left_is_estimated_by_what_was_answered(folder: Path) -> None:
    write(folder, 40, max_tokens=900)
    records = rehearse("in.jsonl", "--head", "10")
    mock = settings("in.jsonl", run=RunSettings(mock=True))

    told = estimate(mock, "out.jsonl")

    made = sum(counts(one)[Meter.OUTPUT] for one in records)
    assert (told.lines, told.parts[0].learned) == (30, 10)
    assert told.output.likely == 3 * made


def test_without_an_output_nothing_is_there_yet(folder: Path) -> None:
    write(folder, 4)
    rehearse("in.jsonl")

    assert estimate(settings("in.jsonl", run=RunSettings(mock=True))).lines == 4


def test_what_would_keep_a_run_from_going_keeps_it_from_being_estimated(folder: Path) -> None:
    write(folder, 4)
    rehearse("in.jsonl")

    with pytest.raises(BadData, match="was a rehearsal"):
        estimate(settings("in.jsonl"), "out.jsonl")


def test_nothing_is_written(folder: Path) -> None:
    write(folder, 4)
    rehearse("in.jsonl", "--head", "2")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    estimate(settings("in.jsonl", run=RunSettings(mock=True)), "out.jsonl")
    estimate(settings("in.jsonl"), "new/out.jsonl")

    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_only_so_many_lines_are_looked_at_and_the_rest_is_like_them(folder: Path) -> None:
    write(folder, 100, max_tokens=9)

    told = estimate(settings("in.jsonl"), most=10)

    assert (told.looked, told.lines, told.requests.high) == (10, 100, 100)
    assert told.output.high == 900


@pytest.mark.parametrize(("choice", "lines"), [({"head": 3}, 3), ({"sample": 5}, 5)])
def test_of_a_choice_of_lines_only_these_are_estimated(
    folder: Path, choice: dict[str, int], lines: int
) -> None:
    write(folder, 20, max_tokens=9)

    told = estimate(settings("in.jsonl", run=RunSettings(**choice)))

    assert (told.lines, told.looked, told.output.high) == (lines, lines, 9 * lines)


def test_lines_that_are_too_far_on_to_be_looked_at_are_not_said_to_cost_nothing() -> None:
    told = [*sentences(Estimated((), lines=5, looked=0, broken=0, currency="USD"))]

    assert told == [
        "what 5 lines cost nobody has looked at: too many lines that have ended are before them"
    ]


@pytest.mark.parametrize("tariff", [None, Tariff(BOOK, formats(), 0.0)], ids=["free", "capped"])
def test_how_many_lines_are_left_is_counted_once_and_not_for_each(
    folder: Path, tariff: Tariff | None
) -> None:
    write(folder, 60, max_tokens=9)
    rehearse("in.jsonl", "--head", "20")
    counts: list[int] = []

    class Counting(Chosen, frozen=True):
        def count(self, is_so: Callable[[int], bool]) -> int:
            counts.append(super().count(is_so))
            return counts[-1]

    wanted = settings("in.jsonl", run=RunSettings(mock=True, head=50))
    with planned(wanted, "out.jsonl") as plan:
        assert plan.opened.chosen is not None
        chosen = Counting(**msgspec.structs.asdict(plan.opened.chosen))
        opened = msgspec.structs.replace(plan.opened, chosen=chosen)
        require_sendable(msgspec.structs.replace(plan, opened=opened), tariff)

    assert 0 < len(counts) < 4


# How long it takes


@pytest.mark.parametrize(
    ("limits", "seconds", "why"),
    [
        (Limits(concurrency=10), 300.0, "10 at once"),
        (Limits(concurrency=2000), 3.0, ""),
        (Limits(concurrency=1000, rpm=100), 600.0, "100 requests a minute"),
        (Limits(concurrency=1000, rpm=1), 60_000.0, "1 request a minute"),
        (Limits(concurrency=1000, tpm=12_800), 600.0, "12,800 tokens a minute"),
    ],
)
def test_the_time_goes_by_the_limit_that_lets_it_take_longest(
    folder: Path, limits: Limits, seconds: float, why: str
) -> None:
    write(folder, 1000, max_tokens=100)  # 28 tokens in, 100 out, which take 1 + 2 seconds

    wanted = settings("in.jsonl", limits=limits)

    time = lasting(estimate(wanted), wanted)

    assert (round(time.seconds, 1), time.answer, time.why) == (seconds, 3.0, why)


def test_a_keys_own_limit_holds_for_its_lines(folder: Path) -> None:
    write(folder, 1000, max_tokens=100)
    keys = (
        KeySetting(match="other", env="A", rpm=1),
        KeySetting(match="the-*", env="B", rpm=50),
        KeySetting(match="*", env="C", rpm=1),
    )

    time = lasting(estimate(settings("in.jsonl")), settings("in.jsonl", keys=keys))

    assert (time.seconds, time.why) == (1200.0, "50 requests a minute of the-*")
