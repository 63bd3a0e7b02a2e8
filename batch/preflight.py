"""Looks at every line and setting of a run before it begins: what would be asked, and what not.

Nothing is sent and nothing is written. Counts are kept by model and endpoint, problems up to a
bound, so that millions of lines take no more memory than a few.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from batch.catalogue import Catalogue
from batch.errors import BadConfig, BadData, NoAccess, Refusal, Refused
from batch.inputs.envelope import Reader
from batch.inputs.filling import Filler
from batch.inputs.lines import RawLine
from batch.inputs.repeats import Pair, Repeats
from batch.inputs.scan import BUFFER_BYTES, Look
from batch.inputs.sources import Inputs, open_inputs
from batch.records import BadLine, Row
from batch.script import AskOnce, Script
from batch.session.summary import exit_code
from batch.settings.pricelist import read_prices
from batch.settings.tree import Settings
from batch.shares import Access, access, input_settings, script
from batch.texts import read_texts, reading
from batch.wire import formats
from batch.wording import agreeing, counted, shown

MOST: Final = 20  # problems that are listed
_GROUPS: Final = 1000  # models and endpoints that are told apart
_OTHERS: Final = ("(others)", "")
NO_KEY: Final = "no_key"
REPEATED: Final = "duplicate_id"


class Problem(msgspec.Struct, frozen=True):
    """One thing that stands against a line, or against all of them."""

    where: str  # file:line; "" for a setting
    code: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.message) if part)


class Group(msgspec.Struct):
    """Lines of one model and endpoint."""

    model: str
    endpoint: str
    key: str | None = None  # None: none is for the model
    first: str = ""  # file:line
    lines: int = 0
    bytes: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Report:
    """What was found."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.inputs: list[str] = []  # what they were found to be
        self.lines = 0
        self.groups: dict[tuple[str, str], Group] = {}
        self.problems: list[Problem] = []
        self.counts: Counter[str] = Counter()  # all problems, by their code
        self.reasons: dict[int, str] = {}  # exit code → why

    @property
    def exit_code(self) -> int:
        """Return what the command ends with."""
        return exit_code(self.reasons)

    def add(self, problem: Problem, code: int) -> None:
        """Note a problem, and the exit code that it makes."""
        self.counts[problem.code] += 1
        self.reasons.setdefault(code, problem.message)
        if len(self.problems) < self.most:
            self.problems.append(problem)

    def document(self) -> dict[str, Any]:
        """Return all of it for programs."""
        return {
            "object": "check",
            "exit_code": self.exit_code,
            "inputs": self.inputs,
            "lines": self.lines,
            "groups": [msgspec.to_builtins(one) for one in self.groups.values()],
            "problems": [msgspec.to_builtins(one) for one in self.problems],
            "problem_counts": dict(self.counts),
        }


def preflight(settings: Settings, environ: Mapping[str, str], most: int = MOST) -> Report:
    """Look at all lines. Raises a Refusal for inputs that a run would refuse as a whole."""
    report = Report(most)
    texts = read_texts(settings.request)
    how = reading(settings.request, texts)
    how_often = settings.label.votes if settings.label.wanted else 1
    asking = _script(settings, report)
    way = _way(settings, environ, report)
    _note_prices(settings, report)
    with tempfile.TemporaryDirectory(prefix="wbatch-check-") as folder:
        cap = settings.limits.max_line_bytes
        spool = os.path.join(folder, "stdin.jsonl")
        inputs = open_inputs(settings.inputs, spool, cap, reading=how)
        report.inputs = inputs.told()
        reader = Reader(formats(), input_settings(settings, how), inputs.forms)
        look = Look(inputs.forms, Filler(how))
        with Repeats(folder, BUFFER_BYTES) as repeats:
            watched = True
            for line in inputs.lines():
                report.lines += 1
                row = reader.parse(line, summed=False)
                _note(report, row, way, asking, how_often)
                # What is no row may still give an id, which another line may have too.
                called = row.custom_id if isinstance(row, Row) else look.called(line)
                if watched and repeats.add(called, line.ordinal):
                    watched = False  # some stand twice: they are enough to be told
            _note_repeats(report, inputs, look, repeats.suspects())
    _note_keys(report, way)
    return report


def compare(report: Report, catalogue: Catalogue) -> None:
    """Note what the gateway says: keys that it refuses, and models that their key may not call."""
    for sentence in catalogue.complaints():
        report.add(Problem("", "key_refused", sentence), catalogue.exit_code)
    for group in report.groups.values():
        if group.key is None or catalogue.may(group.key, group.model) is not False:
            continue
        others = [one.key for one in catalogue.reports if group.model in one.names]
        hint = f"; {', '.join(others)} may" if others else ""
        what = (
            f"key {group.key} may not call {shown(group.model)}{hint}: "
            f"{counted(group.lines, 'line')} would be refused"
        )
        report.add(Problem(group.first, "model_not_found", what), NoAccess.exit_code)


