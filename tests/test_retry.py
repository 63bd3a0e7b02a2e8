from __future__ import annotations

import msgspec
import pytest

from batch import errors
from batch.errors import CallFailed
from batch.retry import (
    TABLE,
    Again,
    Block,
    Case,
    End,
    Past,
    RetryPolicy,
    judge,
    one_lines_own,
    passing,
    retryable,
    rule_of,
)

POLICY = RetryPolicy()
PATIENT = RetryPolicy(attempts=1000)


def kinds(root: type[CallFailed] = CallFailed) -> list[type[CallFailed]]:
    return [k for kind in root.__subclasses__() for k in (kind, *kinds(kind))]


def course(
    failure: CallFailed, policy: RetryPolicy = PATIENT, times: int = 40, **case: object
) -> str:
    """The verdicts on a failure that comes again and again: waits at full chance, then the end."""
    past = Past()
    waits: list[str] = []
    while len(waits) < times:
        verdict = judge(policy, failure, past, Case(chance=0.999999, **case))  # type: ignore[arg-type]
        if isinstance(verdict, Again):
            waits.append(f"{verdict.wait:.3g}")
        else:
            end = f"block {verdict.scope}" if isinstance(verdict, Block) else verdict.failure.code
            return " ".join([*waits, end])
    return " ".join([*waits[:10], "..."])


BACKOFF = "0.5 1 2 4 8 16 32 60 60 60 ..."
CATALOGUE = [
    (errors.Refused("r"), "refused"),
    (errors.BadFile("b"), "bad_file"),
    (errors.NoMedia("n"), "no_media"),
    (errors.TaskFailed("t"), "task_failed"),
    (errors.TaskLost("t"), "task_lost"),
    (errors.FileGone("f"), "file_gone"),
    (errors.FilePage("f"), "2 4 file_page"),
    (errors.FileUnread("f"), "2 4 8 file_unread"),
    (errors.TaskLate("t"), "0.5 task_late"),
    (errors.Throttled("t"), "0 0.5 1 2 4 8 16 32 60 60 ..."),
    (errors.Saturated("s"), "0 0.5 1 2 4 8 16 32 60 60 ..."),
    (errors.Overloaded("o"), "10 20 40 60 60 60 60 60 60 60 ..."),
    (errors.ServerTrouble("s"), BACKOFF),
    (errors.WebPage("w"), BACKOFF),
    (errors.Barred("b"), "0.5 web_page"),
    (errors.ChannelTrouble("c"), "0 0.5 1 2 4 8 16 32 60 60 ..."),
    (errors.NoChannel("c"), "0 0.5 1 2 4 8 16 32 60 60 ..."),
    (errors.Crashed("p"), "0 gateway_panic"),
    (errors.Unreachable("u"), "0 0.5 1 2 4 8 16 32 60 60 ..."),
    # While the gate has not seen enough: one server of several may be to blame.
    (errors.NoWay("n"), BACKOFF),
    (errors.Untrusted("u"), BACKOFF),
    (errors.ProxyRefuses("p"), BACKOFF),
    (errors.Redirected("r"), BACKOFF),
    (errors.Interrupted("i"), "0.5 interrupted"),
    (errors.TimedOut("i"), "0.5 timeout"),
    (errors.NotAnAnswer("n"), "0.5 1 invalid_response"),
    (errors.CutAnswer("c"), "0.5 incomplete_response"),
    (errors.UpstreamAccount("u"), "30 60 60 60 60 60 60 60 60 60 ..."),
    (errors.UnknownModel("m", status=503), "5 10 20 40 60 60 60 60 60 60 ..."),
    (errors.UnknownModel("m", status=404), "block model"),
    (errors.BadKey("k"), "block key"),
    (errors.WrongUrl("w"), "block key"),
    (errors.NoMoney("m"), BACKOFF),
    (errors.OutcomeUnknown("o"), "outcome_unknown"),
]


@pytest.mark.parametrize(
    ("failure", "expected"), CATALOGUE, ids=[type(f).__name__ for f, _ in CATALOGUE]
)
def test_each_failure_has_its_course(failure: CallFailed, expected: str) -> None:
    assert course(failure) == expected


def test_the_catalogue_names_every_failure() -> None:
    assert {type(failure) for failure, _ in CATALOGUE} == set(kinds())


