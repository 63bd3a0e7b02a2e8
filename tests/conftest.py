"""What every test stands in: no settings of the person who runs it."""

from __future__ import annotations

import gc

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have several processes begin with what takes longest: none waits for it at the end."""
    if hasattr(config, "workerinput"):  # this process is one of them
        items.sort(key=lambda item: item.path.parent.name not in ("proofs", "sim"))


def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of each search for garbage: they stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield
