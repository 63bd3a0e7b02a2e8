"""What a shell completes: commands, flags, choices and paths, asked of the real program."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from batch.cli import COMMANDS, answer, wbatch
from batch.cli.caller import Caller
from batch.cli.completion import SHELLS

# Calls what the script defined as bash would, and says what came of it. compopt works only while
# bash itself completes.
ASKED = """
eval "$(wbatch completion bash)"
compopt() { echo "compopt $2"; }
read -ra COMP_WORDS <<< "$1"
[[ $1 == *' ' ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_wbatch_completion wbatch
printf '%s\\n' "${COMPREPLY[@]}"
"""
bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``wbatch`` is this one."""
    program = tmp_path / "bin" / "wbatch"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m batch "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(tmp_path), "PYTHONPATH": os.getcwd(), "TERM": "dumb"}


def completed(line: str, surroundings: dict[str, str]) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", ASKED, "bash", line],
        env=surroundings,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode().split("\n")[:-1]


@bash
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("wbatch re", ["report", "retry"]),
        ("wbatch run --progress ", ["auto", "bar", "none", "plain"]),
        ("wbatch --progress b", ["bar"]),
        ("wbatch -q run in.jsonl --max-inf", ["--max-inflight-bytes"]),
        ("wbatch run --par", ["--param"]),
        ("wbatch run in.jsonl --tie ", ["abstain", "first"]),
        ("wbatch report out.jsonl --format ", ["csv", "json", "md", "table"]),
        ("wbatch report out.jsonl --by day,mo", ["day,model", "day,month"]),
        ("wbatch config s", ["schema", "show"]),
        ("wbatch completion ", ["bash", "fish", "zsh"]),
        ("wbatch run --key nonsense --no-a", ["--no-add-usage"]),
    ],
)
def test_bash_completes_words(line: str, words: list[str], surroundings: dict[str, str]) -> None:
    assert sorted(completed(line, surroundings)) == words


@bash
@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("wbatch run ", "default"),
        ("wbatch run jobs/ni", "default"),
        ("wbatch run in.jsonl -o ", "default"),
        ("wbatch run in.jsonl --prompt ", "default"),
        ("wbatch config show ", "default"),
        ("wbatch export out.jsonl --prices ", "default"),
        ("wbatch init ", "dirnames"),
        ("wbatch run --allow-files ", "dirnames"),
    ],
)
def test_bash_is_left_to_complete_paths(line: str, what: str, surroundings: dict[str, str]) -> None:
    assert completed(line, surroundings) == [f"compopt {what}", ""]


@bash
def test_a_tab_in_a_real_bash_completes_a_command_and_a_job(surroundings: dict[str, str]) -> None:
    (Path(surroundings["HOME"]) / "reviews.toml").touch()
    typed = 'eval "$(wbatch completion bash)"; echo begun\n', "wbatch stat\t", "revi\t"

    shown = _typed(typed, surroundings, ("begun\r\n", "wbatch status ", "status reviews.toml"))

    assert "wbatch status reviews.toml" in shown


def _typed(keys: tuple[str, ...], surroundings: dict[str, str], until: tuple[str, ...]) -> str:
    """Type into a shell on a terminal; after each part wait until it shows what is expected."""
    ours, its = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "-i"],
        env={**surroundings, "PS1": "> "},
        cwd=surroundings["HOME"],
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    shown = ""
    try:
        for part, expected in zip(keys, until, strict=True):
            os.write(ours, part.encode())
            ends = time.monotonic() + 30
            while expected not in shown and time.monotonic() < ends:
                if select.select([ours], [], [], 1)[0]:
                    shown += os.read(ours, 4096).decode()
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
    return shown


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_name_of_stray_bytes_is_left_to_the_shell(
    shell: str, surroundings: dict[str, str]
) -> None:
    asked = {"_WBATCH_COMPLETE": f"{shell}_complete", "COMP_CWORD": "2"}
    words = {"COMP_WORDS": "wbatch run \udcff"}

    done = subprocess.run(
        [sys.executable, "-m", "batch"],
        env=surroundings | asked | words,
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"file")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_other_shells_are_ones_that_they_take(
    shell: str, surroundings: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["completion", shell], Caller()) == 0

    script = capsys.readouterr().out
    assert f"_WBATCH_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        syntax = ["-n", "-c"] if shell == "zsh" else ["--no-config", "--no-execute", "-c"]
        done = subprocess.run([shell, *syntax, script], capture_output=True, timeout=60, check=True)
        assert done.stderr == b""


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_words_and_paths(surroundings: dict[str, str]) -> None:
    (Path(surroundings["HOME"]) / "reviews.toml").touch()
    asked = ("wbatch stat", "wbatch run --progress ", "wbatch status revi")
    completions = (f'complete -C "{one}"' for one in asked)
    script = "; ".join(("wbatch completion fish | source", *completions))

    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env=surroundings,
        cwd=surroundings["HOME"],
        capture_output=True,
        timeout=60,
        check=True,
    )

    words = [line.partition("\t")[0] for line in done.stdout.decode().splitlines()]
    assert words == ["status", "auto", "bar", "none", "plain", "reviews.toml"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_told_of_flags_with_their_meaning(
    shell: str, surroundings: dict[str, str]
) -> None:
    asked = {
        "_WBATCH_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "wbatch run --rp",
        "COMP_CWORD": "--rp" if shell == "fish" else "2",
    }

    done = subprocess.run(
        ["wbatch"], env={**surroundings, **asked}, capture_output=True, timeout=60, check=True
    )

    assert b"--rpm" in done.stdout
    assert b"--rpm-bucket" in done.stdout
    assert b"--tpm" not in done.stdout


def test_every_path_that_a_command_takes_is_completed_as_one() -> None:
    group = click.Context(wbatch)
    for name in COMMANDS:
        command = wbatch.commands[name].make_context(name, [], group, resilient_parsing=True)
        for param in command.command.params:
            if re.search("FILE|DIR|OUT|PATH|INPUT|JOB", str(param.metavar)):
                items = param.shell_complete(command, "x")
                paths = [item.type for item in items if item.type in ("file", "dir")]
                assert paths or param.name == "endpoint", (name, param.name)


def test_completing_loads_neither_an_event_loop_nor_a_network(surroundings: dict[str, str]) -> None:
    code = (
        "import os, sys; sys.argv = ['wbatch']\n"
        "from batch.cli import main\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )

    for name in COMMANDS:
        asked = {"COMP_WORDS": f"wbatch {name} --", "COMP_CWORD": "2"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**surroundings, **asked, "_WBATCH_COMPLETE": "bash_complete"},
            capture_output=True,
            timeout=60,
            check=True,
        )
        loaded = set(done.stderr.decode().split())
        assert b"plain,--quiet" in done.stdout
        assert not loaded & {"asyncio", "aiohttp", "uvloop", "tqdm", "rich", "pygal"}, name
