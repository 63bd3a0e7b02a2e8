"""The tree of everything that can go wrong.

    BatchError
    ├── Refusal               the run cannot start or cannot go on; carries its exit code
    │   ├── BadUsage          2    ├── BadData  65   ├── NoInput 66   ├── Unavailable 69
    │   ├── CannotWrite      73    ├── Busy     75   ├── NoAccess 77  └── BadConfig   78
    ├── BadBody               a line's body is not what its format needs: no request, one record
    └── CallFailed            a call gave no answer; the wire format names which of these it is
        ├── Refused           the request itself is wrong: final
        │   ├── BadFile       a file that the line names cannot be read: nothing was sent
        │   ├── NoMedia       an answer without the picture, sound or film that was asked for
        │   ├── TaskFailed    the gateway gave the task up
        │   ├── TaskLost      the gateway knows nothing of a task that it accepted
        │   └── FileGone      the address of a file of the answer gives nothing
        │       └── FilePage  or a web page
        ├── FileUnread        the host of a file that the line names is in trouble
        ├── Throttled         a rate limit: the named scope waits on its one schedule
        │   └── Saturated     of an upstream behind the gateway, not of the gateway itself
        ├── Overloaded        the vendor sheds load: a long backoff
        ├── ServerTrouble     a 5xx that says nothing more
        │   └── WebPage       a page for people instead of an answer
        │       └── Barred    the same under a status that says no: nothing was let through
        ├── ChannelTrouble    the gateway's channel failed; the next try likely takes another
        ├── Crashed           the gateway's own panic: tried once more
        ├── Unreachable       no connection, DNS, TLS: nothing was sent
        │   └── NoWay         nor ever will be, until a setting or somebody else mends it
        │       ├── Untrusted     the certificate is not accepted
        │       ├── ProxyRefuses  the proxy lets nothing through
        │       └── Redirected    a redirect in the place of an answer
        ├── Interrupted       ambiguous: sent, then timeout, reset, cut, 504, 524
        ├── NotAnAnswer       a 200 that is no complete answer; it may be billed
        ├── UpstreamAccount   the upstream's key or money behind the gateway
        ├── UnknownModel      this key may not call this model
        ├── BadKey            the gateway refuses the key
        ├── WrongUrl          this is not the gateway's API
        ├── NoMoney           the account is empty
        ├── TaskLate          a task did not end in time; it may still, and is waited for on a retry
        └── OutcomeUnknown    paid work whose end nobody can know; never sent again by itself

A failure says what happened; ``retry.py`` alone decides whether and when to ask again. A bug is
none of these: it stops the run, which can be resumed.

Longer than other files, because a tree is seen whole or not at all.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal, TypeAlias

from batch.usage import Usage

# The exit code of a run that stopped at a limit of its own: lines are left, and nothing is wrong.
CAPPED: Final = 4
# Who is to blame, and so who must wait or stop. "key" is one key, "model" one key with one model.
Scope: TypeAlias = Literal["request", "lane", "model", "key", "account"]


class BatchError(Exception):
    """Root of everything raised on purpose."""


class Refusal(BatchError):
    """The run cannot start or cannot go on. The message says what, where, and what to do."""

    exit_code: ClassVar[int] = 1


class BadUsage(Refusal):
    """A flag or an argument is wrong."""

    exit_code = 2


class BadData(Refusal):
    """The input, or what an earlier run left, is not what it must be."""

    exit_code = 65


class NoInput(Refusal):
    """An input is missing."""

    exit_code = 66


class Unavailable(Refusal):
    """The gateway gave no answer for too long."""

    exit_code = 69


class CannotWrite(Refusal):
    """Disk full, folder not writable, or a sync failed."""

    exit_code = 73


class Busy(Refusal):
    """Another process holds the run."""

    exit_code = 75


class NoAccess(Refusal):
    """Key, model or account is hopeless."""

    exit_code = 77


class BadConfig(Refusal):
    """A setting is wrong or missing."""

    exit_code = 78


class BadBody(BatchError):
    """A line's body is not what its format needs."""

    def __init__(self, message: str, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.code = code


class CallFailed(BatchError):
    """A call gave no answer. Raised as one of the classes below, never as itself."""

    code: ClassVar[str] = "failed"
    scope: ClassVar[Scope] = "request"
    # The work may have been done and billed although no answer came.
    ambiguous: ClassVar[bool] = False
    # The failure provably came before any work, so that even ``once`` may be sent again.
    before_work: ClassVar[bool] = False
    # The gateway is alive: this counts as a sign of life of the account.
    alive: ClassVar[bool] = True
    # It happened on this side, before the gateway was asked: it says nothing of the gateway.
    local: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        vendor_code: str | None = None,
        request_id: str | None = None,
        body: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.vendor_code = vendor_code
        self.request_id = request_id
        self.body = body
        self.retry_after: float | None = None  # seconds, as the server asked
        self.usage: Usage | None = None  # what the failed attempt is known to have cost
        self.begun = False  # a part of the answer had come before it
        self.under_200 = False  # told in the place of an answer, which may be billed like one

    @property
    def doubtful(self) -> bool:
        """Return whether the work may have been done and billed, of whatever kind it is."""
        return self.ambiguous or self.begun

    @property
    def precedes_work(self) -> bool:
        """Return whether it provably came before any work; not once an answer has begun."""
        return self.before_work and not self.begun and not self.under_200


class Refused(CallFailed):
    """The request itself is wrong or not allowed: asking again gives the same."""

    code = "refused"


class BadFile(Refused):
    """A file that the line names cannot be read, or may not be: nothing was sent."""

    code = "bad_file"
    before_work = True
    local = True


class FileUnread(CallFailed):
    """The host of a file that the line names gave no answer: nothing was sent."""

    code = "file_unread"
    before_work = True
    local = True


class NoMedia(Refused):
    """A whole answer, without the picture, sound or film that was asked for. It is billed."""

    code = "no_media"


class TaskFailed(Refused):
    """The gateway says that the task failed. To submit it again is new work."""

    code = "task_failed"


class TaskLost(Refused):
    """The gateway accepted a task and later knows nothing of it."""

    code = "task_lost"


class FileGone(Refused):
    """The address of a file of the answer gives nothing, or nothing of the kind."""

    code = "file_gone"


class FilePage(FileGone):
    """A page for people stands in the place of a file of the answer: it may be gone in a moment."""

    code = "file_page"


class Throttled(CallFailed):
    """The gateway's own rate limit; it binds the whole account."""

    code = "rate_limited"
    scope: ClassVar[Scope] = "account"
    before_work = True
    alive = False


class Saturated(Throttled):
    """An upstream's rate limit behind the gateway; it binds one lane."""

    scope: ClassVar[Scope] = "lane"


class Overloaded(CallFailed):
    """The vendor sheds load (529, ``overloaded_error``, the gateway's own overload codes)."""

    code = "overloaded"
    scope: ClassVar[Scope] = "lane"
    alive = False


class ServerTrouble(CallFailed):
    """A 5xx, 408 or 409 that says nothing more, or a status that answers nothing."""

    code = "server_error"
    alive = False


class WebPage(ServerTrouble):
    """A page for people instead of an answer: a proxy's, a login's, somebody's web site.

    It is no verdict of the gateway, and so none about the line.
    """

    code = "web_page"
    scope: ClassVar[Scope] = "account"


class Barred(WebPage):
    """A page under a status that says no: something in the way let nothing through."""

    before_work = True


class ChannelTrouble(CallFailed):
    """The gateway could not use the channel it chose; the next try likely takes another."""

    code = "channel_error"
    alive = False


class NoChannel(ChannelTrouble):
    """The gateway had no channel to give the request to: provably before any work."""

    before_work = True


class Crashed(CallFailed):
    """The gateway's own panic. Some are deterministic, so one more try is all it gets."""

    code = "gateway_panic"
    alive = False


class Unreachable(CallFailed):
    """No connection: DNS, connect or TLS failed, so nothing was sent."""

    code = "connection_error"
    scope: ClassVar[Scope] = "account"
    before_work = True
    alive = False


class NoWay(Unreachable):
    """The way to the gateway is barred: trying again gives the same. One of those below."""


class Untrusted(NoWay):
    """The certificate that the gateway shows is not accepted."""

    code = "untrusted_certificate"


class ProxyRefuses(NoWay):
    """The proxy on the way wants a login, or does not let us through."""

    code = "proxy_refuses"


class Redirected(NoWay):
    """A redirect in the place of an answer: a wrong base URL, a login, or maintenance."""

    code = "redirected"


class Interrupted(CallFailed):
    """The request was sent and the answer did not come whole: it may have been done and billed."""

    code = "interrupted"
    ambiguous = True
    alive = False


class TimedOut(Interrupted):
    """No answer, or no further byte of it, in time."""

    code = "timeout"


class NotAnAnswer(CallFailed):
    """A 200 that is no complete answer. The gateway bills such attempts, mostly."""

    code = "invalid_response"


class CutAnswer(NotAnAnswer):
    """An answer that stops before its end though the connection closed in order."""

    code = "incomplete_response"
    ambiguous = True


class UpstreamAccount(CallFailed):
    """The upstream's key is bad or its account empty; another channel may serve."""

    code = "upstream_account"
    scope: ClassVar[Scope] = "model"
    before_work = True


class UnknownModel(CallFailed):
    """This key may not call this model: wrong key group, or a typing error."""

    code = "model_not_found"
    scope: ClassVar[Scope] = "model"
    before_work = True


class BadKey(CallFailed):
    """The gateway refuses the key: bad, expired, exhausted, banned or pinned."""

    code = "bad_key"
    scope: ClassVar[Scope] = "key"
    before_work = True


class WrongUrl(CallFailed):
    """The address answers, but not as the gateway's API: redirects, or no such route."""

    code = "wrong_base_url"
    scope: ClassVar[Scope] = "key"
    before_work = True


class NoMoney(CallFailed):
    """The account is empty. With requests in flight it may only be reserved up."""

    code = "no_money"
    scope: ClassVar[Scope] = "account"
    before_work = True


class TaskLate(CallFailed):
    """A task did not end in time. Nothing is lost: a retry goes on waiting for it."""

    code = "task_late"


class OutcomeUnknown(CallFailed):
    """Paid work whose end nobody can know: after a crash or an ambiguous failure of a submit."""

    code = "outcome_unknown"
    ambiguous = True


class Halted(BatchError):
    """The line was not sent, or not to its end, because the run is ending: it stays pending."""


class Blocked(Halted):
    """The line was not sent because its key, its model or its account is hopeless for now."""
