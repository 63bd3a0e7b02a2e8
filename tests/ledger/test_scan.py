import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.errors import BadData
from batch.ledger.entries import Mark, encode_entry, encode_error, encode_result
from batch.ledger.scan import (
    NEAR_END,
    PARSED_WHOLE,
    LogEnd,
    numbered,
    read_journal,
    read_records,
    records,
)
from batch.ledger.state import History
from batch.records import Answer, Fault
from tests.ledger.kit import RUN, answered, disk, entry, failed, members, pack

PATH = "/out/out.jsonl"


def on_disk(data):
    files = disk()
    files.put(PATH, data)
    return files


def lines_of(units, synced):
    return [b"".join(encode_result(one, RUN, synced) for one in unit) for unit in units]


def scanned(data, offset=0, size=None):
    """Scan results; return where their valid lines end, and the lines noted."""
    noted: list[Mark] = []
    end = read_records(
        on_disk(data), PATH, offset, len(data) if size is None else size, noted.extend
    )
    assert (end.path, end.size) == (PATH, len(data) if size is None else size)
    return end.keep, [mark.line for mark in noted]


# Two groups: the first was synced when the second was written.
SYNCED = lines_of([[answered(1)], pack(2, 2)], 0)
FIRST = b"".join(SYNCED)
UNSYNCED = lines_of([[answered(4)], pack(5, 3), [answered(8)]], len(FIRST))
WHOLE = FIRST + b"".join(UNSYNCED)
# After so many bytes, these lines are there.
ENDS = {0: []}
for unit, ordinals in zip(SYNCED + UNSYNCED, ([1], [2, 3], [4], [5, 6, 7], [8]), strict=True):
    ENDS[max(ENDS) + len(unit)] = ENDS[max(ENDS)] + ordinals
UNSYNCED_BYTE = st.integers(len(FIRST), len(WHOLE))


def expected(cut):
    """What a log says of which nothing after ``cut`` is good."""
    keep = max(end for end in ENDS if end <= cut)
    return keep, ENDS[keep]


def test_a_whole_log_is_read_to_its_end():
    assert scanned(WHOLE) == (len(WHOLE), [1, 2, 3, 4, 5, 6, 7, 8])


def test_an_empty_log_and_a_missing_one_say_nothing():
    assert scanned(b"") == (0, [])
    assert read_records(disk(), PATH, 0, 0, pytest.fail) == LogEnd(PATH, 0, 0)
    assert read_journal(disk(), PATH, 0, 0, pytest.fail) == LogEnd(PATH, 0, 0)


def test_a_torn_tail_is_cut_wherever_it_was_torn():
    for cut in range(len(WHOLE) + 1):
        assert scanned(WHOLE[:cut]) == expected(cut)


@settings(deadline=None)
@given(UNSYNCED_BYTE, st.integers(1, 3000))
def test_a_tail_of_zeros_is_cut(cut, zeros):
    assert scanned(WHOLE[:cut] + bytes(zeros)) == expected(cut)


@settings(deadline=None)
@given(UNSYNCED_BYTE, st.integers(1, 3000))
def test_a_hole_in_what_was_not_synced_is_cut_with_all_that_follows(start, length):
    end = min(start + length, len(WHOLE))
    holed = WHOLE[:start] + bytes(end - start) + WHOLE[end:]

    assert scanned(holed) == (expected(start) if end > start else scanned(WHOLE))


@settings(deadline=None)
@given(UNSYNCED_BYTE, st.binary(min_size=1, max_size=60))
def test_a_tail_of_anything_is_cut(cut, garbage):
    keep, lines = scanned(WHOLE[:cut] + garbage)

    assert keep >= expected(cut)[0]
    assert lines[: len(expected(cut)[1])] == expected(cut)[1]


@settings(deadline=None)
@given(st.integers(0, len(FIRST) - 1), st.integers(1, 3000))
def test_a_hole_in_what_was_synced_is_refused_as_damage(start, length):
    end = min(start + length, len(FIRST))
    damaged = WHOLE[:start] + bytes(end - start) + WHOLE[end:]

    with pytest.raises(BadData, match=f"damaged at byte {expected(start)[0]}: .*--new-run"):
        scanned(damaged)


