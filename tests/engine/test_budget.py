"""What is promised of a budget, for whole runs in virtual time against a gateway that bills."""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
import pytest

from batch.budget import Budget
from batch.errors import Interrupted, Refused, TaskFailed, Throttled, Unreachable
from batch.files import OsFiles
from batch.gate.purse import FIRST, Purse
from batch.halt import Halt
from batch.ledger.book import Book
from batch.ledger.recover import recover
from batch.ledger.reserves import Reserves
from batch.pricing import Price, PriceBook, Rate
from batch.records import Answer, Call, Done, Owed, Reply, Request, Row, State, Step
from batch.secret import Secret
from batch.tariff import Tariff
from batch.usage import Meter, Usage
from tests.rig import Crashed, Rig, Scripted, json_reply, rows
from tests.toys.formats import TaskToy, Toy, read, tokens

READ: Final = Decimal("0.001")
WROTE: Final = Decimal("0.002")
BOOK: Final = PriceBook(
    own=(("toy", Price({Meter.INPUT: Rate(READ), Meter.OUTPUT: Rate(WROTE)}, "test")),)
)
MOST: Final = 30  # tokens out


class Bounded(Toy):
    """A toy that says what it can use at most."""

    def bound(self, request: Request) -> Usage | None:
        return Usage({Meter.INPUT: len(request.body), Meter.OUTPUT: MOST})


class BoundedTask(TaskToy):
    """The same for tasks."""

    def bound(self, request: Request) -> Usage | None:
        return Usage({Meter.INPUT: 10, Meter.OUTPUT: MOST})

    def next(self, request: Request, state: State | None, reply: Reply) -> Step:
        body = read(reply)
        if "say" in body:
            return Done(Answer(orjson.dumps(body), body["say"], "stop", tokens(body)))
        return self.resume(request, {"id": body["id"]})


class Biller:
    """A gateway that bills what it does, also where the answer never arrives."""

    def __init__(self, seed: int, faults: bool = True) -> None:
        self.billed = Decimal(0)
        self.dice = random.Random(seed)
        self.faults = faults

    def __call__(self, call: Call) -> Reply:
        assert isinstance(call.payload, bytes)
        fate = self.dice.random() if self.faults else 1.0
        if fate < 0.03:
            raise Throttled("not so fast", status=429)
        if fate < 0.06:
            raise Refused("not that", status=400)
        used = {"in": self.dice.randint(1, len(call.payload)), "out": self.dice.randint(10, MOST)}
        self.billed += used["in"] * READ + used["out"] * WROTE
        if fate < 0.12:
            raise Interrupted("cut off")
        return json_reply({"say": "yes", **used})


class Stops:
    """Who is told that a run ends."""

    def __init__(self) -> None:
        self.reasons: dict[int, str] = {}
        self.made = 0

    def purse(self, most: Decimal | None, requests: int | None = None) -> object:
        """Return what makes a purse for each session over the same ledger."""

        def make(book: Book, halt: Halt) -> Purse:
            self.made += 1
            session = f"session-{self.made}"
            totals = book.history.totals.sum()
            spent = READ * (totals["input_tokens"] or 0) + WROTE * (totals["output_tokens"] or 0)
            lost = sum(
                (Decimal(amount) for amount, _ in book.history.reserved.values()), Decimal(0)
            )

            def stop(code: int, reason: str) -> None:
                self.reasons[code] = reason
                halt.request(reason)

            tariff = Tariff(BOOK, {"toy": Bounded(), "task": BoundedTask()}, 0.0)
            to_come = sum(one.owed is not None for one in book.history.open.values())
            self.budget = Budget(most, requests, spent, lost, to_come)
            word = Reserves(book, session, BOOK.currency)
            money = (tariff, word) if most is not None else (None, None)
            purse = Purse(self.budget, *money, stop)
            book.on_safe = purse.saved
            return purse

        return make


def rig(folder: Path, stops: Stops, most: Decimal | None, requests: int | None = None) -> Rig:
    made = Rig(folder, Bounded(), concurrency=8)
    made.purse = stops.purse(most, requests)  # type: ignore[assignment]
    return made


@pytest.mark.parametrize("seed", range(10))
def test_a_budget_is_never_passed_and_used_up_to_one_request(tmp_path: Path, seed: int) -> None:
    most, worst = Decimal(3), 20 * READ + MOST * WROTE
    stops, biller = Stops(), Biller(seed)

    rig(tmp_path, stops, most).session(rows(500, "toy"), Scripted(biller))

    assert "--max-cost" in stops.reasons[4]
    assert biller.billed <= most
    assert stops.budget.gone > most - worst


