"""May a call be asked again, and when: one table from kinds of failure to what follows.

A rule: the clock, chance and what the gate knows are handed in. What holds many lines at once (rate
limits, an account that is down, reserved money) is the gate's; here each line waits by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from batch.errors import (
    BadKey,
    Barred,
    CallFailed,
    ChannelTrouble,
    Crashed,
    CutAnswer,
    FilePage,
    FileUnread,
    Interrupted,
    NoMoney,
    NotAnAnswer,
    NoWay,
    OutcomeUnknown,
    Overloaded,
    Refused,
    ServerTrouble,
    TaskLate,
    Throttled,
    UnknownModel,
    Unreachable,
    UpstreamAccount,
    WrongUrl,
)

Closing: TypeAlias = Literal["model", "key", "account"]
GO_BEHIND: Final = 4  # round trips in which those who were rejected with a line go before it


class RetryPolicy(msgspec.Struct, frozen=True):
    """How patient a line is. Times in seconds."""

    attempts: int = 6  # in all, of those that count
    timeout: float = 3600.0  # since its first attempt was sent
    wait_initial: float = 0.5
    wait_max: float = 60.0
    wait_exp_base: float = 2.0
    task_timeout: float = 3600  # since this process began to wait for a task
    poll_jitter: float = 0.1  # share by which the wait between two polls is made longer


class Past(msgspec.Struct):
    """What a line's attempts have come to so far, in this process."""

    attempts: int = 0  # those that count
    repeats: dict[str, int] = {}  # by name of the rule that granted them


class Case(msgspec.Struct, frozen=True):
    """What is known of a failed attempt beside the failure."""

    chance: float  # uniform in [0, 1)
    elapsed: float = 0.0  # seconds since the first attempt was sent, or the task was there
    # Work that must not be done, and paid, a second time.
    once: bool = False
    # The call does no work at all, a poll or a fetch: it may be repeated after anything.
    safe: bool = False
    # The account is not down, and since the line's previous attempt was sent, somebody was
    # answered: by the account, or by the model if it is the model that is in trouble. Only then is
    # the attempt the line's own, so that a gateway which is down for an hour fails no line.
    counts: bool = True
    # Seconds that an answer takes lately; 0 if that is not known.
    trip: float = 0.0
    # The gate has seen enough: the account is empty and not only reserved up by calls on the wire,
    # or the model was tried in vain.
    hopeless: bool = False


class Again(msgspec.Struct, frozen=True):
    """Ask again after so many seconds."""

    wait: float
    budgeted: bool = True  # it must also be granted by the account's retry budget


class End(msgspec.Struct, frozen=True):
    """The line ends with this failure as its error."""

    failure: CallFailed


class Block(msgspec.Struct, frozen=True):
    """The key, its model or the account is hopeless: close it, and leave the line pending."""

    scope: Closing
    failure: CallFailed


class Rule(msgspec.Struct, frozen=True):
    """What follows from a kind of failure. Waits in seconds; None: the policy's."""

    name: str
    repeats: float = math.inf
    only: int | None = None  # the repeats are for this HTTP status alone
    at_once: bool = False  # the first repeat does not wait
    # The gate's schedule holds all such lines, also for as long as a server asks. A line waits by
    # itself only if it fails again and again while others are answered.
    held: bool = False
    in_trips: bool = False  # the span of the first wait is of several round trips at the least
    least: float = 0.0
    initial: float | None = None
    most: float | None = None
    budgeted: bool = True
    attempts: float = math.inf  # in all, of those that count, if fewer than the policy's
    # What is closed when the repeats are used up, or when the gate has seen enough; None: nothing,
    # the line ends with an error.
    closes: Closing | None = None

    def allows(self, failure: CallFailed) -> float:
        """Return how many repeats this failure gets."""
        return self.repeats if self.only in (None, failure.status) else 0

    def wait(self, policy: RetryPolicy, done: int, case: Case) -> float:
        """Return the wait before the next repeat: full jitter over a doubling span."""
        if self.at_once and not done:
            return 0.0
        initial = policy.wait_initial if self.initial is None else self.initial
        if self.in_trips:
            initial = max(initial, GO_BEHIND * case.trip)
        most = policy.wait_max if self.most is None else self.most
        # The exponent is bounded: a line may be held up thousands of times by others' trouble.
        step = min(done - self.at_once, 64)
        span = min(most, initial * policy.wait_exp_base**step)
        return self.least + case.chance * max(0.0, span - self.least)


