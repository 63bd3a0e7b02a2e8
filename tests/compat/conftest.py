"""A mock gateway that knows one key, as a process, and the SDKs that have it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.compat.sdks import Sdks, sdks_at

KEY = "sk-compat"


@pytest.fixture(scope="session")
def gateway() -> Iterator[str]:
    """Serve, and return where."""
    command = [sys.executable, "-m", "batch", "mock", "--port", "0", "--key", KEY]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            told = process.stderr.readline()
            found = re.search(r"http://\S+:\d+", told)
            assert found, told + process.stderr.read()
            yield found[0]
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def sdks(gateway: str) -> Iterator[Sdks]:
    """Return clients with the key."""
    clients = sdks_at(gateway, KEY)
    yield clients
    clients.close()
