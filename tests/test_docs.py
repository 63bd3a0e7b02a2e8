"""The documents tell the truth: every field that is written is described, every example is real."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import orjson
import pytest

from batch import errors, runs
from batch.ledger.entries import Entry, EntryKind, decode_entry, decode_mark
from batch.session.snapshot import Snapshot
from batch.settings.tree import RunSettings, Settings
from batch.usage import FIELDS
from tests.test_runs import Quiet, chat

ROOT = Path(__file__).parent.parent
FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
PROSE = re.sub(r"```.*?```", "", FORMATS, flags=re.DOTALL)
NAMED = set(re.findall(r"[a-z][a-z0-9_]*", " ".join(re.findall(r"`([^`]+)`", PROSE))))
EXAMPLES = [
    line
    for block in re.findall(r"```json\n(.*?)```", FORMATS, re.DOTALL)
    for line in block.splitlines()
]
# Objects whose keys are a vendor's, a user's or a class of failure: not ours to describe.
OPAQUE = {"body", "identity", "failed_by_class", "reasons", "state", "answer", "usage"}


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in OPAQUE:
                yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def test_every_field_that_a_run_writes_is_described(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    lines = [orjson.dumps(chat(f"r{n}", stream=True)) for n in range(60)]
    source.write_bytes(b"\n".join([*lines, b"bad"]))
    settings = Settings(
        inputs=(str(source),),
        output=str(tmp_path / "out.jsonl"),
        run=RunSettings(mock=True, mock_fail="no-finish=5%,cut=5%"),
    )

    asyncio.run(runs.run(settings, Quiet()))

    written = [tmp_path / "out.jsonl", *(tmp_path / "out.run").glob("*.json*")]
    assert len(written) == 5
    for path in written:
        texts = [path.read_bytes()] if path.suffix == ".json" else path.read_bytes().splitlines()
        for text in texts:
            assert set(_keys(orjson.loads(text))) - {"object"} <= NAMED | {"data"}, path


@pytest.mark.parametrize(
    "fields",
    [
        Entry.__struct_fields__,
        Snapshot.__struct_fields__,
        tuple(FIELDS),
        get_args(EntryKind),
    ],
    ids=["journal", "status", "usage", "kinds"],
)
def test_every_field_that_could_be_written_is_described(fields: tuple[str, ...]) -> None:
    assert set(fields) <= NAMED


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_read(example: str) -> None:
    value = orjson.loads(example)

    if "kind" in value:
        assert msgspec.to_builtins(decode_entry(example.encode()))["kind"] == value["kind"]
    elif "x_run" in value and "custom_id" in value:
        assert decode_mark(example.encode()).line == value["x_run"]["line"]


def test_the_readme_names_every_exit_code() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.Refusal) and kind.exit_code != 1
    }

    table = readme[readme.index("| code | when |") :]
    assert codes <= {int(code) for code in re.findall(r"\b\d+\b", table)}