# A timeout, reset, 504 or 524, a cut answer, and any failure after an answer has begun, share one
# repeat: each may have been billed.
_AMBIGUOUS: Final = Rule("ambiguous", repeats=1)
# What one line of a pack may be to blame for.
_ONE_LINES_OWN: Final = (Refused, NotAnAnswer, Crashed)
# A poll is free to repeat, and its task is paid: give up late, after about half an hour of trouble.
_POLL: Final = Rule("poll", repeats=60, budgeted=False)

TABLE: Final[Mapping[type[CallFailed], Rule]] = {
    # The same request gets the same refusal.
    Refused: Rule("refused", repeats=0),
    # Somebody else's host, asked before anything is sent: it may be back in a moment.
    FileUnread: Rule("file_unread", repeats=3, initial=2.0, budgeted=False),
    # To fetch costs nothing, and a page is often that of a host which is busy. Or it is for good.
    FilePage: Rule("file_page", repeats=2, initial=2.0, budgeted=False),
    # Everybody under the limit waits on the gate's one schedule; 429s cost the gateway little. A
    # line that is rejected again lets others go first: in the second in which a limit is found out,
    # and where hardly one may go at once, it would else be unlucky six times.
    Throttled: Rule("throttled", at_once=True, in_trips=True, held=True, budgeted=False),
    # The vendor sheds load and says so: come back late, and not all together.
    Overloaded: Rule("overloaded", least=5.0, initial=10.0, most=60.0),
    ServerTrouble: Rule("server_trouble"),
    # While others are answered it is meant for the line: a firewall dislikes what it says.
    Barred: Rule("barred", attempts=2),
    # The next try likely takes another channel.
    ChannelTrouble: Rule("channel_trouble", at_once=True),
    # Some panics are deterministic: a second one is the line's own.
    Crashed: Rule("crashed", repeats=1, at_once=True),
    # Nothing was sent, so nothing can be paid twice and no server is loaded.
    Unreachable: Rule("unreachable", at_once=True, budgeted=False),
    # A certificate or a proxy that says no; the gate closes the key once it is no single node's.
    NoWay: Rule("no_way", budgeted=False, closes="key"),
    Interrupted: _AMBIGUOUS,
    CutAnswer: _AMBIGUOUS,
    # Mostly billed each time, so few.
    NotAnAnswer: Rule("not_an_answer", repeats=2),
    # Another channel of the gateway may serve; if none does, the gate closes the model.
    UpstreamAccount: Rule("upstream", least=15.0, initial=30.0, closes="model"),
    # 503: all channels may be off for a moment. Any other status is a wrong key or a typing error.
    UnknownModel: Rule("unknown_model", only=503, least=2.0, initial=5.0, closes="model"),
    BadKey: Rule("bad_key", repeats=0, closes="key"),
    WrongUrl: Rule("wrong_url", repeats=0, closes="key"),
    # With calls on the wire the money may only be reserved; the gate drains, and then knows.
    NoMoney: Rule("no_money", budgeted=False, closes="account"),
    OutcomeUnknown: Rule("outcome_unknown", repeats=0),
    # Raised when patience has run out; another day there is more of it.
    TaskLate: Rule("task_late", repeats=1),
}


