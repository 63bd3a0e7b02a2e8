"""What a power loss may leave, and that a folder that is renamed goes as a whole."""

from __future__ import annotations

import pytest

from tests.ledger.memory_files import Inode, MemoryFiles, taking


def nothing(path: str) -> bool:
    return False


def made() -> MemoryFiles:
    """A folder with a file in it, on stable storage."""
    files = MemoryFiles("/days")
    files.make_folder("/days/.one")
    files.put("/days/.one/log", b"all\n")
    return files


def test_a_folder_takes_along_all_that_is_in_it() -> None:
    files = made()

    files.replace("/days/.one", "/days/one")

    assert files.content("/days/one/log") == b"all\n"
    assert not files.length("/days/.one/log")
    assert files.identity("/days/one")
    assert files.identity("/days/.one") is None


@pytest.mark.parametrize(("way", "place"), [(0, "/days/.one/log"), (1, "/days/one/log")])
def test_a_folder_has_its_old_or_its_new_name_until_that_is_synced(way: int, place: str) -> None:
    files = made()
    files.replace("/days/.one", "/days/one")

    left = files.unplugged(taking(way))

    assert list(left.names) == [place]
    assert files.unsafe(nothing) == 2


def test_a_folder_keeps_its_new_name_once_that_is_synced() -> None:
    files = made()
    files.replace("/days/.one", "/days/one")

    files.sync_folder("/days")

    assert list(files.unplugged(taking(0)).names) == ["/days/one/log"]
    assert files.unsafe(nothing) == 0


def test_a_folder_takes_no_place_that_holds_something() -> None:
    files = made()
    files.make_folder("/days/one")
    files.put("/days/one/log", b"other\n")

    with pytest.raises(OSError, match="not empty"):
        files.replace("/days/.one", "/days/one")


def test_what_does_not_exist_cannot_be_renamed() -> None:
    with pytest.raises(FileNotFoundError):
        made().replace("/days/none", "/days/one")


def test_of_a_tail_of_two_lines_either_may_be_all_that_is_left_and_either_a_hole() -> None:
    left = Inode(1, b"old\none\ntwo\n", b"old\n").remains()

    assert set(left) >= {
        b"old\n",
        b"old\none\n",
        b"old\n" + bytes(4) + b"two\n",
        b"old\none\n" + bytes(4),
        b"old\none\ntwo\n",
    }
    assert all(one.startswith(b"old\n") for one in left)


def test_what_is_skipped_tells_no_files_apart() -> None:
    files, other = made(), made()
    other.put("/days/.one/log.tmp", b"half")

    def half_made(path: str) -> bool:
        return path.endswith(".tmp")

    assert files.fingerprint(half_made) == other.fingerprint(half_made)
    assert files.fingerprint(nothing) != other.fingerprint(nothing)


def test_bytes_tell_files_apart_that_have_the_same_names() -> None:
    files, other = made(), made()
    other.put("/days/.one/log", b"ill\n")

    assert files.fingerprint(nothing) != other.fingerprint(nothing)
