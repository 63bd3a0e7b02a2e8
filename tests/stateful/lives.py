"""Short lives that chance comes to seldom, or has come to: what was found, and is mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.stateful.disk import Crash
from tests.stateful.world import World


def keeping_answers_forgets_no_paid_work(folder: Path) -> None:
    """Begin a picture, crash, change it, be blocked before it, and bring it back."""
    world = World(folder, "requests of all kinds", concurrency=2)
    world.asked.add(["chat", "image"])
    picture = world.asked.lines[1]
    world.run(["answered late", "answered late"], Crash(seconds=1.0))

    world.asked.edit(picture)
    world.asked.concurrency = 1
    blocked = world.run(["of a bad key"], keep_answers=True)
    world.asked.restore(picture)
    ended = world.run()

    assert (blocked.code, ended.code) == (77, 3)
    assert world.logs().failures[2].own["class"] == "outcome_unknown"


def a_changed_line_is_asked_as_it_is_now(folder: Path) -> None:
    """Crash between two votes, and change what is voted on."""
    world = World(folder, "labels by three votes", concurrency=1)
    world.asked.add(["prompt"])
    world.run(["answered", "answered", "answered late"], Crash(seconds=1.0))
    votes = len(world.gateway.rows)

    world.asked.edit(world.asked.lines[0])
    refused = world.run()
    ended = world.run(keep_answers=True)

    assert (refused.code, ended.code) == (65, 0)
    assert len(world.gateway.rows) == votes + 3


def an_intent_is_safe_before_the_work_is_sent(folder: Path) -> None:
    """Crash while the intent is on its way to the disk."""
    world = World(folder, "requests of all kinds", concurrency=1)
    world.asked.add(["image"])

    world.run(crash=Crash(seconds=0.001))
    ended = world.run()

    assert (ended.code, len(world.gateway.rows)) == (0, 1)


def work_that_may_be_done_is_not_sent_again(folder: Path) -> None:
    """Fail a picture in every way that leaves a doubt."""
    doubts = ("in trouble", "reset", "overloaded", "cut")
    world = World(folder, "requests of all kinds", concurrency=1)
    world.asked.add(["image"] * len(doubts))

    ended = world.run(doubts)

    assert (ended.code, len(world.gateway.rows)) == (3, len(doubts))


def starting_over_loses_no_answer_to_a_power_loss(folder: Path) -> None:
    """Lose power at each operation with which the old output is kept aside, in several ways."""
    for operation in range(8):
        for power in range(12):
            place = folder / f"{operation}-{power}"
            place.mkdir()
            world = World(place, "requests of all kinds", concurrency=1)
            world.asked.add(["chat"])
            world.run()
            world.run(crash=Crash(operation=operation, power=power), new_run=True)


def a_pack_that_is_halved_is_in_doubt_only_twice(folder: Path) -> None:
    """Leave a doubt of a pack, refuse it when it is asked again, and leave doubts of its halves."""
    world = World(folder, "packs of three", concurrency=1)
    world.asked.add(["vector"] * 3)

    ended = world.run(["cut", "refused", "silent", "silent"])

    assert (ended.code, world.gateway.calls) == (3, 4)


def a_pack_that_is_left_in_doubt_is_not_halved(folder: Path) -> None:
    """Leave a doubt of a pack, cut its answer when it is asked again, and await its halves."""
    world = World(folder, "packs of three", concurrency=1)
    world.asked.add(["vector"] * 3)

    ended = world.run(["silent", "cut", "silent", "silent"])

    assert (ended.code, world.gateway.calls) == (3, 2)


def an_error_that_is_dropped_forgets_no_paid_work(folder: Path) -> None:
    """Leave a doubt of a picture, change it, be blocked before it, and bring it back."""
    world = World(folder, "requests of all kinds", concurrency=1)
    world.asked.add(["chat", "image"])
    chat, picture = world.asked.lines
    world.run(["refused", "reset"])

    world.asked.edit(chat)
    world.asked.edit(picture)
    blocked = world.run(["of a bad key"], keep_answers=True)
    world.asked.restore(picture)
    ended = world.run()

    assert (blocked.code, ended.code) == (77, 3)
    assert world.logs().failures[2].own["class"] == "outcome_unknown"


def a_run_that_was_put_aside_comes_back_with_the_power(folder: Path) -> None:
    """Start over, be killed, and lose the power before any disk was asked to make sure."""
    world = World(folder, "prompts", concurrency=1)
    world.asked.add(["prompt"] * 2)
    world.run()
    rows = len(world.gateway.rows)

    world.run(crash=Crash(operation=3), new_run=True)
    world.run(crash=Crash(operation=2, power=86), new_run=True)
    ended = world.run()

    assert (ended.code, len(world.gateway.rows)) == (0, rows)


def what_a_retry_began_anew_counts_alone(folder: Path) -> None:
    """Fit no label, retry, and lose the result and with it all that was ever counted."""
    world = World(folder, "labels by three votes", concurrency=1)
    world.asked.add(["prompt"])
    world.run(["no label"] * 5)
    asked = world.gateway.calls
    world.retry(frozenset({"label_invalid"}), ambiguous=False)
    calls = world.gateway.calls
    assert (asked, calls) == (5, 8)

    world.truncate(0, 0.0)
    ended = world.run()

    assert (ended.code, world.gateway.calls) == (0, calls + 1)


def votes_before_one_that_failed_are_kept(folder: Path) -> None:
    """Fail between two votes, twice, and lose the cache, and then the result."""
    world = World(folder, "labels by three votes", concurrency=1)
    world.asked.add(["prompt"])
    world.run(["answered", "refused"])
    world.delete_cache()
    world.retry(frozenset({"refused"}), ambiguous=False, deeds=["answered", "refused"])
    world.delete_cache()
    world.retry(frozenset({"refused"}), ambiguous=False)
    assert world.gateway.calls == 5

    world.truncate(0, 0.0)
    ended = world.run()

    assert (ended.code, world.gateway.calls) == (0, 6)


def votes_of_other_settings_are_not_counted_with_those_of_a_retry(folder: Path) -> None:
    """Fail between two votes, go on at another temperature, and retry."""
    world = World(folder, "labels by three votes", concurrency=1)
    world.asked.add(["prompt"])
    world.run(["answered", "refused"])
    world.asked.change("temperature", 1)
    world.run(keep_answers=True)

    world.retry(frozenset({"refused"}), ambiguous=False)

    assert world.gateway.calls == 2 + 3


def a_retry_at_other_settings_pays_no_vote_of_its_own_again(folder: Path) -> None:
    """Fail between two votes, go on at another temperature, and have two retries end early."""
    world = World(folder, "labels by three votes", concurrency=1)
    world.asked.add(["prompt"])
    world.run(["answered", "refused"])
    world.asked.change("temperature", 1)
    world.run(keep_answers=True)

    world.retry(frozenset({"refused"}), False, ["answered", "answered late"], Crash(seconds=1.0))
    world.retry(frozenset({"refused"}), ambiguous=False, deeds=["answered", "refused"])
    world.delete_cache()
    world.retry(frozenset({"refused"}), ambiguous=False)

    assert world.gateway.calls == 2 + 2 + 2 + 1


LIVES: Final[Sequence[Callable[[Path], None]]] = (
    keeping_answers_forgets_no_paid_work,
    a_changed_line_is_asked_as_it_is_now,
    an_intent_is_safe_before_the_work_is_sent,
    work_that_may_be_done_is_not_sent_again,
    starting_over_loses_no_answer_to_a_power_loss,
    a_pack_that_is_halved_is_in_doubt_only_twice,
    a_pack_that_is_left_in_doubt_is_not_halved,
    an_error_that_is_dropped_forgets_no_paid_work,
    a_run_that_was_put_aside_comes_back_with_the_power,
    what_a_retry_began_anew_counts_alone,
    votes_before_one_that_failed_are_kept,
    votes_of_other_settings_are_not_counted_with_those_of_a_retry,
    a_retry_at_other_settings_pays_no_vote_of_its_own_again,
)
