"""Work that is submitted, asked after, and fetched: what is alike in all kinds of it.

``pace`` and ``canonical`` are the gateway's ways with every task; the words of each vendor's reply
stay in its format.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from batch.errors import TaskLost
from batch.records import Call, Reply, State, Wait
from batch.wire._http import stamped
from batch.wire._retry_after import retry_after
from batch.wording import shown

POLLING: Final = "poll"  # ``state["do"]`` while a task is waited for
# The gateway itself looks after its tasks every 15 seconds, so that to ask more often is in vain.
_FIRST_SECONDS: Final = 10.0
_NEXT_SECONDS: Final = 15.0
_SHORTEST_SECONDS: Final = 0.25  # no hint makes anybody ask more often
_LONGEST_SECONDS: Final = 60.0  # a hint that asks for more is not believed
# The gateway writes its row after it has answered: a task may be unknown for a moment.
_UNKNOWN_AT_FIRST: Final = 5
_LONGEST_NAME: Final = 200  # characters of a task's name in a message

Progress: TypeAlias = Literal["pending", "running", "succeeded", "failed"]

# From the states that the gateway and the vendors behind it spell in their own ways. Any other
# word counts as running, until the deadline.
_WORDS: Final[dict[Progress, frozenset[str]]] = {
    "pending": frozenset(
        {"", "not_start", "submitted", "queued", "pending", "created", "unknown", "modal"}
    ),
    "succeeded": frozenset({"success", "succeeded", "succeed", "completed", "done"}),
    "failed": frozenset(
        {"failure", "failed", "fail", "error", "cancelled", "canceled", "cancel"}
        | {"expired", "rejected"}
    ),
}


def canonical(status: object) -> Progress:
    """Return how far a task is by the vendor's word for it."""
    word = status.lower() if isinstance(status, str) else ""
    return next((state for state, words in _WORDS.items() if word in words), "running")


def wait(poll: Call, state: State, reply: Reply, *, first: bool = False) -> Wait:
    """Return the wait before the next poll: as long as the reply hints, else at the usual pace."""
    hint = retry_after(reply.headers, reply.started_at + reply.ms / 1000)
    if hint is None:
        return Wait(_FIRST_SECONDS if first else _NEXT_SECONDS, poll, state)
    return Wait(min(max(hint, _SHORTEST_SECONDS), _LONGEST_SECONDS), poll, state)


def unknown(poll: Call, state: State, reply: Reply) -> Wait:
    """Return the wait after the gateway did not know the task. Raises ``TaskLost`` at last."""
    misses = state.get("misses", 0)
    if misses >= _UNKNOWN_AT_FIRST:
        # The record is the last to know the task's name: a retry asks for new work.
        lost = TaskLost(
            f"the gateway accepted task {shown(str(state.get('id')), _LONGEST_NAME)} and now says "
            "that there is none. It may have been done and paid: look for it in the gateway's own "
            "log. New work, which is paid anew: wbatch retry --only task_lost"
        )
        raise stamped(lost, reply)
    return wait(poll, {**state, "misses": misses + 1}, reply)
