import hashlib

import msgspec
import pytest

from batch import checkpoint
from batch.checkpoint import CHECKSUM, Position
from batch.errors import CannotWrite
from batch.ledger.entries import Entry
from batch.ledger.state import History
from batch.records import Answer
from batch.usage import Meter, Usage
from tests.ledger.kit import PATHS, RUN, billed, disk, entry, part, said, wrote
from tests.ledger.kit import answered as an_answer
from tests.ledger.kit import failed as a_failure
from tests.ledger.memory_files import MemoryFiles, taking
from tests.virtual import run

PATH = "/out/checkpoint"
WHERE = {"results": Position((0, 7), 4096), "errors": Position(None, 0)}


@pytest.fixture
def files():
    return MemoryFiles("/out")


@pytest.fixture(scope="module")
def history():
    """Return a history with something in each of its fields."""
    units = [
        an_answer(1),
        an_answer(9000),
        an_answer(11, outcome=Answer(b'"a"', None, "stop", Usage({Meter.INPUT: 3}, "flex"))),
        a_failure(2),
        a_failure(2),
        billed(3),
        part(3, 0, 1),
        entry("intent", 3, 2, part=1),
        entry("task", 3, 2, part=1, state={"id": "t", "tries": 2, "none": None}),
        Entry(kind="settings", run={"identity": {"model": None, "votes": 3}}),
    ]
    return run(wrote(disk(), *units))


def stored(files, history, run_id=RUN):
    checkpoint.save(files, PATH, checkpoint.encode(run_id, history, WHERE))
    return files.content(PATH)


def test_everything_a_history_says_comes_back(files, history):
    stored(files, history)

    loaded = checkpoint.load(files, PATH)

    assert said(loaded.history) == said(history)
    assert loaded.positions == WHERE


def test_an_empty_history_comes_back(files):
    stored(files, History())

    assert said(checkpoint.load(files, PATH).history) == said(History())


def test_a_history_that_came_back_goes_on_like_the_one_that_was_saved(files, history):
    stored(files, history)
    loaded = checkpoint.load(files, PATH).history
    again = checkpoint.load(files, PATH).history

    for one in (loaded, again):
        one.note_entry(billed(3, 5))
        one.note_entry(part(3, 1, 6))

    assert said(loaded) == said(again) != said(history)
    assert loaded.open[3].attempts == 6


def test_where_none_is_there_is_none(files):
    assert checkpoint.load(files, PATH) is None


def test_not_one_bit_of_it_may_differ(files, history):
    data = stored(files, history)

    for at in range(len(data)):
        files.put(PATH, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert checkpoint.load(files, PATH) is None


def test_no_part_of_it_is_believed(files, history):
    data = stored(files, history)

    for length in range(len(data)):
        files.put(PATH, data[:length])
        assert checkpoint.load(files, PATH) is None
    files.put(PATH, data + b"\0")
    assert checkpoint.load(files, PATH) is None


@pytest.mark.parametrize("change", [{"version": 1}, {"sums": "other"}, {"positions": None}])
def test_one_of_another_version_or_shape_is_passed_over_though_its_sum_is_right(
    files, history, change
):
    body = msgspec.msgpack.decode(stored(files, history)[CHECKSUM:]) | change
    data = msgspec.msgpack.encode(body)
    files.put(PATH, hashlib.blake2b(data, digest_size=CHECKSUM).digest() + data)

    assert checkpoint.load(files, PATH) is None


def test_one_that_cannot_be_read_is_passed_over(tmp_path):
    from batch.files import OsFiles  # noqa: PLC0415 - only here a real one is needed

    (tmp_path / "checkpoint").mkdir()

    assert checkpoint.load(OsFiles(), str(tmp_path / "checkpoint")) is None


@pytest.mark.parametrize("choice", range(8))
def test_a_power_loss_while_it_is_saved_leaves_the_old_one_the_new_one_or_none(
    files, history, choice
):
    stored(files, History())
    files.put(PATH, files.content(PATH))
    left = []

    def unplug(*_):
        after = files.unplugged(taking(choice))
        left.append(checkpoint.load(after, PATH))

    files.before = unplug
    stored(files, history)
    unplug()

    known = [said(History()), said(history)]
    assert all(one is None or said(one.history) in known for one in left)


def test_ten_million_lines_take_two_bits_each():
    history = History()
    history.answered.add(10_000_000)
    history.failed.add(10_000_000)

    assert len(checkpoint.encode(RUN, history, {})) < 2 * 10_000_000 / 8 * 9 / 8 + 1000


def test_a_full_disk_is_raised_and_leaves_the_old_one(files, history):
    old = stored(files, History())
    files.free = 10

    with pytest.raises(OSError, match="No space left"):
        stored(files, history)

    assert files.content(PATH) == old
    assert files.open_descriptors() == 0


def test_a_run_goes_on_without_its_whole_cache():
    files = disk()
    run(wrote(files, an_answer(1), a_failure(2)))
    for path in [path for path in files.names if path.startswith(PATHS.cache)]:
        files.remove(path)
    files.folders.discard(PATHS.cache)

    try:
        known = run(wrote(files, an_answer(3)))
    except CannotWrite:
        pytest.fail("the cache can be deleted at any time")

    assert known.answered.count == 2
    assert files.length(PATHS.checkpoint)