@pytest.mark.parametrize("seed", range(20))
def test_a_budget_holds_over_crashes_and_every_session_that_follows(
    tmp_path: Path, seed: int
) -> None:
    most = Decimal(20)
    stops, biller, dice = Stops(), Biller(seed), random.Random(seed)
    made = rig(tmp_path, stops, most)

    crashes = 0
    for _ in range(4):
        looks = iter(range(dice.randint(1, 40)))
        crash = functools.partial(lambda left: next(left, None) is None, looks)
        try:
            made.session(rows(2000, "toy"), Scripted(biller), crash=crash)
        except Crashed:
            crashes += 1
    made.session(rows(2000, "toy"), Scripted(biller))

    assert crashes
    assert 4 in stops.reasons
    assert Decimal(12) < biller.billed <= most


@pytest.mark.parametrize("seed", range(5))
def test_what_was_answered_and_is_not_on_disk_yet_counts_as_spent_after_a_crash(
    tmp_path: Path, seed: int
) -> None:
    # Given: answers that cost all they may, and a disk that takes as long as several of them
    class Dear(Biller):
        def __call__(self, call: Call) -> Reply:
            assert isinstance(call.payload, bytes)
            used = {"in": len(call.payload), "out": MOST}
            self.billed += used["in"] * READ + used["out"] * WROTE
            return json_reply({"say": "yes", **used})

    stops, biller, dice = Stops(), Dear(seed), random.Random(seed)
    made = rig(tmp_path, stops, Decimal(30))
    made.stall = 0.05

    # When: it is killed again and again
    for _ in range(6):
        looks = iter(range(dice.randint(20, 60)))
        crash = functools.partial(lambda left: next(left, None) is None, looks)
        with pytest.raises(Crashed):
            made.session(rows(2000, "toy"), Scripted(biller), crash=crash)
        # Then: the books know of all that was billed
        book = Book(OsFiles(), made.paths, "20261122T020000Z-abcdef", 8)
        book.begin(recover(OsFiles(), made.paths), {"inputs": [], "identity": {}})
        stops.purse(Decimal(30))(book, Halt())  # type: ignore[operator]
        book.release()
        assert biller.billed <= stops.budget.gone


def on_record(made: Rig) -> dict[str, Decimal]:
    """Return what the journal says may be lost, by session."""
    found = recover(OsFiles(), made.paths)
    assert found is not None
    return {at: Decimal(amount) for at, (amount, _) in found.history.reserved.items()}


@pytest.mark.parametrize("faults", [False, True])
def test_a_session_that_ends_leaves_on_record_only_what_nobody_knows(
    tmp_path: Path, faults: bool
) -> None:
    stops = Stops()

    made = rig(tmp_path, stops, Decimal(100))
    made.session(rows(200, "toy"), Scripted(Biller(1, faults=faults)))

    assert on_record(made) == {"session-1": stops.budget.doubtful}
    assert (stops.budget.doubtful > 0) == faults


def test_tasks_that_go_on_in_the_next_session_are_paid_once_in_its_budget(tmp_path: Path) -> None:
    # Given: eight tasks that each may cost half of what they will, stopped while they go on
    stops, halt = Stops(), Halt()
    made = Rig(tmp_path, BoundedTask(), concurrency=8)
    made.purse = stops.purse(Decimal(2))  # type: ignore[assignment]

    def never_done(call: Call) -> Reply:
        if call.kind == "poll":
            halt.request("stopped by hand")
        assert call.kind == "poll" or isinstance(call.payload, bytes)
        return json_reply({"id": 1})

    def done(call: Call) -> Reply:
        assert call.kind == "poll"
        return json_reply({"say": "done", "in": 5, "out": 15})

    made.session(rows(8, "task"), Scripted(never_done), halt=halt)
    between = on_record(made)

    # When: the next one goes on with them
    made.session(rows(8, "task"), Scripted(done))

    # Then: what they may cost stood on record meanwhile, and in the end they cost what they did
    assert between == {"session-1": 8 * FILM}
    assert on_record(made) == {"session-1": 0, "session-2": 0}
    assert stops.budget.spent == 8 * (5 * READ + 15 * WROTE)
    assert stops.budget.gone == stops.budget.spent