def test_the_most_specific_rule_counts() -> None:
    assert rule_of(errors.CutAnswer) is TABLE[errors.Interrupted]
    assert rule_of(errors.NoChannel) is TABLE[errors.ChannelTrouble]


ONCE_AGAIN = {
    errors.Barred,
    errors.Throttled,
    errors.Saturated,
    errors.NoChannel,
    errors.Unreachable,
    errors.NoWay,
    errors.Untrusted,
    errors.ProxyRefuses,
    errors.Redirected,
    errors.UpstreamAccount,
    errors.NoMoney,
    errors.FileUnread,
}


@pytest.mark.parametrize("kind", sorted(ONCE_AGAIN, key=repr), ids=lambda kind: kind.__name__)
def test_paid_work_whose_answer_has_begun_is_not_repeated(kind: type[CallFailed]) -> None:
    failure = kind("what happened")
    failure.begun = True

    verdict = judge(POLICY, failure, Past(), Case(chance=0.5, once=True))

    assert isinstance(verdict, End)
    assert isinstance(verdict.failure, errors.OutcomeUnknown)


@pytest.mark.parametrize("kind", [errors.Throttled, errors.ServerTrouble, errors.Interrupted])
def test_a_task_is_asked_after_in_vain_no_longer_than_a_task_may_take(
    kind: type[CallFailed],
) -> None:
    failure = kind("what happened", status=503)
    late = Case(chance=0.5, safe=True, counts=False, elapsed=POLICY.task_timeout)

    before = judge(POLICY, failure, Past(), msgspec.structs.replace(late, elapsed=1.0))
    verdict = judge(POLICY, failure, Past(), late)

    assert isinstance(before, Again)
    assert isinstance(verdict, End)
    assert isinstance(verdict.failure, errors.TaskLate)
    assert "what happened" in verdict.failure.message
    assert "wbatch retry" in verdict.failure.message


@pytest.mark.parametrize(
    ("said", "goes_on"),
    [("busy", "busy. So"), ("busy.", "busy. So"), ("is it the address?", "is it the address? So")],
)
def test_what_was_said_in_vain_ends_as_a_sentence(said: str, goes_on: str) -> None:
    late = Case(chance=0.5, safe=True, counts=False, elapsed=POLICY.task_timeout)

    verdict = judge(POLICY, errors.ServerTrouble(said), Past(), late)

    assert isinstance(verdict, End)
    assert verdict.failure.message.startswith(goes_on)


def test_a_server_puts_off_a_poll_for_a_minute_at_most() -> None:
    failure = errors.ServerTrouble("busy")
    failure.retry_after = 900.0

    poll = judge(POLICY, failure, Past(), Case(chance=0.5, safe=True, counts=False))
    work = judge(POLICY, failure, Past(), Case(chance=0.5))

    assert isinstance(poll, Again)
    assert isinstance(work, Again)
    assert (poll.wait, work.wait) == (60.0, 900.0)


# What is said of a fetch alone asks for no work.
@pytest.mark.parametrize(
    "kind",
    [kind for kind in kinds() if kind is not errors.FilePage],
    ids=lambda kind: kind.__name__,
)
def test_paid_work_is_repeated_only_after_a_failure_that_precedes_it(
    kind: type[CallFailed],
) -> None:
    failure = kind("what happened", status=500, request_id="r-1")

    verdict = judge(POLICY, failure, Past(), Case(chance=0.5, once=True))

    if kind in ONCE_AGAIN:
        assert isinstance(verdict, Again)
    elif issubclass(kind, errors.Refused):
        assert verdict == End(failure)
    elif failure.before_work:
        assert isinstance(verdict, Block)
    else:
        assert isinstance(verdict, End)
        assert isinstance(verdict.failure, errors.OutcomeUnknown)
        assert "what happened" in verdict.failure.message
        assert verdict.failure.request_id == "r-1"


def test_all_ambiguous_failures_of_a_line_share_one_repeat() -> None:
    past = Past()

    first = judge(POLICY, errors.TimedOut("t"), past, Case(chance=0))
    second = judge(POLICY, errors.CutAnswer("c"), past, Case(chance=0))

    assert isinstance(first, Again)
    assert isinstance(second, End)


def test_a_line_ends_after_as_many_attempts_as_the_policy_grants() -> None:
    past = Past()

    trouble = errors.ServerTrouble("5")

    verdicts = [judge(POLICY, trouble, past, Case(chance=0)) for _ in range(POLICY.attempts)]

    assert [type(verdict) for verdict in verdicts] == [Again] * 5 + [End]


