"""Every moment of a story at which it can be crashed, every way that can go, and again after that.

A seed draws a story. It is run once, and its disk is looked at before each operation, and twice
within each write. What a kill or a power loss may leave there is an image. Each image is checked;
during the mending of some the power goes again; from some the story goes on to its end; and some
are what another round begins with, so that crashes follow crashes wherever they can.

Images are counted once: two that differ only in what no process reads are one.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Final

import msgspec

from tests.crash.gateway import Books
from tests.crash.known import Known
from tests.crash.oracle import (
    Image,
    Oracle,
    check_counted_once,
    check_end,
    check_to_the_end,
    mend,
    run_process,
    transient,
)
from tests.crash.process import PARENT, Process
from tests.crash.story import Story, drawn
from tests.ledger.memory_files import MemoryFiles, taking

ENDED_EVERY: Final = 100  # images, one of which is gone on with to the end
MENDED_EVERY: Final = 5  # images, one of which is crashed again at each operation of its mending
KEPT: Final = 300  # images that another round may begin with
DRAWN: Final = 4  # ways of each power loss beside the regular ones


class Count(msgspec.Struct):
    """What was looked at."""

    images: int = 0  # distinct
    moments: int = 0
    rounds: int = 0
    ended: int = 0  # images from which the story went on to its end
    again: int = 0  # distinct images of a crash during a mending

    def __add__(self, other: Count) -> Count:
        mine, others = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Count(*map(sum, zip(mine, others, strict=True)))


def explore(seed: int, most: int) -> Count:
    """Check so many distinct images of a seed's story. Raises ``Broken``."""
    explorer = Explorer(drawn(seed), most)
    explorer.run()
    return explorer.count


class Explorer:
    """Looks at one story."""

    def __init__(self, story: Story, most: int, disk: type[MemoryFiles] = MemoryFiles) -> None:
        self.count = Count()
        self._story = story
        self._most = most
        self._disk = disk
        self._oracle = Oracle(story)
        self._chance = random.Random(story.seed)
        self._seen: set[int] = set()
        self._looked: set[int] = set()  # moments
        self._checked: set[int] = set()  # images, and what is to be found in them
        self._later: list[Image] = []  # from which to go on

    def run(self) -> None:
        """Look until there is enough."""
        image = Image(self._disk(PARENT), Known(), Books(), 0)
        while self.count.images < self._most:
            moments = self._round(image)
            self._chance.shuffle(moments)  # so that a few images are of the whole story, too
            for moment in moments:
                self._look(moment)
                if self.count.images >= self._most:
                    return
            image = self._later[self._chance.randrange(len(self._later))]

    def _round(self, begin: Image) -> list[Image]:
        """Run the story from an image to its end, and return every moment of it."""
        files, books, known = begin.files.killed(), begin.books.copy(), begin.known
        moments: list[Image] = []
        code = 0
        for step in range(begin.step, len(self._story.commands)):
            process = Process(files, self._story, step, known, books)
            with watched(files, process, books, moments):
                code = run_process(process)
            known = process.knows()
            moments.append(Image(files.killed(), known, books.copy(), step))
        self.count.rounds += 1
        self.count.moments += len(moments)
        check_end(files, self._story, books, code)
        if not begin.books.sessions:
            check_counted_once(files, books)
        return moments

    def _look(self, moment: Image) -> None:
        """Check every image of a moment that was not checked yet."""
        state = hash((moment.files.state(transient), moment.told()))
        if state in self._looked:
            return
        self._looked.add(state)
        for files in remains(moment.files, self._chance):
            image = moment._replace(files=files)
            if not self._is_new(image):
                continue
            self._oracle.check(image)
            number = len(self._checked)
            if number % MENDED_EVERY == 0:
                self._mend_and_crash(image)
            if number % ENDED_EVERY == 0:
                check_to_the_end(image, self._story)
                self.count.ended += 1
            self._keep(image)

    def _mend_and_crash(self, image: Image) -> None:
        """Crash at each operation of the mending, and check what is left."""
        files = image.files.killed()
        crashed: list[MemoryFiles] = []
        files.before = lambda operation, path, data: crashed.append(files.killed())
        mend(files, image, self._story)
        for one in crashed:
            for left in (one, *(one.unplugged(self._chance.choice) for _ in range(2))):
                again = image._replace(files=left)
                if self._is_new(again):
                    self._oracle.check(again)
                    self.count.again += 1

    def _keep(self, image: Image) -> None:
        """Keep some images to go on from, drawn from all."""
        if len(self._later) < KEPT:
            self._later.append(image)
        elif self._chance.random() < KEPT / self.count.images:
            self._later[self._chance.randrange(KEPT)] = image

    def _is_new(self, image: Image) -> bool:
        """Count an image unless it was there; return whether it is to be checked."""
        left = image.files.fingerprint(transient)
        if left not in self._seen:
            self._seen.add(left)
            self.count.images += 1
        key = hash((image.files.state(transient), image.told()))
        if key in self._checked:
            return False
        self._checked.add(key)
        return True


@contextlib.contextmanager
def watched(
    files: MemoryFiles, process: Process, books: Books, moments: list[Image]
) -> Iterator[None]:
    """Note every moment of a process: before each operation, and twice within each write."""

    def look(operation: str, path: str, data: bytes) -> None:
        now = Image(files.killed(), process.knows(), books.copy(), process.step)
        moments.append(now)
        if operation == "write" and not transient(path):
            for written in {len(data) // 2, len(data) - 1}:
                part = files.killed()
                part.names[path].data += data[:written]
                moments.append(now._replace(files=part))

    files.before = look
    try:
        yield
    finally:
        files.before = lambda operation, path, data: None


def remains(files: MemoryFiles, chance: random.Random) -> Iterator[MemoryFiles]:
    """Yield what a kill leaves, and what a power loss may leave."""
    yield files
    ways = files.unsafe(transient)
    if ways:
        for way in range(ways):
            yield files.unplugged(taking(way))
        for _ in range(DRAWN):
            yield files.unplugged(chance.choice)
