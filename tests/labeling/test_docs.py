"""Every command of docs/labeling.md runs, on the files that are there, without a key."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from batch.cli import answer
from batch.cli.caller import Caller

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "labeling.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", "").splitlines()
]


def test_the_commands_of_the_page_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "jobs", "jobs")

    codes = [answer([*shlex.split(line)[1:], "-q"], Caller()) for line in COMMANDS]

    assert codes == [0, 0, 3, 0]  # the third one demands more than the mock is good for
    assert Path("score.html").is_file()