def test_attempts_at_a_gateway_that_answers_nobody_do_not_count() -> None:
    past = Past()
    away = Case(chance=0, counts=False, elapsed=4000)

    verdicts = [judge(POLICY, errors.Unreachable("u"), past, away) for _ in range(5000)]

    assert {type(verdict) for verdict in verdicts} == {Again}
    assert past.attempts == 0


def test_a_line_ends_when_its_time_is_up() -> None:
    late = Case(chance=0, elapsed=3600)

    assert isinstance(judge(POLICY, errors.ServerTrouble("5"), Past(), late), End)


def test_what_is_not_the_lines_fault_never_becomes_its_error() -> None:
    past = Past(attempts=100)
    late = Case(chance=0, elapsed=10_000)

    assert isinstance(judge(POLICY, errors.NoMoney("m"), past, late), Again)
    assert isinstance(judge(POLICY, errors.BadKey("k"), past, late), Block)


def test_no_money_closes_the_account_when_the_gate_is_certain() -> None:
    failure = errors.NoMoney("empty")

    verdict = judge(POLICY, failure, Past(), Case(chance=0, hopeless=True))

    assert verdict == Block("account", failure)


@pytest.mark.parametrize("kind", [errors.Interrupted, errors.NotAnAnswer, errors.Crashed])
def test_a_poll_is_repeated_after_anything_but_not_for_ever(kind: type[CallFailed]) -> None:
    past = Past()
    poll = Case(chance=0.5, safe=True, counts=False)

    verdicts = [judge(POLICY, kind("x"), past, poll) for _ in range(61)]

    assert {type(verdict) for verdict in verdicts[:60]} == {Again}
    assert isinstance(verdicts[60], End)


def test_a_refused_poll_is_refused() -> None:
    failure = errors.Refused("no such task")

    assert judge(POLICY, failure, Past(), Case(chance=0, safe=True)) == End(failure)


def test_a_line_that_is_rejected_with_everybody_waits_for_the_gate_alone() -> None:
    past = Past()
    rejected = Case(chance=0.999999, counts=False)

    verdicts = [judge(POLICY, errors.Throttled("t"), past, rejected) for _ in range(50)]

    assert verdicts == [Again(0.0, budgeted=False)] * 50


def test_a_line_that_is_rejected_again_lets_others_go_before_it() -> None:
    throttled = errors.Throttled("t")

    assert course(throttled, trip=0.01) == course(throttled)
    assert course(throttled, trip=2.0) == "0 8 16 32 60 60 60 60 60 60 ..."
    # Of nothing else does it say anything how long an answer takes.
    assert course(errors.ChannelTrouble("c"), trip=2.0) == course(errors.ChannelTrouble("c"))


def test_a_line_that_waits_for_hours_behind_a_low_limit_does_not_end_for_it() -> None:
    late = Case(chance=0, elapsed=10_000)

    assert judge(POLICY, errors.Throttled("t"), Past(), late) == Again(0.0, budgeted=False)


def test_jitter_is_full_above_the_least_wait() -> None:
    def first(failure: CallFailed, chance: float) -> Again | End | Block:
        return judge(POLICY, failure, Past(), Case(chance=chance))

    assert first(errors.ServerTrouble("5"), 0) == Again(0.0)
    assert first(errors.ServerTrouble("5"), 0.5) == Again(0.25)
    assert first(errors.Overloaded("o"), 0) == Again(5.0)


def test_a_servers_wish_is_a_floor_except_where_the_schedule_keeps_it() -> None:
    trouble, throttled = errors.ServerTrouble("5"), errors.Throttled("t")
    trouble.retry_after = throttled.retry_after = 12.0

    assert judge(POLICY, trouble, Past(), Case(chance=0.5)) == Again(12.0)
    assert judge(POLICY, throttled, Past(), Case(chance=0.5)) == Again(0.0, budgeted=False)


def test_rate_limits_and_failed_connections_do_not_burden_the_retry_budget() -> None:
    free = {kind for kind in kinds() if not rule_of(kind).budgeted}

    assert free == {
        errors.Throttled,
        errors.Saturated,
        errors.Unreachable,
        errors.NoWay,
        errors.Untrusted,
        errors.ProxyRefuses,
        errors.Redirected,
        errors.NoMoney,
        errors.FilePage,
        errors.FileUnread,
    }