@pytest.mark.parametrize("byte", [b"\n", b"x", b"\0"])
def test_no_changed_byte_in_what_was_synced_loses_a_line_unsaid(byte):
    for at in range(len(FIRST)):
        damaged = WHOLE[:at] + byte + WHOLE[at + 1 :]
        try:
            _, lines = scanned(damaged)
        except BadData:
            continue
        assert len(lines) == 8


def test_a_pack_that_is_not_all_there_is_cut_back_to_its_start():
    first, second, third = (encode_result(one, RUN, 0) for one in pack(2, 3))
    before = encode_result(answered(1), RUN, 0)

    assert scanned(before + first + second) == (len(before), [1])
    assert scanned(before + first + second + third[:-1]) == (len(before), [1])
    assert scanned(before + first + second + third)[1] == [1, 2, 3, 4]


def test_a_pack_that_is_not_all_there_in_the_middle_is_damage():
    first, *_ = (encode_result(one, RUN, 0) for one in pack(2, 3))
    later = encode_result(answered(9), RUN, synced=len(first))

    with pytest.raises(BadData, match="damaged at byte 0"):
        scanned(first + later)


def test_nothing_after_a_pack_that_is_not_all_there_is_noted():
    first, *_ = (encode_result(one, RUN, 0) for one in pack(2, 3))

    assert scanned(first + encode_result(answered(9), RUN, 0)) == (0, [])


def test_two_results_for_one_line_are_refused():
    line = encode_result(answered(7), RUN, 0)

    with pytest.raises(BadData, match=f"line 7 has two results .*byte {len(line)}"):
        read_records(on_disk(line + line), PATH, 0, 2 * len(line), History().note_results)


def test_the_second_result_of_a_line_is_found_where_it_stands_among_others():
    lines = [encode_result(answered(line), RUN, 0) for line in (5, 6, 7, 6, 8)]
    data, history = b"".join(lines), History()

    with pytest.raises(BadData, match=f"line 6 has two results .*byte {len(b''.join(lines[:3]))}"):
        read_records(on_disk(data), PATH, 0, len(data), history.note_results)

    assert members(history.answered) == {5, 6, 7}


def test_a_record_of_another_run_is_found_where_it_stands_among_others():
    lines = [encode_result(answered(line), RUN, 0) for line in (5, 6)]
    lines += [encode_result(answered(7), "another", 0), encode_result(answered(8), RUN, 0)]
    data, history = b"".join(lines), History()

    begins = len(b"".join(lines[:2]))
    with pytest.raises(BadData, match=f"line 7 at byte {begins} .*another, and this is {RUN}"):
        read_records(on_disk(data), PATH, 0, len(data), history.note_results, RUN)

    assert members(history.answered) == {5, 6}


@pytest.mark.parametrize("chunk", [1, 50, 700, 1500, 10**6])
def test_records_are_the_same_whatever_the_chunks(chunk):
    odd = encode_result(answered(9, model='","id":"batch_req_'), RUN, 0)
    files = on_disk(odd + WHOLE)
    files.chunk = chunk
    noted: list[Mark] = []

    end = read_records(files, PATH, 0, len(odd + WHOLE), noted.extend)
    places = list(records(files, PATH, 0, len(odd + WHOLE)))

    assert end.keep == len(odd + WHOLE)
    assert [mark.line for mark in noted] == [9, 1, 2, 3, 4, 5, 6, 7, 8]
    assert [mark for _, _, mark in places] == noted
    assert b"".join(line + b"\n" for _, line, _ in places) == odd + WHOLE
    assert all((odd + WHOLE)[at:].startswith(line) for at, line, _ in places)


def test_a_file_that_is_no_log_of_ours_says_nothing():
    assert scanned(b'{"custom_id":"a"}\n{"custom_id":"b"}\n') == (0, [])


def test_reading_goes_on_from_an_offset():
    assert scanned(WHOLE, offset=len(FIRST)) == (len(WHOLE), [4, 5, 6, 7, 8])


@pytest.mark.parametrize("size", range(len(FIRST), len(WHOLE), 97))
def test_what_another_process_adds_meanwhile_is_not_looked_at(size):
    assert scanned(WHOLE, size=size) == expected(size)


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000, 10**6])
def test_lines_are_found_whatever_the_chunks(chunk):
    files = on_disk(b"one\n\ntwo\nthree")
    files.chunk = chunk

    found = list(numbered(files, PATH, 0, 14))

    assert found == [(0, b"one", True), (4, b"", True), (5, b"two", True), (9, b"three", False)]