def judge(policy: RetryPolicy, failure: CallFailed, past: Past, case: Case) -> Again | End | Block:
    """Decide what follows from a failed attempt, and count it in the line's past.

    A server's ``Retry-After`` is a floor of the wait, except where the gate's schedule keeps it.
    """
    past.attempts += case.counts
    if leaves_doubt(failure, once=case.once):
        return End(_unknown(failure))
    rule = _rule(failure, case)
    done = past.repeats.get(rule.name, 0)
    if rule.closes and (case.hopeless or done >= rule.allows(failure)):
        return Block(rule.closes, failure)
    if done >= rule.allows(failure):
        return End(failure)
    if case.safe and rule.closes is None and case.elapsed >= policy.task_timeout:
        return End(_late(policy, failure))
    most = min(policy.attempts, rule.attempts)
    # Behind a low limit a line may wait for hours in the gate: that is no time it was tried in.
    late = case.elapsed >= policy.timeout and not rule.held
    spent = late or past.attempts >= most
    # An empty account is not the line's fault, whatever the line has been through.
    if spent and case.counts and rule.closes != "account":
        return End(failure)
    past.repeats[rule.name] = done + (case.counts or not rule.held)
    wait = rule.wait(policy, done, case)
    if not rule.held:
        asked = failure.retry_after or 0.0
        # A poll costs the gateway little: it is not put off for as long as work is.
        wait = max(wait, min(asked, policy.wait_max) if case.safe else asked)
    return Again(wait, rule.budgeted)


def leaves_doubt(failure: CallFailed, *, once: bool) -> bool:
    """Return whether work that must not be done twice may have been done."""
    refused = isinstance(failure, (Refused, OutcomeUnknown))
    return once and not failure.precedes_work and not refused


def one_lines_own(failure: CallFailed) -> bool:
    """Return whether the others of a pack are to be asked without the line that may be to blame.

    Not after a doubt: each of them may have been paid, and the pack has had the repeat it gets.
    """
    return isinstance(failure, _ONE_LINES_OWN) and not failure.doubtful


def retryable(failure: CallFailed) -> bool:
    """Return whether asking again another day may help."""
    rule = rule_of(type(failure))
    return rule.repeats > 0 or rule.closes is not None


def passing(failure: CallFailed) -> bool:
    """Return whether what a failure closes may be open again after a while."""
    rule = rule_of(type(failure))
    return rule.closes is not None and rule.allows(failure) > 0


def rule_of(kind: type[CallFailed]) -> Rule:
    """Return the rule of a kind of failure: its own, else that of the nearest kind above it."""
    return next(TABLE[above] for above in kind.__mro__ if above in TABLE)


def _rule(failure: CallFailed, case: Case) -> Rule:
    """Return the rule for a failure of a call of this kind, and at this point."""
    rule = rule_of(type(failure))
    if case.safe:
        # A poll says nothing of whether work can be submitted, except by a key that is refused. And
        # what a proxy said to it in the gateway's place, the gateway may contradict a minute later.
        asked_again = not rule.held and not isinstance(failure, (Refused, BadKey, NoWay))
        return _POLL if asked_again else rule
    # The work was begun, and may be billed, whatever it was that ended it.
    unsure = failure.begun and rule.repeats > 0 and rule.closes is None
    return _AMBIGUOUS if unsure else rule


def _late(policy: RetryPolicy, failure: CallFailed) -> CallFailed:
    """Say that paid work was asked after, or fetched, in vain for as long as was allowed."""
    said = failure.message.rstrip(". ")
    said += "" if said.endswith("?") else "."
    return _instead(
        failure,
        TaskLate,
        f"{said} So it went until {policy.task_timeout:,.0f} s were over; "
        "the work is paid: to go on waiting for it: wbatch retry",
    )


def _unknown(failure: CallFailed) -> CallFailed:
    """Say that paid work may or may not have been done."""
    return _instead(
        failure,
        OutcomeUnknown,
        f"{failure.message} (the work may have been done and paid, so it is not sent again: look "
        "at the gateway's own log, then: wbatch retry --ambiguous)",
    )


def _instead(failure: CallFailed, kind: type[CallFailed], message: str) -> CallFailed:
    """Return a failure of another kind that keeps what the first one knew."""
    other = kind(
        message,
        status=failure.status,
        vendor_code=failure.vendor_code,
        request_id=failure.request_id,
        body=failure.body,
    )
    other.usage = failure.usage
    return other