def test_only_what_may_succeed_another_day_is_called_retryable() -> None:
    assert retryable(errors.ServerTrouble("5"))
    assert retryable(errors.TimedOut("t"))
    assert not retryable(errors.Refused("r"))
    assert not retryable(errors.OutcomeUnknown("o"))


def begun(kind: type[CallFailed]) -> CallFailed:
    failure = kind("in the middle of a stream")
    failure.begun = True
    return failure


RESENT = sorted(
    (k for k in kinds() if rule_of(k).closes is None and rule_of(k).repeats > 0),
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", RESENT, ids=lambda kind: kind.__name__)
def test_whatever_ends_an_answer_that_had_begun_is_repeated_once(kind: type[CallFailed]) -> None:
    past = Past()

    verdicts = [judge(PATIENT, begun(kind), past, Case(chance=0)) for _ in range(2)]

    assert [type(verdict) for verdict in verdicts] == [Again, End]


def test_an_answer_that_broke_off_and_a_timeout_share_one_repeat() -> None:
    past = Past()

    first = judge(POLICY, begun(errors.Overloaded), past, Case(chance=0))
    second = judge(POLICY, errors.TimedOut("t"), past, Case(chance=0))

    assert isinstance(first, Again)
    assert isinstance(second, End)


ONE_LINES_OWN = {kind for kind in kinds() if issubclass(kind, errors.Refused)} | {
    errors.NotAnAnswer,
    errors.Crashed,
}


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_a_pack_is_asked_in_halves_only_after_a_failure_that_leaves_no_doubt(
    kind: type[CallFailed],
) -> None:
    assert one_lines_own(kind("said of a pack")) is (kind in ONE_LINES_OWN)
    assert not one_lines_own(begun(kind))


CLOSING = sorted(
    (k for k in kinds() if rule_of(k).closes is not None), key=lambda kind: kind.__name__
)


@pytest.mark.parametrize("kind", CLOSING, ids=lambda kind: kind.__name__)
def test_of_what_a_poll_is_told_only_a_refused_key_or_a_barred_way_closes_anything(
    kind: type[CallFailed],
) -> None:
    poll = Case(chance=0, safe=True, counts=False, hopeless=True)

    verdict = judge(POLICY, kind("said to a poll", status=404), Past(), poll)

    expected = Block if issubclass(kind, (errors.BadKey, errors.NoWay)) else Again
    assert type(verdict) is expected


@pytest.mark.parametrize("kind", CLOSING, ids=lambda kind: kind.__name__)
def test_what_was_told_to_polls_until_they_were_given_up_can_be_tried_another_day(
    kind: type[CallFailed],
) -> None:
    assert retryable(kind("said to a poll"))


MODELS = [errors.UpstreamAccount("u", status=401), errors.UnknownModel("m", status=503)]


@pytest.mark.parametrize("failure", MODELS, ids=lambda failure: type(failure).__name__)
def test_a_model_in_trouble_is_closed_when_the_gate_has_seen_enough(failure: CallFailed) -> None:
    past = Past()
    waiting = Case(chance=0.5, counts=False)

    before = [judge(POLICY, failure, past, waiting) for _ in range(50)]
    verdict = judge(POLICY, failure, past, Case(chance=0.5, counts=False, hopeless=True))

    assert {type(one) for one in before} == {Again}
    assert verdict == Block("model", failure)


@pytest.mark.parametrize("failure", MODELS, ids=lambda failure: type(failure).__name__)
def test_a_line_whose_model_answers_others_ends_after_its_attempts(failure: CallFailed) -> None:
    past = Past()

    verdicts = [judge(POLICY, failure, past, Case(chance=0)) for _ in range(POLICY.attempts)]

    assert [type(verdict) for verdict in verdicts] == [Again] * 5 + [End]


@pytest.mark.parametrize(
    ("failure", "may"),
    [
        (errors.UpstreamAccount("u"), True),
        (errors.UnknownModel("m", status=503), True),
        (errors.UnknownModel("m", status=404), False),
        (errors.BadKey("k"), False),
        (errors.WrongUrl("w"), False),
        (errors.ServerTrouble("it closes nothing"), False),
    ],
)
def test_what_may_be_open_again_after_a_while(failure: CallFailed, may: bool) -> None:
    assert passing(failure) is may
