"""A mock gateway that knows one key, as a process, and the SDKs that have it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compat.sdks import Sdks, sdks_at
from tests.pages import serving

KEY = "sk-compat"


@pytest.fixture(scope="session")
def gateway() -> Iterator[str]:
    """Serve, and return where."""
    with serving("--key", KEY) as url:
        yield url


@pytest.fixture(scope="session")
def sdks(gateway: str) -> Iterator[Sdks]:
    """Return clients with the key."""
    clients = sdks_at(gateway, KEY)
    yield clients
    clients.close()
