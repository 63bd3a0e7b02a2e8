"""What must hold after every command, whatever came before: a function for each promise.

Each looks at what is there with this test's own eyes, and at what the house says of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from batch.errors import BadData
from batch.ledger.paths import Paths
from batch.ledger.recover import Found, recover
from tests.ledger.kit import members, said
from tests.stateful.asked import Asked
from tests.stateful.disk import Disk
from tests.stateful.gateway import Gateway
from tests.stateful.logs import Logs
from tests.stateful.session import Ended


class Broken(AssertionError):
    """A promise was not kept."""


class Expected(msgspec.Struct, frozen=True):
    """What a command must come to by what was there before it, as far as that can be told."""

    refused: tuple[str, ...] = ()  # why it must be refused: words that must be said
    perhaps: bool = False  # only what was begun speaks against it
    answers: int = 0


def require(holds: bool, what: str) -> None:
    """Raise ``Broken`` unless something holds."""
    if not holds:
        raise Broken(what)


def valid_logs(logs: Logs, before: Logs, ended: Ended, power: bool) -> None:
    """Valid JSONL, and a torn tail only after a crash: one line of each, unless the power went.

    A kill before anything is mended leaves what an earlier power loss has torn.
    """
    if ended.code is not None:
        require(logs.torn == (0, 0, 0), f"a session that ended left torn logs: {logs.torn}")
    elif not power:
        more = [now for now, was in zip(logs.torn, before.torn, strict=True) if now > max(1, was)]
        require(not more, f"a kill tore more than the tail of a log: {logs.torn}")


def one_record_a_line(logs: Logs, asked: Asked) -> None:
    """No line has two results, and each record is of its own line."""
    require(len(logs.answers) == len(logs.results), "a line has two results")
    for number, record in (*logs.answers.items(), *logs.failures.items()):
        line = asked.lines[number - 1]
        require(record.value["custom_id"] == line.custom_id, f"line {number} has another's id")
        if record.own["sum"] == line.sum and number in logs.answers:
            require(line.is_answered_by(record.raw), f"line {number} has another's answer")


def nothing_lost(logs: Logs, acknowledged: Mapping[int, bytes]) -> None:
    """What was acknowledged is there as it was."""
    for number, raw in acknowledged.items():
        there = logs.answers.get(number)
        require(there is not None, f"the answer to line {number} was acknowledged, and is gone")
        require(there is None or there.raw == raw, f"the answer to line {number} has changed")


def history_agrees(files: Disk, paths: Paths, logs: Logs) -> None:
    """What the house reads of the logs is what they say, with its cache and without."""
    bare = files.copied()
    bare.forget(paths.cache)
    found, anew = _recovered(files, paths), _recovered(bare, paths)
    if found is None or anew is None:
        raise Broken("there is a header, and no run")
    require(said(found.history) == said(anew.history), "the cache says other than the logs")
    history = found.history
    require(members(history.answered) == set(logs.answers), "other lines count as answered")
    require(members(history.failed) == set(logs.failures), "other lines count as failed")
    require(history.identity == logs.identity, "other settings count as asked")
    totals = history.totals.sum()
    counted, told = totals["num_model_requests"], logs.paid().total()
    require(counted == told, f"{counted} requests are counted, and {told} on record")
    counted, told = totals["input_tokens"] or 0, logs.tokens
    require(counted == told, f"{counted} tokens are counted, and {told} on record")


def _recovered(files: Disk, paths: Paths) -> Found | None:
    try:
        return recover(files, paths)
    except BadData as damage:
        raise Broken(f"a crash left what is taken for damage: {damage}") from damage


def right_code(ended: Ended, logs: Logs, numbers: range, asked: Asked, retried: bool) -> None:
    """The exit code says what the records say of the lines asked for.

    A retry that could not ask its lines says so, though each has its old record.
    """
    wanted = {n for n in numbers if asked.lines[n - 1].kind != "blank"}
    answered, failed = wanted & set(logs.answers), wanted & set(logs.failures)
    missing = wanted - answered - failed
    if missing:
        pending = ended.code in (69, 75, 77)
        require(pending, f"code {ended.code}, and {sorted(missing)} have no record")
    elif not (retried and failed and ended.code in (69, 77)):
        code = 3 if failed else 0
        require(ended.code == code, f"code {ended.code} instead of {code}: {ended.messages}")


def every_token(logs: Logs, gateway: Gateway, since: int) -> set[int]:
    """Each billed record is of a row of the gateway, and no row is in two; return the rows."""
    paid = logs.paid()
    for number, times in paid.items():
        require(times == 1, f"what row {number} billed is on record {times} times")
        require(since < number <= len(gateway.rows), f"row {number} is on record, and is none")
        row = gateway.rows[number - 1]
        require(row.deed.bills, f"row {number} is on record, and was {row.name}")
    return set(paid)


def doubts_told(logs: Logs, before: Logs, gateway: Gateway, asked: Asked) -> None:
    """Of each line that ended now, the calls are told that may have been billed."""
    session = gateway.session
    doubts = gateway.doubts(session)
    mine = {text for row in gateway.rows if row.session == session for text in row.texts}
    for number, record in (logs.answers | logs.failures).items():
        earlier = before.failures.get(number)
        if number in before.answers or (earlier is not None and earlier.raw == record.raw):
            continue
        text = asked.lines[number - 1].text
        same = earlier is not None and earlier.own["sum"] == record.own["sum"]
        kept = earlier.own.get("maybe_billed", 0) if same and earlier is not None else 0
        # What was on its way as an earlier session crashed is given up now.
        given_up = record.own.get("class") == "outcome_unknown" and text not in mine
        told, was = record.own.get("maybe_billed", 0), doubts[text] + kept + given_up
        require(told == was, f"line {number}: maybe_billed is {told}, and {was} calls may be")


def asked_again_in_moderation(gateway: Gateway) -> None:
    """What must not be paid twice is asked once; the rest at most once more after a doubt."""
    require(not gateway.twice, f"paid work was submitted twice: {gateway.twice}")
    for text, times in gateway.doubts(gateway.session).items():
        require(times <= 2, f"{text} was asked {times} times although each may be billed")


def refused_in_order(
    expected: Expected, ended: Ended, before: Mapping[str, bytes], paths: Paths
) -> None:
    """A refusal writes nothing, and says why and how many answers there are."""
    after = ended.files.all_bytes(paths.lock)
    require(after == before, f"a refusal wrote: {_changes(before, after)}")
    for word in expected.refused:
        require(word in (ended.refusal or ""), f"{word!r} is not said: {ended.refusal}")
    require("Nothing was changed" in (ended.refusal or ""), f"it does not say so: {ended.refusal}")


def _changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
