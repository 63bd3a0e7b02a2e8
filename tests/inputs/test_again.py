import gzip
import os

import pytest

from batch.errors import BadData, NoInput
from batch.inputs import again
from batch.inputs.again import GAP_BYTES, SPAN_BYTES, Again, Spot, read_spots
from batch.inputs.sources import open_inputs


class Disk:
    """Some files, and what was read of them."""

    def __init__(self, *files: bytes) -> None:
        self.files = files
        self.reads: list[Spot] = []

    def read_at(self, place: int, offset: int, size: int) -> bytes:
        self.reads.append(Spot(place, offset, size))
        return self.files[place][offset : offset + size]


DATA = bytes(range(256)) * 16_384  # 4 MiB
LINE = 1000


@pytest.mark.parametrize(
    ("spots", "reads"),
    [
        pytest.param([(0, 0, 10)], 1, id="one"),
        pytest.param([(0, 0, 10), (0, 11, 10), (0, 22, 10)], 1, id="neighbours"),
        pytest.param([(0, 0, 10), (0, 10 + GAP_BYTES, 10)], 1, id="a small gap"),
        pytest.param([(0, 0, 10), (0, 11 + GAP_BYTES, 10)], 2, id="a large gap"),
        pytest.param([(0, 0, 10), (1, 11, 10)], 2, id="two files"),
        pytest.param([(0, 50, 10), (0, 0, 10)], 2, id="backwards"),
        pytest.param([(0, 0, 2 * SPAN_BYTES)], 1, id="a long line"),
        pytest.param([(0, 0, SPAN_BYTES), (0, SPAN_BYTES, 10)], 2, id="more than one span"),
        pytest.param([], 0, id="none"),
    ],
)
def test_spots_are_read_together_where_they_are_close(spots, reads):
    disk = Disk(DATA, DATA[::-1])

    found = list(read_spots([Spot(*spot) for spot in spots], disk.read_at))

    assert found == [disk.files[place][at : at + size] for place, at, size in spots]
    assert len(disk.reads) == reads


def test_every_line_of_a_stretch_costs_about_one_more_reading_of_it():
    spots = [Spot(0, at, LINE - 1) for at in range(0, len(DATA) - LINE, LINE)]
    disk = Disk(DATA)

    list(read_spots(spots, disk.read_at))

    assert sum(read.size for read in disk.reads) <= len(DATA)
    assert len(disk.reads) <= len(DATA) // SPAN_BYTES + 1


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "plain.jsonl").write_bytes(b'{"a":1}\n{"a":2}\n')
    (tmp_path / "packed.gz").write_bytes(gzip.compress(b'{"a":3}\n'))
    paths = [str(tmp_path / name) for name in ("plain.jsonl", "packed.gz")]
    return open_inputs(paths, str(tmp_path / "spool")).sources


def test_only_what_is_not_packed_can_be_read_from_the_middle(sources):
    assert [Again(sources).can(place) for place in (-1, 0, 1, 2)] == [False, True, False, False]


def test_a_file_is_read_where_a_line_stands(sources):
    reader = Again(sources)

    assert reader.read_at(0, 8, 7) == b'{"a":2}'
    assert reader.read_at(0, 8, 100) == b'{"a":2}\n'
    reader.close()


def test_a_file_that_was_replaced_before_it_was_opened_is_refused(tmp_path, sources):
    (tmp_path / "new").write_bytes(b'{"a":1}\n{"a":2}\n')
    (tmp_path / "new").replace(tmp_path / "plain.jsonl")

    with pytest.raises(BadData, match="replaced or cut"):
        Again(sources).read_at(0, 8, 7)


def test_a_file_that_is_gone_is_named(tmp_path, sources):
    (tmp_path / "plain.jsonl").unlink()

    with pytest.raises(NoInput, match=r"plain\.jsonl: cannot be read: No such file"):
        Again(sources).read_at(0, 8, 7)


def test_a_file_that_is_open_is_read_on_though_its_name_leads_elsewhere(tmp_path, sources):
    reader = Again(sources)
    reader.read_at(0, 0, 7)

    (tmp_path / "plain.jsonl").unlink()

    assert reader.read_at(0, 8, 7) == b'{"a":2}'
    reader.close()


def test_of_hundreds_of_files_only_a_few_are_open(tmp_path):
    # Given
    many = 3 * again.OPEN_AT_ONCE
    paths = [tmp_path / f"{n}.jsonl" for n in range(many)]
    for n, path in enumerate(paths):
        path.write_bytes(b'{"a":%d}\n' % n)
    reader = Again(open_inputs([str(path) for path in paths], str(tmp_path / "spool")).sources)
    before = open_descriptors()

    # When
    found = [reader.read_at(place, 0, 100) for place in (*range(many), *range(many))]

    # Then
    assert found == [b'{"a":%d}\n' % n for n in range(many)] * 2
    assert open_descriptors() - before == again.OPEN_AT_ONCE
    reader.close()
    assert open_descriptors() == before


def open_descriptors():
    """Return how many files this process has open."""
    return len(os.listdir("/dev/fd"))
