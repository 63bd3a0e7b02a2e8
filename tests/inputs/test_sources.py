import gzip
import os
import resource
import socket
import stat
import threading
from contextlib import suppress

import pytest

from batch.errors import BadData, BadUsage, CannotWrite, NoInput
from batch.inputs.settings import MAX_LINE_BYTES
from batch.inputs.sources import open_inputs

LINES = b'{"a":1}\n{"a":2}\n'
BIG = b"".join(b'{"a":%d,"b":"%x"}\n' % (n, n * 2654435761**3 % 2**61) for n in range(40_000))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(LINES)
    return tmp_path


def opened(folder, *names, cap=MAX_LINE_BYTES, stdin=0):
    paths = [name if name == "-" else str(folder / name) for name in names]
    return open_inputs(paths, str(folder / "cache" / "spool"), cap, stdin)


def texts(inputs):
    return [line.raw for line in inputs.lines()]


@pytest.fixture
def piped():
    """Return a descriptor that gives some bytes and then ends, as a pipe does."""
    ends = []

    def pipe(data):
        out, into = os.pipe()
        ends.append(out)

        def feed():
            with suppress(BrokenPipeError), os.fdopen(into, "wb", buffering=0) as file:
                file.write(data)

        threading.Thread(target=feed).start()
        return out

    yield pipe
    for end in ends:
        os.close(end)


def test_files_can_be_read_again_and_again(folder):
    (folder / "more.jsonl").write_bytes(b'{"a":3}')

    inputs = opened(folder, "in.jsonl", "more.jsonl")

    assert texts(inputs) == texts(inputs) == [b'{"a":1}', b'{"a":2}', b'{"a":3}']
    assert inputs.describe()[1]["path"] == str(folder / "more.jsonl")
    assert inputs.describe()[0] == {
        "path": str(folder / "in.jsonl"),
        "bytes": len(LINES),
        "format": "jsonl",
        "lines": "requests",
    }


def test_two_readers_at_once_do_not_disturb_each_other(folder):
    inputs = opened(folder, "in.jsonl")
    first, second = inputs.lines(), inputs.lines()

    assert next(first).ordinal == 1
    assert [line.ordinal for line in second] == [1, 2]
    assert next(first).ordinal == 2


def test_a_reader_that_is_left_early_keeps_nothing_open(folder):
    before = len(os.listdir("/proc/self/fd"))
    lines = opened(folder, "in.jsonl").lines()
    next(lines)

    del lines

    assert len(os.listdir("/proc/self/fd")) == before


def dangling(folder):
    (folder / "x").symlink_to(folder / "nowhere")


def loop(folder):
    (folder / "x").symlink_to(folder / "x")


def unix_socket(folder):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(folder / "x"))


@pytest.mark.parametrize(
    "make",
    [lambda folder: None, lambda folder: (folder / "x").mkdir(), dangling, loop, unix_socket],
    ids=["missing", "directory", "dangling link", "link loop", "socket"],
)
def test_what_is_no_file_is_refused(folder, make):
    make(folder)

    with pytest.raises(NoInput, match="x"):
        opened(folder, "in.jsonl", "x")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_refused(folder, device):
    with pytest.raises(NoInput, match="device"):
        open_inputs([device], str(folder / "spool"))


def test_a_path_with_nul_is_refused(folder):
    with pytest.raises(NoInput, match="NUL"):
        open_inputs(["a\x00b"], str(folder / "spool"))


def test_nothing_is_spooled_before_all_paths_are_known(folder, piped):
    with pytest.raises(NoInput, match="missing"):
        opened(folder, "-", "missing", stdin=piped(LINES))

    assert not (folder / "cache").exists()


@pytest.mark.parametrize("alias", ["in.jsonl", "./in.jsonl", "symbolic", "hard"])
def test_one_file_under_two_names_is_refused(folder, alias):
    (folder / "symbolic").symlink_to(folder / "in.jsonl")
    os.link(folder / "in.jsonl", folder / "hard")

    with pytest.raises(BadUsage, match="the same file"):
        opened(folder, "in.jsonl", alias)


def test_a_link_to_a_file_is_read(folder):
    (folder / "link").symlink_to(folder / "in.jsonl")

    assert texts(opened(folder, "link")) == [b'{"a":1}', b'{"a":2}']