def lines(report: Report) -> Iterator[str]:
    """Yield the report for people."""
    yield from report.inputs
    body = sum(one.bytes for one in report.groups.values())
    read = sum(one.input_tokens for one in report.groups.values())
    made = sum(one.output_tokens for one in report.groups.values())
    yield (
        f"{counted(report.lines, 'line')}, {body:,} bytes to send, "
        f"about {read:,} tokens in and {made:,} out"
    )
    rows: list[Sequence[str]] = [("model", "endpoint", "key", "lines", "bytes", "tokens in", "out")]
    every = sorted(report.groups.values(), key=lambda one: -one.lines)
    rows += [
        (
            shown(one.model),
            one.endpoint,
            one.key or "-",
            *(f"{n:,}" for n in (one.lines, one.bytes, one.input_tokens, one.output_tokens)),
        )
        for one in every[: report.most]
    ]
    if every:
        yield from _table(rows)
    if len(every) > report.most:
        yield f"  and {len(every) - report.most:,} more"
    total = report.counts.total()
    yield counted(total, "problem") if total else "no problems: this can be sent"
    yield from (f"  {problem}" for problem in report.problems)
    if total > len(report.problems):
        yield f"  and {total - len(report.problems):,} more; in all {_by_code(report.counts)}"


def _note(
    report: Report, line: Row | BadLine, way: Access | None, asking: Script, votes: int
) -> None:
    if isinstance(line, BadLine):
        report.add(Problem(line.where, line.code, line.message), BadData.exit_code)
        return
    try:
        first = asking.begin((line,)).requests[0]
    except Refused as refused:
        report.add(Problem(line.where, refused.code, str(refused)), BadData.exit_code)
        return
    place = (line.model, line.endpoint)
    if place not in report.groups and len(report.groups) >= _GROUPS:
        place = _OTHERS
    group = report.groups.get(place)
    if group is None:
        group = report.groups[place] = Group(*place, key=_key_for(line.model, way))
        group.first = line.where
    estimate = formats()[line.format].estimate(first)
    group.lines += 1
    group.bytes += len(first.body) * votes
    group.input_tokens += estimate.input_tokens * votes
    group.output_tokens += estimate.output_tokens * votes


def _note_repeats(report: Report, inputs: Inputs, look: Look, suspects: Sequence[Pair]) -> None:
    """Note ids that stand on two lines: of the suspects, whose hashes are equal, those that do."""
    if not suspects:
        return
    wanted = {ordinal for pair in suspects for ordinal in pair}
    found: dict[int, RawLine] = {}
    for line in inputs.lines():
        if line.ordinal in wanted:
            found[line.ordinal] = line
        if len(found) == len(wanted):
            break
    for first, later in suspects:
        custom_id = look.called(found[first])
        if custom_id == look.called(found[later]):
            what = f'custom_id "{shown(custom_id)}" already stands on {found[first].where}'
            report.add(Problem(found[later].where, REPEATED, what), BadData.exit_code)


def _note_keys(report: Report, way: Access | None) -> None:
    for group in report.groups.values() if way is not None else ():
        if group.key is None and (group.model, group.endpoint) != _OTHERS:
            what = (
                f"no key is for {shown(group.model)}, which {counted(group.lines, 'line')} "
                f"{agreeing(group.lines, 'asks', 'ask')}. Say where one is: --key "
                f"'{shown(group.model)}=env:NAME'"
            )
            report.add(Problem(group.first, NO_KEY, what), BadConfig.exit_code)


def _way(settings: Settings, environ: Mapping[str, str], report: Report) -> Access | None:
    """Return address and keys, None for a rehearsal; what is wrong with them is a problem."""
    try:
        return access(settings, environ)
    except Refusal as refusal:
        report.add(Problem("", "settings", str(refusal)), refusal.exit_code)
        return None


def _script(settings: Settings, report: Report) -> Script:
    """Return how lines are asked; what is wrong with that is a problem."""
    try:
        return script(settings)
    except Refusal as refusal:
        report.add(Problem("", "settings", str(refusal)), refusal.exit_code)
        return AskOnce()


def _note_prices(settings: Settings, report: Report) -> None:
    """Note what is wrong with files of prices."""
    for path in settings.prices.files:
        try:
            read_prices(path)
        except Refusal as refusal:
            report.add(Problem("", "settings", str(refusal)), refusal.exit_code)


def _key_for(model: str, way: Access | None) -> str | None:
    if way is None:
        return None
    return next((key.name for match, key in way.keys if fnmatchcase(model, match)), None)


def _by_code(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {code}" for code, count in counts.most_common())


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows with their columns below one another, numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()
