"""Finished runs to be read: made by the mock, or written record by record."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import orjson

from batch.files import OsFiles
from batch.inputs.lines import line_sum
from batch.ledger.entries import Entry, encode_entry, encode_error, encode_result
from batch.ledger.paths import Paths
from batch.look import looked_at
from batch.records import Answer, Fault, Result, Timing
from batch.results.costs import Costs
from batch.results.export import Sources, Wanted, Written, export, format_of_path
from batch.usage import Meter, Usage

RUN = "20261122T020000Z-7f3a9c"
CHAT = "/v1/chat/completions"


def text_of(line: int) -> bytes:
    return b'{"custom_id":"row-%d","gold":%d,"body":{}}' % (line, line)


def answer(line: int, body: bytes | None = None, **changed: Any) -> Result:
    said = b'{"choices":[{"message":{"content":"answer %d"}}]}' % line
    usage = Usage({Meter.INPUT: 40, Meter.OUTPUT: 7})
    told = Answer(body or said, None, "stop", usage, model="gpt-4o-mini", request_id="q")
    return _result(line, told, changed)


def error(line: int, code: str = "timeout", **fault: Any) -> Result:
    return _result(line, Fault(code, f"{code} of {line}", **fault), {})


def _result(line: int, outcome: Answer | Fault, changed: dict[str, Any]) -> Result:
    return Result(
        **{
            "ordinal": line,
            "sum": line_sum(text_of(line)),
            "custom_id": f"row-{line}",
            "model": "gpt-4o-mini",
            "endpoint": CHAT,
            "key": "default",
            "timing": Timing(1_795_312_803.0, 840, 1),
            "outcome": outcome,
        }
        | changed
    )


class Run:
    """The files of a run, as one writes them: ``lines`` are in its inputs."""

    def __init__(self, folder: Path, lines: int, **identity: Any) -> None:
        self.folder = folder
        self.output = folder / "out.jsonl"
        self.input = folder / "in.jsonl"
        self.paths = Paths(str(self.output))
        self.input.write_bytes(b"".join(text_of(n) + b"\n" for n in range(1, lines + 1)))
        header = {
            "version": 1,
            "run_id": RUN,
            "lines": lines,
            "output": "out.jsonl",
            "inputs": [{"path": str(self.input), "format": "jsonl"}],
            "identity": identity,
        }
        (folder / "out.run").mkdir()
        entry = Entry(kind="header", run=header)
        (folder / "out.run" / "journal.jsonl").write_bytes(encode_entry(entry))

    def answer(self, *results: Result, torn: bytes = b"") -> None:
        with self.output.open("ab") as file:
            file.writelines(encode_result(one, RUN, 0) for one in results)
            file.write(torn)

    def fail(self, *results: Result) -> None:
        with Path(self.paths.errors).open("ab") as file:
            file.writelines(encode_error(one, RUN, 0) for one in results)

    def export(
        self, name: str, *, beside: bool = True, costs: Costs | None = None, **wanted: Any
    ) -> Written:
        path = str(self.folder / name)
        kind = format_of_path(path, None)
        with looked_at(self.paths, str(self.folder)) as looked:
            fields = looked.asked.beside if beside and looked.asked else None
            sources = Sources(looked.logs, fields, costs)
            return export(sources, Wanted(path, kind, **wanted), looked.kept)

    def table(self, name: str = "a.csv", **wanted: Any) -> list[dict[str, str]]:
        self.export(name, **wanted)
        text = (self.folder / name).read_text("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def objects(self, name: str = "a.jsonl", **wanted: Any) -> list[dict[str, Any]]:
        self.export(name, **wanted)
        return [orjson.loads(line) for line in (self.folder / name).read_bytes().splitlines()]


FILES = OsFiles()