def test_a_file_that_holds_no_prompts_is_refused(folder):
    (folder / "out.jsonl").write_bytes(b'{"custom_id":"a","response":{}}\n')

    with pytest.raises(BadData, match=r"out\.jsonl:1: this is the output of a batch"):
        opened(folder, "in.jsonl", "out.jsonl")


def test_standard_input_is_kept_privately_and_read_again(folder, piped):
    data = b'{"a":"' + b"x" * 300_000 + b'"}\n' + LINES

    inputs = opened(folder, "-", "in.jsonl", stdin=piped(data))

    assert [one["path"] for one in inputs.describe()] == ["-", str(folder / "in.jsonl")]
    assert [line.where for line in inputs.lines()][1] == "standard input:2"
    assert texts(inputs) == texts(inputs) == (data + LINES).splitlines()
    (copy,) = (folder / "cache").iterdir()
    assert copy.read_bytes() == data
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_packed_standard_input_is_unpacked(folder, piped):
    inputs = opened(folder, "-", stdin=piped(gzip.compress(LINES)))

    assert texts(inputs) == LINES.splitlines()
    assert inputs.describe() == [
        {"path": "-", "bytes": len(gzip.compress(LINES)), "format": "jsonl.gz", "lines": "requests"}
    ]


def test_an_old_spool_is_replaced_and_closed_to_others_once_nothing_stands_against_it(
    folder, piped
):
    old = folder / "cache" / "spool"
    old.parent.mkdir()
    old.write_bytes(b"old" * 1000)
    old.chmod(0o644)

    inputs = opened(folder, "-", stdin=piped(LINES))
    before = old.read_bytes()
    inputs = inputs.settled()

    assert before == b"old" * 1000
    assert texts(inputs) == LINES.splitlines()
    assert list(old.parent.iterdir()) == [old]
    assert (old.read_bytes(), stat.S_IMODE(old.stat().st_mode)) == (LINES, 0o600)


@pytest.mark.parametrize("name", ["spool", "spool.new"])
def test_a_spool_never_follows_a_link(folder, piped, name):
    (folder / "cache").mkdir()
    (folder / "cache" / name).symlink_to(folder / "in.jsonl")

    with suppress(CannotWrite):
        opened(folder, "-", stdin=piped(b'{"other":1}')).settled()

    assert (folder / "in.jsonl").read_bytes() == LINES


def test_a_stream_that_is_no_jsonl_leaves_no_copy(folder, piped):
    with pytest.raises(BadData, match="standard input is no JSONL"):
        opened(folder, "-", stdin=piped(b"hello\n"))

    assert list((folder / "cache").iterdir()) == []


def test_a_full_disk_is_a_refusal_that_leaves_no_copy(folder, piped):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    stdin = piped(LINES)

    # As large as files may be here.
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, before[1]))
    try:
        with pytest.raises(CannotWrite, match="space"):
            opened(folder, "-", stdin=stdin)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list((folder / "cache").iterdir()) == []


def test_standard_input_twice_is_refused(folder, piped):
    with pytest.raises(BadUsage, match="standard input"):
        opened(folder, "-", "-", stdin=piped(LINES))


def test_closed_standard_input_is_no_input(folder):
    out, into = os.pipe()
    os.close(into)
    os.close(out)

    with pytest.raises(NoInput, match="standard input"):
        opened(folder, "-", stdin=out)


def test_named_pipes_are_read_once_and_kept(folder):
    os.mkfifo(folder / "pipe")
    thread = threading.Thread(target=lambda: (folder / "pipe").write_bytes(LINES))
    thread.start()

    inputs = opened(folder, "in.jsonl", "pipe")

    thread.join()
    assert texts(inputs) == texts(inputs) == LINES.splitlines() * 2
    assert inputs.describe()[1]["path"] == str(folder / "pipe")


def test_each_stream_is_kept_by_itself(folder, piped):
    os.mkfifo(folder / "pipe")
    thread = threading.Thread(target=lambda: (folder / "pipe").write_bytes(b'{"a":3}'))
    thread.start()

    inputs = opened(folder, "-", "pipe", stdin=piped(LINES))

    thread.join()
    assert texts(inputs) == [*LINES.splitlines(), b'{"a":3}']


def packed(folder, data):
    (folder / "packed").write_bytes(data)  # no suffix: the first bytes tell
    return opened(folder, "packed")


def test_gzip_is_told_by_its_first_bytes(folder):
    inputs = packed(folder, gzip.compress(LINES))

    assert texts(inputs) == LINES.splitlines()
    assert inputs.describe()[0]["format"] == "jsonl.gz"


