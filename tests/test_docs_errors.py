"""docs/errors.md has every way to fail that the code has, and says of each what the code does."""

from __future__ import annotations

import ast
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from batch import errors
from batch.cli import answer
from batch.cli.caller import Caller
from batch.errors import CallFailed, Refusal
from batch.labeling.script import INVALID
from batch.retry import retryable, rule_of
from batch.session.advice import NO_KEY
from batch.session.summary import PRECEDENCE
from batch.wire import NO_MODEL
from tests.pages import ROOT, mentioned, page, section, shown, table, words

PAGE = page("errors.md")
CODES = table(section(PAGE, "Exit codes"))
CLASSES = {row[0].strip("`"): row[1:] for row in table(section(PAGE, "Classes of failed lines"))}
WAITING = {row[0].strip("`"): row[1:] for row in table(section(PAGE, "Lines that wait"))}
# Raised by the retry rule itself, once its patience is out: no rule says what comes before it.
BY_PATIENCE = {"task_late"}
TIMES = {0: "no", 1: "once", 2: "twice", 3: "3 times", math.inf: "yes"}


def trees() -> Iterator[ast.Module]:
    for path in sorted((ROOT / "batch").rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))


def of_calls(*codes: str) -> dict[str, list[type[CallFailed]]]:
    """Return the kinds of failure of each code, all of them or those of these codes."""
    found: dict[str, list[type[CallFailed]]] = {}
    ahead = CallFailed.__subclasses__()
    for kind in ahead:
        ahead += kind.__subclasses__()
        if not codes or kind.code in codes:
            found.setdefault(kind.code, []).append(kind)
    return found


def of_bodies() -> set[str]:
    """Return the codes of lines that ask nothing which can be sent, from where they are raised."""
    codes = {errors.BadBody("").code}
    for tree in trees():
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("BadBody"):
                codes |= {one.value for one in call.args[1:] if isinstance(one, ast.Constant)}
    return codes


def of_checks() -> set[str]:
    """Return the codes of the problems that ``wbatch check`` makes of its own."""
    tree = ast.parse((ROOT / "batch" / "preflight.py").read_text(encoding="utf-8"))
    named = {
        one.target.id: one.value.value
        for one in tree.body
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(one.value, ast.Constant)
    }
    codes: set[str] = set()
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Problem":
            second = call.args[1]
            if isinstance(second, ast.Constant):
                codes.add(str(second.value))
            elif isinstance(second, ast.Name):
                codes.add(str(named[second.id]))
    return codes


def test_every_exit_code_is_explained_and_in_the_order_that_counts() -> None:
    refusals = {kind.exit_code for kind in Refusal.__subclasses__()}

    explained = [int(row[0]) for row in CODES]

    assert explained == sorted(PRECEDENCE)
    assert refusals <= set(explained)
    assert f"first of these counts: {', '.join(map(str, PRECEDENCE))}." in PAGE.replace("\n", " ")


def test_every_class_that_the_code_knows_is_explained_and_no_other() -> None:
    known = {*of_calls(), *of_bodies(), INVALID, NO_KEY, NO_MODEL}

    assert CLASSES.keys() | WAITING.keys() == known


@pytest.mark.parametrize("code", sorted(of_calls().keys() & CLASSES.keys() - BY_PATIENCE))
def test_how_often_a_class_is_asked_again_is_what_the_rules_say(code: str) -> None:
    told = CLASSES[code][2]

    for kind in of_calls(code)[code]:
        assert told.partition(",")[0] == TIMES[rule_of(kind).repeats]


@pytest.mark.parametrize("code", sorted(of_calls().keys() & CLASSES.keys()))
def test_what_a_retry_takes_is_what_the_rules_say(code: str) -> None:
    told = CLASSES[code][3]

    can = {retryable(kind("")) for kind in of_calls(code)[code]}

    assert can == {told == "yes"}
    if told != "yes":
        assert told == ("`--ambiguous`" if code == "outcome_unknown" else f"`--only {code}`")


@pytest.mark.parametrize("code", sorted(of_bodies()))
def test_a_line_that_was_never_sent_cost_nothing_and_is_not_asked_again(code: str) -> None:
    assert CLASSES[code][1:4] == ["no", "no", "no"]
    assert retryable(errors.Refused("")) is False  # which is what such a line is taken for


@pytest.mark.parametrize("code", sorted(of_calls().keys() & WAITING.keys()))
def test_what_is_closed_for_a_class_is_what_the_rules_say(code: str) -> None:
    _, billed, again, closes, _ = WAITING[code]

    (kind,) = of_calls(code)[code]
    rule = rule_of(kind)

    assert closes == rule.closes
    assert again.partition(",")[0] == TIMES[rule.repeats]
    assert ("503" in again) == (rule.only == 503)
    assert billed == "no"


@pytest.mark.parametrize("code", sorted(of_calls().keys() & CLASSES.keys()))
def test_what_came_before_any_work_was_not_billed_and_what_broke_off_may_be(code: str) -> None:
    billed = CLASSES[code][1]
    kinds = of_calls(code)[code]

    if all(kind.before_work for kind in kinds):
        assert billed == "no"
    if any(kind.ambiguous for kind in kinds):
        assert billed.startswith("maybe")


def test_every_problem_of_a_check_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE[PAGE.index("| problem |") :], re.MULTILINE)

    assert of_checks() <= set(rows[: len(of_checks())])


def test_every_message_that_is_quoted_is_one_of_ours() -> None:
    ours = [
        node.value
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    refused = [
        row[0].strip("`") for row in table(section(PAGE, "Refused before the first request"))
    ]
    said = [row[0].strip("`") for row in table(section(PAGE, "Said, and no failure"))]

    unknown = [words for words in (*refused, *said) if not any(words in one for one in ours)]

    assert unknown == []
    assert len(refused) > 15
    assert len(said) > 4


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, one line of which failed."""
    folder = tmp_path_factory.mktemp("failed")
    (folder / "prompts.jsonl").write_text('{"id": "a", "prompt": "Say A."}\n')
    (folder / "files").mkdir()
    mock = ["--mock", "--mock-fail", "empty-choices=100%", "--max-attempts", "1", "-q"]
    where = [str(folder / "prompts.jsonl"), "-o", str(folder / "out.jsonl")]

    assert answer(["run", *where, "-m", "gpt-4o-mini", *mock], Caller()) == 3
    return folder


@pytest.mark.parametrize("command", sorted({*shown(PAGE), *mentioned(PAGE)}))
def test_a_command_of_the_page_helps_a_line_that_failed_so(
    command: str, failed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(failed, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("WBATCH_MOCK", "1")
    only = re.search(r"--only (\w+)", command)
    class_ = only[1] if only else "outcome_unknown" if "--ambiguous" in command else None
    log = Path("out.run/errors.jsonl")
    if class_:  # the same run, whose line failed otherwise
        log.write_text(log.read_text().replace('"class":"invalid_response"', f'"class":"{class_}"'))
        shutil.rmtree("out.run/cache")

    code = answer(words(command), Caller())

    status = "status" in command or "show" in command
    assert code == (3 if "status" in command else 0)
    if command.startswith("wbatch retry"):
        assert log.read_bytes() == b"", "the line was not asked again"
        assert Path("out.jsonl").read_bytes()
    else:
        assert status or "help" in command or "config" in command