class Films:
    """A gateway that bills a film when it is submitted, all that it may cost."""

    def __init__(self, ends: str = "done") -> None:
        self.ends = ends
        self.billed = Decimal(0)
        self.tasks = 0

    def __call__(self, call: Call) -> Reply:
        if call.kind == "submit":
            self.tasks += 1
            self.billed += FILM
            return json_reply({"id": self.tasks})
        if self.ends == "failed":
            raise TaskFailed("the film failed")
        return json_reply({"say": "done", "in": 10, "out": MOST})


def left_behind(made: Rig, films: Films, lines: Sequence[Row]) -> None:
    """Have a session submit films, and end in order while they go on."""
    halt = Halt()

    def reply_to(call: Call) -> Reply:
        if call.kind == "submit":
            return films(call)
        halt.request("stopped by hand")
        return json_reply({"id": int(call.path.rpartition("/")[2])})

    made.session(lines, Scripted(reply_to), halt=halt)


FILM: Final = 10 * READ + MOST * WROTE
# What becomes of lines 1 to 4, whose films a session has left: the lines of the next one, and how
# their films end.
LATER: Final[dict[str, tuple[Callable[[list[Row]], list[Row]], str]]] = {
    "they are other lines now": (
        lambda lines: [msgspec.structs.replace(row, sum=row.sum + 1) for row in lines],
        "done",
    ),
    "they are gone": (lambda lines: lines[4:], "done"),
    "they come last": (lambda lines: [*lines[4:], *lines[:4]], "done"),
    "their films fail": (lambda lines: lines, "failed"),
}


@pytest.mark.parametrize("became", LATER)
def test_films_that_a_session_left_never_cost_more_than_the_budget(
    tmp_path: Path, became: str
) -> None:
    # Given: half of a budget is spent on films that go on when the session ends
    change, ends = LATER[became]
    lines, stops, films = rows(20, "task"), Stops(), Films(ends)
    made = Rig(tmp_path, BoundedTask(), concurrency=4)
    made.purse = stops.purse(8 * FILM)  # type: ignore[assignment]
    left_behind(made, films, lines[:4])

    # When: more is asked than can be paid, in as many sessions as it takes
    for _ in range(3):
        made.session(change(lines), Scripted(films))

    # Then: all of it is used, and no more
    assert films.billed == 8 * FILM
    assert 4 in stops.reasons


def test_lines_before_films_that_hold_all_the_money_keep_nobody_from_going_on_with_them(
    tmp_path: Path,
) -> None:
    # Given: films that have all of a budget kept back, and cost half of it in the end
    def cheap(call: Call) -> Reply:
        assert call.kind == "poll"
        return json_reply({"say": "done", "in": 5, "out": 15})

    lines, stops, films = rows(6, "task"), Stops(), Films()
    made = Rig(tmp_path, BoundedTask(), concurrency=1)
    made.purse = stops.purse(4 * FILM)  # type: ignore[assignment]
    left_behind(made, films, lines[2:])

    # When: lines that were not asked stand before them
    made.session(lines, Scripted(cheap))
    between, why = set(made.results()), dict(stops.reasons)
    made.session(lines, Scripted(films))

    # Then: these are passed over, the run says why it ends, and asks them the next time
    assert between == {3, 4, 5, 6}
    assert "--max-cost" in why[4]
    assert set(made.results()) == {1, 2, 3, 4, 5, 6}


def test_films_of_a_session_without_a_budget_are_on_record_once_one_with_it_goes_on(
    tmp_path: Path,
) -> None:
    lines, stops, films = rows(3, "task"), Stops(), Films()
    made = Rig(tmp_path, BoundedTask(), concurrency=4)
    left_behind(made, films, lines)
    made.purse = stops.purse(8 * FILM)  # type: ignore[assignment]

    left_behind(made, films, lines)
    between = on_record(made)
    made.session(lines, Scripted(films))

    assert between == {"session-1": 3 * FILM}
    assert on_record(made) == {"session-1": 0, "session-2": 0}
    assert stops.budget.gone == 3 * FILM == films.billed


def test_films_that_go_on_after_a_kill_are_taken_off_what_it_may_have_cost(tmp_path: Path) -> None:
    # Given: three of them are begun when it comes
    lines, stops, films = rows(3, "task"), Stops(), Films()
    made = Rig(tmp_path, BoundedTask(), concurrency=4)
    made.purse = stops.purse(8 * FILM)  # type: ignore[assignment]
    begun = Scripted(lambda call: films(call) if call.kind == "submit" else json_reply({"id": 1}))
    with pytest.raises(Crashed):
        made.session(lines, begun, crash=lambda: len(begun.calls) > 3)
    (after_kill,) = on_record(made).values()

    # When
    made.session(lines, Scripted(films))

    # Then
    assert on_record(made) == {"session-1": after_kill - 3 * FILM, "session-2": 0}
    assert stops.budget.spent == 3 * FILM == films.billed