def test_a_gz_suffix_alone_means_nothing(folder):
    (folder / "plain.gz").write_bytes(LINES)

    assert texts(opened(folder, "plain.gz")) == LINES.splitlines()


def test_gzip_members_are_read_one_after_the_other(folder):
    data = gzip.compress(b'{"a":1}\n{"a"') + gzip.compress(b"") + gzip.compress(b":2}\n")

    assert texts(packed(folder, data)) == LINES.splitlines()


def test_an_empty_gzip_file_has_no_lines(folder):
    assert texts(packed(folder, gzip.compress(b""))) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(LINES)[:-9], "packed:[123]: the gzip data is cut short"),
        (gzip.compress(LINES)[:-1], "packed:3: the gzip data is cut short"),
        (gzip.compress(LINES) + b"garbage", "packed:3: .* something else follows"),
        (gzip.compress(BIG)[:40] + b"\xff" * 40_000, "packed:1: the gzip data is damaged"),
        (gzip.compress(LINES)[:-8] + b"\0" * 8, "packed:[123]: the gzip data is damaged"),
        (b"\x1f\x8b", "packed:1: the gzip data is cut short"),
        (b"\x1f\x8b\x01 not gzip at all", "packed:1: the gzip data is damaged"),
    ],
    ids=[
        "cut",
        "cut at the end",
        "garbage after",
        "bad stream",
        "bad sum",
        "magic only",
        "no gzip",
    ],
)
def test_damaged_gzip_is_refused_with_file_and_line(folder, data, words):
    with pytest.raises(BadData, match=words):
        packed(folder, data)


def test_gzip_that_is_cut_far_inside_is_refused_where_it_breaks(folder):
    inputs = packed(folder, gzip.compress(BIG)[:-50_000])

    with pytest.raises(BadData, match=r"packed:(\d+): ") as refusal:
        texts(inputs)

    reached = int(str(refusal.value).split("packed:")[1].split(":")[0])
    assert 30_000 < reached < 40_000


def test_a_gzip_bomb_is_one_line_over_the_cap(folder):
    bomb = gzip.compress(b"{" + b"0" * 29_999_999)

    (folder / "bomb").write_bytes(bomb)
    (line,) = opened(folder, "bomb", cap=1000).lines()

    assert (line.raw, line.size) == (None, 30_000_000)


def test_what_is_added_during_a_run_is_left_for_the_next(folder):
    inputs = opened(folder, "in.jsonl")
    with open(folder / "in.jsonl", "ab") as file:
        file.write(b'{"a":3}\n')

    assert texts(inputs) == LINES.splitlines()
    assert len(texts(opened(folder, "in.jsonl"))) == 3


def test_a_file_that_shrinks_during_a_run_is_refused(folder):
    inputs = opened(folder, "in.jsonl")
    os.truncate(folder / "in.jsonl", 9)

    with pytest.raises(BadData, match="replaced or cut"):
        texts(inputs)


def test_a_file_that_shrinks_while_it_is_read_is_refused(folder):
    (folder / "big.jsonl").write_bytes(BIG)
    lines = opened(folder, "big.jsonl").lines()
    next(lines)
    os.truncate(folder / "big.jsonl", 300_000)

    with pytest.raises(BadData, match=r"big\.jsonl:\d+: the file became shorter"):
        list(lines)


def test_a_file_that_is_replaced_during_a_run_is_refused(folder):
    inputs = opened(folder, "in.jsonl")
    (folder / "other").write_bytes(LINES)
    os.replace(folder / "other", folder / "in.jsonl")

    with pytest.raises(BadData, match="replaced or cut"):
        texts(inputs)


def test_a_file_that_vanishes_during_a_run_is_no_input(folder):
    inputs = opened(folder, "in.jsonl")
    (folder / "in.jsonl").unlink()

    with pytest.raises(NoInput, match="cannot be read"):
        texts(inputs)


@pytest.mark.parametrize("name", [b"caf\xe9.jsonl", b"two\nlines.jsonl", b"x" * 255])
def test_odd_names_are_read_and_shown_on_one_printable_line(folder, name):
    path = os.path.join(os.fsencode(folder), name)
    with open(path, "wb") as file:
        file.write(LINES)

    inputs = open_inputs([os.fsdecode(path)], str(folder / "spool"))

    assert texts(inputs) == LINES.splitlines()
    assert next(inputs.lines()).source.isprintable()
