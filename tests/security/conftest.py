"""A desk for every test that wants one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.desk import Desk


@pytest.fixture
def desk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Desk:
    """Return a desk in a folder of its own."""
    return Desk(tmp_path, monkeypatch, capsys, caplog)