def test_a_session_without_a_budget_leaves_what_films_are_owed_as_it_is(tmp_path: Path) -> None:
    lines, stops, films = rows(3, "task"), Stops(), Films()
    made = Rig(tmp_path, BoundedTask(), concurrency=4)
    with_budget, without = stops.purse(8 * FILM), made.purse
    made.purse = with_budget  # type: ignore[assignment]
    left_behind(made, films, lines)

    made.purse = without
    left_behind(made, films, lines)
    made.purse = with_budget  # type: ignore[assignment]
    made.session(lines, Scripted(films))

    assert on_record(made) == {"session-1": 0, "session-2": 0}
    assert stops.budget.gone == 3 * FILM == films.billed


def test_a_film_is_at_risk_with_all_it_may_cost_until_what_it_did_is_on_record() -> None:
    # Given: one that the journal names, so that whoever finds it there takes all that off
    async def main() -> None:
        request = Request((1,), ("a",), "task", "toy", b"{}")
        tariff = Tariff(BOOK, {"task": BoundedTask()}, 0.0)
        purse = Purse(Budget(Decimal(1), None), tariff, Unwritten())
        kept = await purse.reserve(request)
        purse.leaves(kept)
        purse.owed(kept)

        purse.answered(kept, request, Usage({Meter.INPUT: 5, Meter.OUTPUT: 5}))
        before = purse.at_risk
        purse.saved(1)

        assert (before, purse.at_risk) == (FILM, 0)
        assert purse.budget.gone == 5 * READ + 5 * WROTE

    asyncio.run(main())


def test_nothing_is_reserved_while_the_word_about_a_film_of_an_earlier_session_is_on_its_way() -> (
    None
):
    async def main() -> None:
        # Given: one that is at risk as soon as the disk has heard of it
        word = Slow()
        tariff = Tariff(BOOK, {"task": BoundedTask()}, 0.0)
        purse = Purse(Budget(Decimal(100), None), tariff, word)
        taken = asyncio.ensure_future(
            purse.take_over(Request((1,), ("a",), "task", "toy", b"{}"), None)
        )
        await asyncio.sleep(0)

        # When: another one is wanted meanwhile
        wanted = asyncio.ensure_future(purse.reserve(Request((2,), ("b",), "task", "toy", b"{}")))
        for _ in range(10):
            await asyncio.sleep(0)
        between = wanted.done()
        word.written.set()
        await asyncio.gather(taken, wanted)

        # Then: it waited, and the last word covers both
        assert not between
        assert word.said[-1] >= purse.at_risk == 2 * FILM
        assert word.said == sorted(word.said)

    asyncio.run(main())


class Unwritten:
    """A session's word that nobody keeps."""

    def owed(self, amount: Decimal) -> Owed:
        return Owed("now", str(amount), "USD")

    async def keep(self, amount: Decimal) -> None:
        pass

    def settle(self, owed: Owed) -> None:
        raise AssertionError("no earlier session has it at risk")


class Slow(Unwritten):
    """A session's word, on a disk that takes its time."""

    def __init__(self) -> None:
        self.said: list[Decimal] = []
        self.written = asyncio.Event()

    async def keep(self, amount: Decimal) -> None:
        self.said.append(amount)
        await self.written.wait()


class Cutter(Biller):
    """A gateway that cuts every answer: nobody but it knows what that cost."""

    def __call__(self, call: Call) -> Reply:
        raise Interrupted("cut off")


def test_more_and_more_at_risk_takes_a_few_entries_each_of_twice_as_much(tmp_path: Path) -> None:
    # Given: two hundred attempts of which nobody knows what they cost
    stops = Stops()
    made = rig(tmp_path, stops, Decimal(100))

    # When
    made.session(rows(100, "toy"), Scripted(Cutter(1)))

    # Then: requests waited for the disk a few times, and a kill would never have cost much more
    # than twice what it left in the dark
    *said, last = [Decimal(entry["amount"]) for entry in made.journal("reserved")]
    worst = said[0] / FIRST
    assert last == stops.budget.doubtful > 190 * (worst - READ)
    assert len(said) <= 6
    for before, after in itertools.pairwise(said):
        assert 2 * before < after <= 2 * before + 4 * worst


