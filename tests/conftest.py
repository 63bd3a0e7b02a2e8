"""What every test stands in: no settings of the person who runs it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from batch.signals import restored


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


@pytest.fixture(autouse=True)
def _ctrl_c_means_the_same_after_each_test() -> Iterator[None]:
    """Put back what a run leaves: that Ctrl-C says nothing any more, which a command undoes."""
    with restored():
        yield
