"""What docs/network.md shows is so, and its commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from batch.cli import answer
from batch.cli.caller import Caller
from batch.settings.keyring import GATEWAY

DOC = (Path(__file__).parents[1] / "docs" / "network.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", DOC, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_command_that_is_shown_runs_and_says_what_is_shown(
    block: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}

    for line in block.splitlines():
        command, _, shown = line.partition(" # ")
        first, *rest = shlex.split(command)
        if first == "export":
            name, _, value = rest[0].partition("=")
            environ[name] = value
            continue
        assert answer(rest, Caller(None, environ)) == 0, line
        out = " ".join(capsys.readouterr().out.split())
        assert " ".join(shown.split()) in out


def test_each_variable_and_flag_is_described() -> None:
    assert len(BLOCKS) == 2
    names = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "--proxy", "WBATCH_PROXY")
    for name in (*names, "--ca-bundle", "SSL_CERT_FILE", "SSL_CERT_DIR", "--allow-http"):
        assert name in DOC
    assert GATEWAY.partition("://")[2] in DOC