def test_a_request_without_a_bound_stops_the_run_before_it_is_sent(tmp_path: Path) -> None:
    class Boundless(Bounded):
        def bound(self, request: Request) -> Usage | None:
            return None

    stops, gateway = Stops(), Scripted(Biller(1))
    made = Rig(tmp_path, Toy(), concurrency=8)

    def purse(book: Book, halt: Halt) -> Purse:
        def stop(code: int, reason: str) -> None:
            stops.reasons[code] = reason
            halt.request(reason)

        tariff = Tariff(BOOK, {"toy": Boundless()}, 0.0)
        return Purse(Budget(Decimal(1), None), tariff, stop=stop)

    made.purse = purse
    made.session(rows(10, "toy"), gateway)

    assert gateway.calls == []
    assert "max_tokens" in stops.reasons[78]
    assert made.results() == made.errors() == {}


def test_no_more_requests_leave_than_were_allowed_retries_among_them(tmp_path: Path) -> None:
    stops, gateway = Stops(), Scripted(Biller(3))

    rig(tmp_path, stops, None, 137).session(rows(500, "toy"), gateway)

    assert len(gateway.calls) == 137
    assert stops.reasons == {4: "--max-requests 137 are sent"}


class Unsteady(Scripted):
    """A gateway of which every second call finds no connection."""

    async def send(self, call: Call, secret: Secret | None, *more: Any) -> Reply:
        self.keys.append(secret)
        if len(self.keys) % 2:
            raise Unreachable("no connection")
        return await super().send(call, secret, *more)


def test_only_requests_that_left_count_as_sent(tmp_path: Path) -> None:
    stops, gateway = Stops(), Unsteady(Biller(3))

    rig(tmp_path, stops, None, 20).session(rows(500, "toy"), gateway)

    assert len(gateway.calls) == 20
    assert len(gateway.keys) >= 40
    assert stops.reasons == {4: "--max-requests 20 are sent"}


def test_the_tasks_of_the_last_requests_that_were_allowed_are_waited_for(tmp_path: Path) -> None:
    # Given: two films, of which the first takes longer
    stops, asked = Stops(), Counter[int]()

    def reply_to(call: Call) -> Reply:
        if call.kind == "submit":
            assert isinstance(call.payload, bytes)
            return json_reply({"id": orjson.loads(call.payload)["line"]})
        number = int(call.path.rpartition("/")[2])
        asked[number] += 1
        done = number > 1 or asked[number] == 3
        return json_reply({"id": number} | ({"say": "done", "in": 5, "out": 5} if done else {}))

    made = Rig(tmp_path, BoundedTask(), concurrency=8)
    made.purse = stops.purse(None, 2)  # type: ignore[assignment]

    made.session(rows(5, "task"), Scripted(reply_to))

    assert len(made.results()) == 2
    assert stops.reasons == {4: "--max-requests 2 are sent"}


def test_the_money_of_a_task_is_kept_back_until_it_is_done(tmp_path: Path) -> None:
    # Given: tasks of which one may be paid at a time
    stops = Stops()
    under_way = most_under_way = 0

    def reply_to(call: Call) -> Reply:
        nonlocal under_way, most_under_way
        if call.kind == "submit":
            under_way += 1
            most_under_way = max(most_under_way, under_way)
            assert isinstance(call.payload, bytes)
            return json_reply({"id": orjson.loads(call.payload)["line"]})
        if call.kind == "poll":
            under_way -= 1
            return json_reply({"id": 1, "say": "done", "in": 5, "out": 5})
        raise AssertionError("nothing is fetched")

    made = Rig(tmp_path, BoundedTask(), concurrency=8)
    made.purse = stops.purse(Decimal("0.1"))  # type: ignore[assignment]

    made.session(rows(3, "task"), Scripted(reply_to))

    assert most_under_way == 1


def test_who_waits_for_money_is_sent_away_when_the_run_is_stopped() -> None:
    async def main() -> None:
        purse = Purse(Budget(Decimal(1), None), Tariff(BOOK, {"toy": Bounded()}, 0.0))
        request = Request((1,), ("a",), "toy", "toy", b"x" * 900)
        await purse.reserve(request)
        waiting = asyncio.create_task(purse.reserve(request))
        await asyncio.sleep(0)

        purse.halt()

        with pytest.raises(Exception, match="ending"):
            await waiting

    asyncio.run(main())
