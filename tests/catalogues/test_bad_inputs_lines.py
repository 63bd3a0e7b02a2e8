"""Bad lines become one error each, cost no request, and keep nobody else from being answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from tests.catalogues.bad_inputs_kit import (
    MODEL,
    answer_of,
    by_line,
    code_of,
    gateway,
    run,
    said_of,
    told,
)
from tests.catalogues.bad_inputs_lines import (
    CAP,
    REQUESTS,
    Line,
    chat,
    deep,
    line,
)
from tests.catalogues.bad_inputs_rows import COLUMNS, PROMPTS, ROWS, Cell

LEVELS = range(200, 1030, 6)


class Shared(NamedTuple):
    """One run over many rows."""

    code: int
    records: dict[int, dict[str, Any]]
    bodies: list[bytes]


def share(folder: Path, name: str, content: bytes, *flags: str) -> Shared:
    """Run one file, and return what became of its lines."""
    (folder / name).write_bytes(content)
    with gateway() as there:
        ran = run(folder, "run", name, "-o", "out.jsonl", "-m", MODEL, *flags, there=there)
        assert ran.code in (0, 3), ran.show()
        return Shared(ran.code, by_line(folder), there.bodies())


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    content = b"\n".join(one.raw for one in REQUESTS)  # the last line has no end
    folder = tmp_path_factory.mktemp("requests")
    return share(folder, "in.jsonl", content, "--max-line-bytes", str(CAP))


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    content = b"".join(one.raw + b"\n" for one in PROMPTS)
    return share(tmp_path_factory.mktemp("prompts"), "in.jsonl", content)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    folder = tmp_path_factory.mktemp("rows")
    (folder / "p.txt").write_text("{{ text }}")
    # A head that is in order, as a wrong byte in it would refuse the table.
    head = b"first," + b"x" * 300_000
    content = b"\r\n".join((COLUMNS, head, *(one.raw for one in ROWS)))
    return share(folder, "in.csv", content, "-p", "p.txt")


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    lines = (line(chat(rest=b',"stream":true,"x":' + deep(levels))) for levels in LEVELS)
    return share(tmp_path_factory.mktemp("nested"), "in.jsonl", b"\n".join(lines))


def check_error(record: dict[str, Any], where: str, code: str, says: str) -> None:
    assert code_of(record) == code, record
    said = said_of(record)
    # Whether a file may be read turns out on the way to the gateway.
    assert said.startswith(where) or code == "bad_file", said
    assert says in said
    assert len(said) <= 600
    assert said.isprintable()


@pytest.mark.parametrize(
    ("number", "row"), list(enumerate(REQUESTS, 1)), ids=[one.name for one in REQUESTS]
)
def test_a_line_of_a_batch_is_one_record(requests: Shared, number: int, row: Line) -> None:
    record = requests.records[number]

    if row.code is not None:
        check_error(record, f"in.jsonl:{number}: ", row.code, row.says)
        return
    assert code_of(record) is None, said_of(record)
    assert record["custom_id"] == (row.custom_id or f"line-{number}")
    if row.body is not None:
        assert row.body in requests.bodies
        assert answer_of(record) == told(row.body)


@pytest.mark.parametrize(
    ("number", "row"), list(enumerate(PROMPTS, 1)), ids=[one.name for one in PROMPTS]
)
def test_a_line_of_prompts_is_one_record(prompts: Shared, number: int, row: Line) -> None:
    record = prompts.records[number]

    if row.code is not None:
        check_error(record, f"in.jsonl:{number}: ", row.code, row.says)
        return
    assert code_of(record) is None, said_of(record)
    if row.body is not None:
        assert row.body in prompts.bodies
        assert answer_of(record) == told(row.body)


@pytest.mark.parametrize(
    ("number", "row"), list(enumerate(ROWS, 2)), ids=[one.name for one in ROWS]
)
def test_a_row_of_a_table_is_one_record(rows: Shared, number: int, row: Cell) -> None:
    record = rows.records[number]

    if row.code is not None:
        check_error(record, "in.csv:", row.code, row.says)
        return
    assert code_of(record) is None, said_of(record)
    body = next(one for one in rows.bodies if told(one) == answer_of(record))
    assert orjson.loads(body)["messages"][0]["content"] == row.prompt


@pytest.mark.parametrize("shared", ["requests", "prompts", "rows", "nested"])
def test_every_line_has_one_record_and_only_good_lines_are_sent(
    shared: str, request: pytest.FixtureRequest
) -> None:
    code, records, bodies = request.getfixturevalue(shared)

    lines = {"requests": len(REQUESTS), "prompts": len(PROMPTS), "rows": 1 + len(ROWS)}
    answered = [one for one in records.values() if code_of(one) is None]
    assert sorted(records) == list(range(1, lines.get(shared, len(LEVELS)) + 1))
    assert sorted(map(answer_of, answered)) == sorted(map(told, bodies))
    assert code == 3


def test_lines_are_answered_up_to_some_depth_and_are_errors_beyond_it(nested: Shared) -> None:
    codes = [code_of(nested.records[number]) for number in range(1, len(LEVELS) + 1)]

    refused = codes.index("invalid_json")
    assert set(codes[:refused]) == {None}
    assert set(codes[refused:]) == {"invalid_json"}
    assert LEVELS[refused] > 500


def test_check_finds_the_same_lines_and_sends_nothing(tmp_path: Path) -> None:
    bad = [one for one in REQUESTS if one.code and one.code != "bad_file"]
    content = b"\n".join((REQUESTS[0].raw, *(one.raw for one in bad)))
    (tmp_path / "in.jsonl").write_bytes(content)

    with gateway() as there:
        ran = run(
            tmp_path,
            *("check", "in.jsonl", "-m", MODEL, "--json", "--max-line-bytes", str(CAP)),
            there=there,
        )

    found = orjson.loads(ran.out)
    counts: dict[str, int] = {}
    for one in bad:
        counts[str(one.code)] = counts.get(str(one.code), 0) + 1
    assert (ran.code, there.asked) == (65, [])
    assert found["problem_counts"] == counts
    assert found["problems"][0]["where"] == "in.jsonl:2"
