"""What a run says before it spends anything, and asks where a person sits at a terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.proofs.processes import Gateway, gateway, lines_of, wbatch

SECONDS = 60  # only a failure takes so long
PRICES = '[prices.models."gpt-4o-mini"]\ninput_per_mtok = 1000\noutput_per_mtok = 1000\n'
DEAR = ("--prices", "prices.toml")  # a line of 500 tokens may cost more than 0.50


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway")) as one:
        yield one


class Desk:
    """A folder with inputs, and a gateway that costs nothing but looks like a real one."""

    def __init__(self, folder: Path, served: Gateway) -> None:
        self.folder = folder
        self._served = served
        self._before = served.counts()["arrived"]
        (folder / "prices.toml").write_text(PRICES)

    def write(self, lines: int, **body: Any) -> None:
        asked = {"messages": [{"role": "user", "content": "hello"}], **body}
        asked.setdefault("model", "gpt-4o-mini")
        with (self.folder / "in.jsonl").open("wb") as file:
            for number in range(lines):
                file.write(orjson.dumps({"custom_id": f"r{number}", "body": asked}) + b"\n")

    @property
    def sent(self) -> int:
        return int(self._served.counts()["arrived"] - self._before)

    @property
    def left(self) -> set[str]:
        """Return what there is beside the inputs."""
        return {one.name for one in self.folder.iterdir()} - {"in.jsonl", "prices.toml"}

    def piped(self, *more: str) -> tuple[int, str]:
        """Run as from cron: no terminal anywhere."""
        process = self._start(*more, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=SECONDS)
        return process.returncode, said.decode()

    def at_terminal(self, *more: str, says: bytes = b"", verb: str = "run") -> tuple[int, str]:
        """Run at a terminal where somebody types as soon as something is asked."""
        keyboard, screen = pty.openpty()
        at = {"stdin": screen, "stderr": screen, "start_new_session": True}
        process = self._start(*more, verb=verb, **at)
        os.close(screen)
        try:
            return _watched(process, keyboard, says)
        finally:
            process.kill()
            process.wait()
            os.close(keyboard)

    def _start(self, *more: str, verb: str = "run", **streams: Any) -> subprocess.Popen[bytes]:
        where = ("--base-url", self._served.url, "--config", "/dev/null")
        what = ("in.jsonl", "-o", "out.jsonl") if verb == "run" else ("out.jsonl",)
        command = (verb, *what, *where, *more)
        return wbatch(self.folder, *command, stdout=subprocess.DEVNULL, **streams)


def _watched(process: subprocess.Popen[bytes], keyboard: int, says: bytes) -> tuple[int, str]:
    shown, until = b"", time.monotonic() + SECONDS
    while time.monotonic() < until:
        if not select.select([keyboard], [], [], 0.2)[0]:
            continue
        try:
            more = os.read(keyboard, 65536)
        except OSError:  # the process has ended, and nobody else has the screen
            break
        shown += more
        if says and shown.rstrip().endswith(b"[y/N]"):
            os.write(keyboard, says)
            says = b""
    return process.wait(timeout=SECONDS), shown.decode(errors="replace").replace("\r\n", "\n")


@pytest.fixture
def desk(tmp_path: Path, served: Gateway) -> Desk:
    return Desk(tmp_path, served)


@pytest.mark.parametrize("says", [b"n\n", b"\x04", b"\xff\n"], ids=repr)
def test_whoever_does_not_say_yes_has_sent_nothing_and_left_nothing(
    desk: Desk, says: bytes
) -> None:
    desk.write(20, max_tokens=500)

    code, shown = desk.at_terminal(*DEAR, says=says)

    assert code == 2
    assert "likely 5.70, at most 11.74 USD" in shown
    assert "Go on? [y/N]" in shown
    assert "nothing was sent" in shown
    assert (desk.sent, desk.left) == (0, set())


def test_whoever_says_yes_has_it_sent(desk: Desk) -> None:
    desk.write(20, max_tokens=500)

    code, shown = desk.at_terminal(*DEAR, says=b"y\n")

    assert code == 0
    assert shown.index("20 lines, 20 to ask") < shown.index("at most") < shown.index("Go on?")
    assert desk.sent == 20


@pytest.mark.parametrize(
    ("why", "flags"),
    [
        ("the flag says yes", (*DEAR, "-y")),
        ("it costs less than is asked about", (*DEAR, "--confirm-above", "50")),
        ("a rehearsal is free", (*DEAR, "--mock")),
    ],
)
def test_at_a_terminal_nothing_is_asked_where(desk: Desk, why: str, flags: tuple[str, ...]) -> None:
    desk.write(20, max_tokens=500)

    code, shown = desk.at_terminal(*flags)

    assert code == 0, why
    assert "Go on?" not in shown


def test_without_a_terminal_it_is_said_and_never_asked(desk: Desk) -> None:
    desk.write(20, max_tokens=500)

    code, said = desk.piped(*DEAR, "--rpm", "6000", "--max-requests", "50")

    assert code == 0
    limits = "nothing else was said; -c N changes it), 6,000 requests a minute, --max-requests 50"
    assert limits in said
    assert "about 20 requests to gpt-4o-mini: likely 5.70, at most 11.74 USD" in said
    assert "Go on?" not in said
    assert desk.sent == 20


@pytest.mark.parametrize("how", ["-q", "--mock"])
def test_prices_that_cannot_be_read_are_no_matter_of_what_is_said(desk: Desk, how: str) -> None:
    desk.write(1)

    code, said = desk.piped("--prices", "mistyped.toml", how)

    assert code == 78
    assert "cannot read the settings in mistyped.toml" in said
    assert desk.sent == 0
    assert not desk.left


def test_a_quiet_run_says_nothing_and_asks_in_full_where_somebody_sits(desk: Desk) -> None:
    desk.write(20, max_tokens=500)

    code, shown = desk.at_terminal(*DEAR, "-q", says=b"n\n")

    assert code == 2
    assert shown.startswith("20 lines, likely 5.70, at most 11.74 USD. Go on? [y/N]")

    code, said = desk.piped(*DEAR, "-q")

    assert (code, said) == (0, "")


def test_many_lines_in_the_dark_are_asked_about(desk: Desk) -> None:
    desk.write(1001, max_tokens=9, model="of-nobody")

    code, shown = desk.at_terminal(says=b"n\n")

    assert code == 2
    assert "no price is known of of-nobody" in shown
    assert "Go on?" in shown


def test_a_run_whose_lines_set_no_bound_says_so_and_how_to(desk: Desk) -> None:
    desk.write(3)

    _, said = desk.piped("-m", "gpt-4o-mini")

    assert (
        "3 lines set no bound on their output (max_tokens): give each body one, or rows and "
        "prompts --param max_tokens=500" in said
    )


def test_a_new_run_that_is_declined_leaves_the_old_output_in_its_place(desk: Desk) -> None:
    desk.write(20, max_tokens=500)
    assert desk.piped(*DEAR)[0] == 0
    before = (desk.folder / "out.jsonl").read_bytes()

    code, shown = desk.at_terminal(*DEAR, "--new-run", says=b"n\n")

    assert code == 2
    assert "Go on?" in shown
    assert desk.left == {"out.jsonl", "out.run"}
    assert (desk.folder / "out.jsonl").read_bytes() == before


def test_a_run_that_goes_on_asks_about_what_is_left_by_its_own_answers(desk: Desk) -> None:
    desk.write(400, max_tokens=500)
    assert desk.piped(*DEAR, "--head", "20")[0] == 0
    used = [one["x_run"]["usage"] for one in lines_of(desk.folder / "out.jsonl")]
    each = sum(one["input_tokens"] + one["output_tokens"] for one in used) / len(used)

    code, shown = desk.at_terminal(*DEAR, says=b"n\n")

    assert code == 2
    assert "400 lines, 380 to ask" in shown
    assert f"likely {380 * each / 1000:,.2f}, at most 223.06 USD" in shown
    assert len(lines_of(desk.folder / "out.jsonl")) == 20


def test_a_retry_asks_like_a_run(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    desk.write(3, max_tokens=500)
    with gateway(tmp_path_factory.mktemp("failing"), "--fail", "empty-choices=100%") as failing:
        assert Desk(desk.folder, failing).piped(*DEAR, "-c", "3")[0] == 3

    no, shown = desk.at_terminal(*DEAR, "--confirm-above", "1", says=b"n\n", verb="retry")

    assert no == 2
    assert "3 lines, 3 to ask" in shown
    assert "Go on? [y/N]" in shown
    assert desk.sent == 0

    yes, shown = desk.at_terminal(*DEAR, "--confirm-above", "1", "-y", verb="retry")

    assert yes == 0
    assert "Go on?" not in shown
    assert desk.sent == 3