def test_a_body_as_deep_as_the_parser_goes_is_read_back():
    deep = b"[" * 1024 + b"]" * 1024
    answer = encode_result(answered(1, outcome=Answer(deep, None, "stop", None)), RUN, 0)
    error = encode_error(failed(2, outcome=Fault("refused", "no", 400, None, deep)), RUN, 0)

    assert scanned(answer + error) == (len(answer + error), [1, 2])


def test_near_the_end_a_line_is_parsed_whole_and_before_that_looked_at_for_holes():
    # Given a record whose body is broken in a way that no crash leaves
    broken = encode_result(answered(1), RUN, 0).replace(b'"said":1', b'"said":')
    large = Answer(b'"%s"' % (b"x" * PARSED_WHOLE), None, "stop", None)
    rest = encode_result(answered(2, outcome=large), RUN, 0)

    assert scanned(broken) == (0, [])
    assert scanned(broken + rest)[1] == [1, 2]
    assert scanned(broken.replace(b'"said":', bytes(7)) + rest) == (0, [])


def test_a_hole_is_seen_wherever_one_read_ends_and_the_next_begins():
    # Given a record with a hole in its body, which was synced, and is too far from the end to be
    # parsed whole
    said = encode_result(answered(1, outcome=Answer(b'"%s"' % (b"x" * 90), None, "", None)), RUN, 0)
    holed = said.replace(b"x" * 40, bytes(40), 1)
    large = Answer(b'"%s"' % (b"x" * NEAR_END), None, "stop", None)
    data = said + holed + encode_result(answered(2, outcome=large), RUN, 0)
    data += encode_result(answered(3), RUN, len(said + holed))
    hole = data.index(b"\0")

    for chunk in range(hole - 10, len(said + holed) + 10, 5):
        files = on_disk(data)
        files.chunk = chunk
        found = [at for at, _, _ in records(files, PATH, 0, len(data))]

        assert found == [0], chunk


def test_what_may_not_have_been_synced_is_parsed_whole_however_far_from_the_end_it_begins():
    # Given a group that is larger than what is parsed whole in any case
    def log(synced, count=12):
        large = Answer(b'"%s"' % (b"x" * (NEAR_END // 4)), None, "stop", None)
        lines = (answered(line, outcome=large) for line in range(2, 2 + count))
        return b"".join(encode_result(one, RUN, synced) for one in lines)

    broken = encode_result(answered(1), RUN, 0).replace(b'"said":1', b'"said":')

    assert scanned(broken + log(synced=0)) == (0, [])
    assert scanned(broken + log(synced=len(broken)))[1] == list(range(1, 14))


def test_errors_may_come_several_times_for_a_line():
    data = b"".join(encode_error(failed(3, attempts=n), RUN, 0) for n in (1, 2, 3))
    history = History()

    read_records(on_disk(data), PATH, 0, len(data), history.note_errors)

    assert members(history.failed) == {3}
    assert history.error_records == 3


JOURNAL = [encode_entry(entry("intent", line, synced=0)) for line in (1, 2)]
JOURNAL += [encode_entry(entry("intent", line, synced=len(b"".join(JOURNAL)))) for line in (3, 4)]


def journal(data):
    noted = []
    end = read_journal(on_disk(data), PATH, 0, len(data), noted.append)
    return end.keep, [one.line for one in noted]


def test_a_torn_journal_is_cut_wherever_it_was_torn():
    whole = b"".join(JOURNAL)
    ends = [sum(map(len, JOURNAL[:count])) for count in range(5)]

    for cut in range(len(whole) + 1):
        count = sum(end <= cut for end in ends) - 1
        for tail in (b"", bytes(40)):
            assert journal(whole[:cut] + tail) == (ends[count], [1, 2, 3, 4][:count])


def test_damage_in_what_was_synced_of_a_journal_is_refused():
    with pytest.raises(BadData, match="damaged at byte 0"):
        journal(b"x" + b"".join(JOURNAL))
    with pytest.raises(BadData, match=f"damaged at byte {len(JOURNAL[0])}"):
        journal(JOURNAL[0] + bytes(50) + b"".join(JOURNAL[1:]))


def test_a_hole_in_what_was_not_synced_of_a_journal_is_cut():
    whole = b"".join(JOURNAL)
    synced = len(b"".join(JOURNAL[:2]))

    assert journal(whole[:synced] + bytes(30) + whole[synced + 30 :]) == (synced, [1, 2])
