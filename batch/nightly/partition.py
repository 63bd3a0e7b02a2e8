"""Where the answers of a day are: while they are made, and once they are published."""

from __future__ import annotations

import os
from datetime import date

import msgspec

from batch.errors import BadConfig


class Partition(msgspec.Struct, frozen=True):
    """A day's folder, and the file for answers in it."""

    day: str
    folder: str
    file: str

    @property
    def parent(self) -> str:
        """The folder that holds the partitions."""
        return os.path.dirname(self.folder) or "."

    @property
    def name(self) -> str:
        """The name of the folder, in which the day stands."""
        return os.path.basename(self.folder)

    @property
    def partial_name(self) -> str:
        """Its name until it is published: of those that begin with a dot, which patterns skip."""
        return f".{self.name}.partial"

    @property
    def partial(self) -> str:
        """The folder in which the day is made: beside its place, for a rename to reach it."""
        return os.path.join(self.parent, self.partial_name)

    @property
    def lock(self) -> str:
        """Held by the process that makes the day; beside the folder, which changes its name."""
        return os.path.join(self.parent, f".{self.name}.lock")

    def precedes(self, name: str) -> bool:
        """Return whether a name is that of a later day's folder, and not of something else."""
        at = self.name.index(self.day)
        day = name[at : at + len(self.day)]
        try:
            later = date.fromisoformat(day) > date.fromisoformat(self.day)
        except ValueError:
            return False
        return later and name == self.name.replace(self.day, day)

    @property
    def output(self) -> str:
        """The answers, once they are published."""
        return os.path.join(self.folder, self.file)

    @property
    def building(self) -> str:
        """The answers until then."""
        return os.path.join(self.partial, self.file)


def partition_of(day: str | None, output: str) -> Partition:
    """Return the partition that an output stands in. Raises ``BadConfig`` if it is of no day."""
    folder, file = os.path.split(output)
    if day is None or day not in os.path.basename(folder) or not file:
        raise BadConfig(
            f"a nightly job publishes each day as a folder, and {output} is in none that is "
            'named after its day. Write output = "answers/{date}/answers.jsonl": {date} in the '
            "name of the last folder, and a file in it"
        )
    return Partition(day, folder, file)
