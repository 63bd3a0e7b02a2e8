"""Where the files of a run are: the results where the user said, everything else in one folder."""

from __future__ import annotations

import os

import msgspec


class Paths(msgspec.Struct, frozen=True):
    """All files of the run whose results go to ``results``."""

    results: str

    @property
    def folder(self) -> str:
        """The folder beside the results."""
        return folder_of(self.results)

    @property
    def is_begun(self) -> bool:
        """Whether there is a run, be it finished or not."""
        return os.path.isfile(self.journal)

    @property
    def parent(self) -> str:
        """The folder that holds the results."""
        return os.path.dirname(self.results) or "."

    @property
    def errors(self) -> str:
        """Lines that ended without an answer."""
        return os.path.join(self.folder, "errors.jsonl")

    @property
    def journal(self) -> str:
        """Header, intents, task states, paid attempts that are no line's answer."""
        return os.path.join(self.folder, "journal.jsonl")

    @property
    def usage(self) -> str:
        """Usage totals."""
        return os.path.join(self.folder, "usage.jsonl")

    @property
    def manifest(self) -> str:
        """Manifest and summary."""
        return os.path.join(self.folder, "run.json")

    @property
    def live(self) -> str:
        """Live state."""
        return os.path.join(self.folder, "status.json")

    @property
    def files(self) -> str:
        """Images, audio, video."""
        return os.path.join(self.folder, "files")

    @property
    def prompts(self) -> str:
        """The templates that were asked, by their digests."""
        return os.path.join(self.folder, "prompts")

    @property
    def cache(self) -> str:
        """What can be deleted at any time."""
        return os.path.join(self.folder, "cache")

    @property
    def checkpoint(self) -> str:
        """Cache of what the logs say."""
        return os.path.join(self.cache, "checkpoint")

    @property
    def spool(self) -> str:
        """What came on stdin."""
        return os.path.join(self.cache, "stdin.jsonl")

    @property
    def lock(self) -> str:
        """Held by the process that writes."""
        return os.path.join(self.folder, "lock")


def paths_of(output: str) -> Paths:
    """Return where the files of a run are; a link is followed once, here."""
    return Paths(os.path.realpath(output))


def folder_of(results: str) -> str:
    """Return ``out.run`` for ``out.jsonl``."""
    return f"{results.removesuffix('.jsonl')}.run"


def results_of(said: str) -> str:
    """Return the results that are meant by the folder of a run; anything else as it was said."""
    stem = said.rstrip("/").removesuffix(".run")
    if stem == said.rstrip("/") or not Paths(f"{stem}.jsonl").is_begun:
        return said
    # Of a run whose results do not end with .jsonl the folder has the same name.
    return stem if os.path.isfile(stem) and not os.path.exists(f"{stem}.jsonl") else f"{stem}.jsonl"
