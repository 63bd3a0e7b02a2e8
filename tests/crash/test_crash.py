"""No crash of a drawn story breaks a promise, and a disk that breaks a rule is found out."""

from __future__ import annotations

import pytest

from tests.crash.broken import Broken
from tests.crash.explore import Explorer, explore
from tests.crash.story import drawn
from tests.ledger.memory_files import MemoryFiles

SEEDS = range(20)
IMAGES = 2_000  # of each seed: 40,000 in all


@pytest.mark.parametrize("seed", SEEDS)
def test_no_crash_breaks_a_promise(seed: int) -> None:
    count = explore(seed, IMAGES)

    assert count.images >= IMAGES
    assert count.ended
    assert count.again


def test_a_seed_is_explored_in_the_same_way_each_time() -> None:
    assert explore(1, 300) == explore(1, 300)


class NoSync(MemoryFiles):
    """Says that data is on stable storage, and it is not."""

    def sync(self, fd: int) -> None:
        pass


class NoFolderSync(MemoryFiles):
    """Says that names are on stable storage, and they are not."""

    def sync_folder(self, path: str) -> None:
        pass


class NoTruncate(MemoryFiles):
    """Says that a tail was cut, and it was not."""

    def truncate(self, fd: int, length: int) -> None:
        pass


class TornReplace(MemoryFiles):
    """Replaces a file in two steps."""

    def replace(self, old: str, new: str) -> None:
        if old in self.names:
            self.remove(new)
        super().replace(old, new)


@pytest.mark.parametrize("rule", [NoSync, NoFolderSync, NoTruncate, TornReplace])
def test_a_file_system_that_breaks_a_rule_is_found_out(rule: type[MemoryFiles]) -> None:
    with pytest.raises(Broken):
        Explorer(drawn(9), 2_000, rule).run()
