"""Labeling runs that SIGKILL ends in the midst of votes, each carried on by the same command."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from random import Random

from tests.labeling.rehearsal import MOODS, TOKENS, usage_of
from tests.proofs.processes import finish, gateway, lines_of, wait_until, wbatch, write_prompts

LINES, KILLS, CONCURRENCY, VOTES = 60, 6, 4, 3


def test_kills_in_the_midst_of_votes_pay_nothing_twice_that_was_on_record(tmp_path: Path) -> None:
    prompts = {n: f"{MOODS[n % len(MOODS)]} #{n}" for n in range(1, LINES + 1)}
    write_prompts(tmp_path / "in.jsonl", dict(prompts))
    journal = tmp_path / "out.run" / "journal.jsonl"
    chance = Random(1)
    labels = ("--labels", "positive,negative,neutral", "--votes", VOTES, "--label-retries", 0)
    command = ("run", "in.jsonl", "-o", "out.jsonl", "-c", CONCURRENCY, *labels)
    with gateway(tmp_path, "--latency", 10, "--fail", "label=20%,429=5%") as mock:
        reached = 0
        for _ in range(KILLS):
            reached += chance.randrange(5, 20)
            process = wbatch(tmp_path, *command, "--base-url", mock.url, "-q")
            wait_until(
                lambda: parts(journal) >= reached or process.poll() is not None,  # noqa: B023
                "votes are on record",
            )
            process.kill()
            process.wait()
        ended, said = finish(tmp_path, *command, "--base-url", mock.url)
        again, _ = finish(tmp_path, *command, "--base-url", mock.url)
        rows = mock.rows()

    assert ended in (0, 3), said
    assert again == ended
    billed: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    lines = {prompt: n for n, prompt in prompts.items()}
    for row in rows:
        if row["billed"] is not None:
            billed[lines[row["prompt"]]].append(tuple(row["billed"][name] for name in TOKENS))
    results = lines_of(tmp_path / "out.jsonl")
    told: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for entry in lines_of(journal):
        if entry["kind"] in ("part", "billed"):
            told[entry["line"]].append(usage_of(entry))
    for record in results:
        told[record["x_run"]["line"]].append(usage_of(record["x_run"]))
    errors = lines_of(tmp_path / "out.run" / "errors.jsonl")
    assert Counter(one["x_run"]["line"] for one in (*results, *errors)) == Counter(prompts.keys())
    # Each line has its votes on record, once each, and every one of them was billed.
    assert {line: len(several) for line, several in told.items()} == dict.fromkeys(prompts, VOTES)
    assert not any(Counter(several) - Counter(billed[line]) for line, several in told.items())
    # What else was billed is what was under way at a kill.
    lost = sum(map(len, billed.values())) - LINES * VOTES
    assert 0 < lost <= KILLS * 2 * CONCURRENCY
    usage = lines_of(tmp_path / "out.run" / "usage.jsonl")
    for n, name in enumerate(TOKENS):
        recorded = sum(tokens[n] for several in told.values() for tokens in several)
        assert sum(bucket[name] for bucket in usage) == recorded


def parts(journal: Path) -> int:
    """Return how many votes are on record, the last line of the log perhaps torn."""
    return journal.read_bytes().count(b'{"kind":"part"') if journal.exists() else 0
