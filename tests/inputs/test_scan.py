import os
from array import array

import pytest

from batch.errors import BadData, CannotWrite
from batch.inputs.repeats import Repeats
from batch.inputs.scan import Census, scan
from batch.inputs.sources import open_inputs

SMALL = 16 * 64  # room for so few ids that buckets reach the disk


def inputs(folder, *files):
    paths = []
    for place, lines in enumerate(files, 1):
        path = folder / f"in-{place}.jsonl"
        path.write_bytes(b"\n".join(lines))
        paths.append(str(path))
    return open_inputs(paths, str(folder / "spool"))


def ids(*custom_ids):
    return [b'{"custom_id":"%s","body":{}}' % str(one).encode() for one in custom_ids]


def test_the_census_counts_what_asks_something(tmp_path):
    given = inputs(tmp_path, [b"{}", b"", b'{"a":1}\r'], [b" ", b"{broke", b""])

    census = scan(given, str(tmp_path))

    assert census == Census(lines=3, bytes=2 + 7 + 6)


def test_inputs_without_lines_have_an_empty_census(tmp_path):
    assert scan(inputs(tmp_path, [], [b"", b" "]), str(tmp_path)) == Census(0, 0)


def test_every_line_is_shown_once_in_order(tmp_path):
    seen = []

    scan(inputs(tmp_path, ids("a", "b"), [b"{broken"]), str(tmp_path), [seen.append])

    assert [(line.ordinal, line.number) for line in seen] == [(1, 1), (2, 2), (3, 1)]


@pytest.mark.parametrize("room", [SMALL, 4 * 1024 * 1024], ids=["on disk", "in memory"])
@pytest.mark.parametrize("later", [1, 5, 40, 299], ids=lambda place: f"{place} lines later")
def test_a_repeated_id_is_refused_with_both_its_lines(tmp_path, room, later):
    # Given
    names = [f"row-{number}" for number in range(400)]
    names[100 + later] = names[100]

    # When
    with pytest.raises(BadData) as refusal:
        scan(inputs(tmp_path, ids(*names)), str(tmp_path / "cache"), (), room)

    # Then
    message = str(refusal.value)
    assert f'in-1.jsonl:{101 + later}: custom_id "row-100" already stands on' in message
    assert message.split("already stands on")[1].split(".jsonl")[1].startswith(":101.")
    assert not (tmp_path / "cache" / "ids").exists()


def test_a_repeat_is_found_across_files_and_between_text_and_number(tmp_path):
    with pytest.raises(BadData, match=r"in-2\.jsonl:1: .*in-1\.jsonl:2"):
        scan(inputs(tmp_path, ids("a", "7"), [b'{"custom_id": 7}']), str(tmp_path))


@pytest.mark.parametrize("first", [b'"a"', b"7"])
def test_a_repeat_is_found_under_another_vendors_name_for_ids(tmp_path, first):
    line = b'{"key":%b,"request":{"contents":[]}}' % first

    with pytest.raises(BadData, match=r"jsonl:2: .*already stands on .*jsonl:1"):
        scan(inputs(tmp_path, [line, line]), str(tmp_path))


def test_another_vendors_name_for_ids_says_nothing_beside_no_body_of_its(tmp_path):
    lines = [b'{"key":"a"}', b'{"key":"a"}', b'{"key":"a","request":"x"}'] * 2

    assert scan(inputs(tmp_path, lines), str(tmp_path)).lines == 6


def test_the_first_of_several_repeats_is_named(tmp_path):
    names = [*range(50), 30, *range(50)]

    with pytest.raises(BadData, match=r'jsonl:51: custom_id "30"'):
        scan(inputs(tmp_path, ids(*names)), str(tmp_path))


def test_one_id_on_every_line_is_refused_before_the_rest_is_read(tmp_path):
    seen = []

    with pytest.raises(BadData, match="already stands"):
        scan(inputs(tmp_path, ids(*["same"] * 5000)), str(tmp_path), [seen.append], SMALL)

    assert len(seen) == 64


@pytest.mark.parametrize("room", [SMALL, 4 * 1024 * 1024], ids=["on disk", "in memory"])
def test_different_ids_pass_and_leave_nothing_behind(tmp_path, room):
    cache = tmp_path / "cache"
    cache.mkdir()

    census = scan(inputs(tmp_path, ids(*range(600))), str(cache), (), room)

    assert census.lines == 600
    assert os.listdir(cache) == []


def test_lines_without_a_usable_id_are_never_repeats(tmp_path):
    lines = [
        b"{}", b"{}", b"broken", b"broken", b'{"custom_id":null}', b'{"custom_id":null}',
        b'{"custom_id":""}', b'{"custom_id":""}', b'{"custom_id":1.5}', b'{"custom_id":1.5}',
        b"[" * 2000, b"[" * 2000, b'{"custom_id":"' + b"x" * 600 + b'"}',
        b'{"custom_id":"' + b"x" * 600 + b'"}',
    ]  # fmt: skip

    assert scan(inputs(tmp_path, lines), str(tmp_path)).lines == len(lines)


def test_an_id_in_a_message_is_short_and_printable(tmp_path):
    line = b'{"custom_id":"\\u0000\\u001b[31m' + b"x" * 300 + b'"}'

    with pytest.raises(BadData) as refusal:
        scan(inputs(tmp_path, [line, line]), str(tmp_path))

    shown = str(refusal.value).split('"')[1]
    assert shown.startswith("\\x00\\x1b[31mxxx")
    assert len(shown) < 100
    assert str(refusal.value).isprintable()


def test_what_a_killed_run_left_behind_is_not_counted(tmp_path):
    (tmp_path / "ids").mkdir()
    for bucket in range(256):
        (tmp_path / "ids" / f"{bucket:02x}").write_bytes(array("q", [5, 1000, 5, 2000]).tobytes())

    assert scan(inputs(tmp_path, ids(*range(100))), str(tmp_path), (), SMALL).lines == 100


def test_no_room_on_disk_is_a_refusal(tmp_path):
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")

    with pytest.raises(CannotWrite, match="cannot compare"):
        scan(inputs(tmp_path, ids(*range(100))), str(tmp_path / "cache"), (), SMALL)


def test_few_descriptors_are_enough_for_all_buckets(tmp_path):
    before = len(os.listdir("/proc/self/fd"))

    with Repeats(str(tmp_path), 16 * 512) as repeats:
        for ordinal in range(2000):
            repeats.add(f"id-{ordinal}", ordinal)
        during = len(os.listdir("/proc/self/fd"))
        on_disk = sum(file.stat().st_size for file in (tmp_path / "ids").iterdir())

        assert repeats.suspects() == []
    assert during == before
    assert on_disk == 16 * 512 * 3
