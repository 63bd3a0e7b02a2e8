"""What these tests have at hand: an input, gateways, and a run that a session left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.desk import Desk, left_by_a_session, write_input
from tests.proofs.processes import Gateway, gateway


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with an input."""
    write_input(tmp_path / "in.jsonl")
    return tmp_path


@pytest.fixture(scope="module")
def mock(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Run a gateway that answers after as many milliseconds as the module's LATENCY says."""
    flags = ("--latency", request.module.LATENCY)
    with gateway(tmp_path_factory.mktemp("gateway"), *flags, ledger=False) as mock:
        yield mock


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Return a run as a session left it, to be copied."""
    folder = tmp_path_factory.mktemp("runs")
    with gateway(folder, ledger=False) as mock:
        yield left_by_a_session(folder / "here", mock)
