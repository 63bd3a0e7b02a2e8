import json
import signal
import socket
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.proofs.processes import (
    background,
    finish,
    gateway,
    heeding,
    lines_of,
    settled,
    wait_until,
    write_prompts,
)
from tests.proofs.signals import Scale, prove

LINES = 32
AT_ONCE = 8
SOON, LATER, LATE = 300, 600, 60_000  # milliseconds to an answer
STOPPED = 2.5  # seconds
DRAINING = "waiting up to"


@pytest.fixture(autouse=True)
def _heeded_signals():
    with heeding():
        yield


@pytest.fixture
def folder(tmp_path):
    write_prompts(tmp_path / "in.jsonl", {n: f"Line {n}" for n in range(1, LINES + 1)})
    settled(tmp_path)
    return tmp_path


def command(mock):
    plain = ("--config", "settings.toml")
    return ("run", "in.jsonl", "-o", "out.jsonl", "-c", AT_ONCE, "--base-url", mock.url, *plain)


@contextmanager
def running(folder, mock):
    """A run with as many requests under way as are allowed; killed if it is still there."""
    with background(folder, *command(mock)) as process:
        wait_until(lambda: mock.counts()["in_flight"] == AT_ONCE, "requests are under way")
        yield process


def said(folder):
    return (folder / "said.txt").read_text()


def recorded(folder):
    """The lines of the results; each must stand there once."""
    lines = [record["x_run"]["line"] for record in lines_of(folder / "out.jsonl")]
    assert len(set(lines)) == len(lines)
    return set(lines)


def assert_the_same_command_completes(folder, mock):
    code, words = finish(folder, *command(mock))
    assert code == 0, words
    assert recorded(folder) == set(range(1, LINES + 1))


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
    ids=lambda value: getattr(value, "name", value),
)
def test_one_signal_keeps_the_answers_under_way_and_sends_no_more(folder, number, code):
    with gateway(folder, "--latency", SOON) as mock:
        with running(folder, mock) as process:
            process.send_signal(number)

            assert process.wait() == code
        assert DRAINING in said(folder)
        rows = mock.rows()
        assert all(row["delivered"] for row in rows)
        assert len(recorded(folder)) == len(rows) < LINES

        assert_the_same_command_completes(folder, mock)
        # Nothing was asked twice.
        assert len(mock.rows()) == LINES


def test_a_second_signal_leaves_at_once(folder):
    with gateway(folder, "--latency", LATE) as mock, running(folder, mock) as process:
        process.send_signal(signal.SIGINT)
        wait_until(lambda: DRAINING in said(folder), "the first signal is heeded")
        process.send_signal(signal.SIGINT)

        assert process.wait() == 130
        counts = mock.counts()
        assert counts["in_flight"] == AT_ONCE, "it has waited for the answers"
        assert recorded(folder) == set()

    with gateway(folder, ledger=False) as mock:
        assert_the_same_command_completes(folder, mock)


@contextmanager
def never_shaking_hands():
    """A server that takes connections and says nothing; yields its port, and who has them told."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        server.setblocking(False)
        taken = []

        def callers():
            with suppress(BlockingIOError):
                while True:
                    taken.append(stack.enter_context(server.accept()[0]))
            return taken

        yield server.getsockname()[1], callers


def test_a_second_signal_leaves_no_picture_in_doubt_that_was_not_sent_yet(folder):
    with (folder / "in.jsonl").open("w") as file:
        for n in range(LINES):
            body = {"model": "gpt-image-1", "prompt": f"Line {n}"}
            url = "/v1/images/generations"
            print(json.dumps({"custom_id": f"{n}", "url": url, "body": body}), file=file)
    journal = folder / "out.run" / "journal.jsonl"
    with never_shaking_hands() as (port, callers), gateway(folder) as mock:
        barred = (*command(mock), "--base-url", f"https://127.0.0.1:{port}")
        with background(folder, *barred) as process:
            wait_until(callers, "a connection stands")
            process.send_signal(signal.SIGINT)
            wait_until(lambda: DRAINING in said(folder), "the first signal is heeded")
            process.send_signal(signal.SIGINT)

            assert process.wait() == 130
        kinds = [entry["kind"] for entry in lines_of(journal)]
        assert kinds.count("intent") == kinds.count("void") > 0

        assert_the_same_command_completes(folder, mock)
        assert len(mock.rows()) == LINES


def test_a_second_run_on_the_same_output_is_turned_away_and_disturbs_nothing(folder):
    with gateway(folder, "--latency", LATER) as mock:
        with running(folder, mock) as process:
            process.send_signal(signal.SIGSTOP)  # else it might have ended by then
            code, words = finish(folder, *command(mock))
            process.send_signal(signal.SIGCONT)

            assert code == 75, words
            assert f"pid {process.pid} " in words
            assert process.wait() == 0, said(folder)
        assert recorded(folder) == set(range(1, LINES + 1))
        assert len(mock.rows()) == LINES


def test_a_process_that_was_stopped_for_longer_than_its_timeouts_answers_each_line_once(folder):
    with gateway(folder, "--latency", SOON) as mock:
        timeouts = ("--timeout", 2, "--idle-timeout", 1)
        with background(folder, *command(mock), *timeouts) as process:
            wait_until(lambda: mock.counts()["in_flight"] == AT_ONCE, "requests are under way")
            process.send_signal(signal.SIGSTOP)
            wait_until(lambda: not mock.counts()["in_flight"], "the gateway has answered")
            time.sleep(STOPPED)
            process.send_signal(signal.SIGCONT)

            assert process.wait() == 0, said(folder)
        assert recorded(folder) == set(range(1, LINES + 1))
        # What was under way is asked again, once, where its time had run out meanwhile.
        assert len(mock.rows()) <= LINES + AT_ONCE


def test_any_signal_at_any_moment_loses_no_line_and_repeats_only_what_a_kill_caught():
    report, ways, _ = prove(Scale(lines=1000, kills=14, concurrency=16, seed=4))

    print(report, ways)
    assert report.results + report.errors == report.scale.lines
