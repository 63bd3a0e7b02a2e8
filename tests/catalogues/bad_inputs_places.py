"""Places that are named as input or output, a row each, and what the command does."""

from __future__ import annotations

import gzip
import os
import socket
from pathlib import Path
from typing import Final

from tests.catalogues.bad_inputs_files import GOOD, USUAL, Case, file
from tests.catalogues.bad_inputs_names import BEYOND


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)  # the name of a socket may have a hundred bytes
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


PLACES: Final = (
    Case(
        "standard input",
        "stream as input",
        {},
        0,
        ("standard input",),
        3,
        ("run", "-", *USUAL[2:]),
        given=GOOD,
    ),
    Case(
        "nothing on standard input",
        "stream as input",
        {},
        0,
        ("the inputs hold no line",),
        args=("run", "-", *USUAL[2:]),
        given=b"",
    ),
    Case(
        "gzip on standard input",
        "stream as input",
        {},
        0,
        sent=3,
        args=("run", "-", *USUAL[2:]),
        given=gzip.compress(GOOD),
    ),
    Case(
        "standard input twice",
        "stream as input",
        {},
        2,
        ("same file", "Name it once"),
        args=("run", "-", "-", *USUAL[2:]),
        given=GOOD,
    ),
    Case(
        "standard input that is a device",
        "device, socket, folder as input",
        {},
        66,
        ("standard input is a device", "pipe the lines in"),
        args=("run", "-", *USUAL[2:]),
    ),
    Case(
        "a device without an end",
        "device, socket, folder as input",
        {},
        66,
        ("/dev/zero is a device", "Name a file"),
        args=("run", "/dev/zero", *USUAL[2:]),
    ),
    file(
        "a socket",
        "device, socket, folder as input",
        _socket,
        66,
        "in.jsonl is a socket",
        "Name a file",
    ),
    file(
        "a folder",
        "device, socket, folder as input",
        Path.mkdir,
        66,
        "in.jsonl is a directory",
        "Name the files in it",
    ),
    Case(
        "nothing of that name",
        BEYOND,
        {},
        66,
        ("in.jsonl: No such file or directory", "Check the path"),
    ),
    Case(
        "a pattern that nothing matches",
        BEYOND,
        {},
        66,
        ("*.jsonl: No such file", "Check the path. A shell leaves a pattern as it is"),
        args=("run", "*.jsonl", *USUAL[2:]),
    ),
    Case(
        "a file under a file",
        BEYOND,
        {"a": b""},
        66,
        ("a/in.jsonl: Not a directory", "Check the path"),
        args=("run", "a/in.jsonl", *USUAL[2:]),
    ),
    Case(
        "an empty name",
        BEYOND,
        {},
        66,
        ('"": No such file', "Check the path"),
        args=("run", "", *USUAL[2:]),
    ),
    Case(
        "the same file twice",
        BEYOND,
        {"in.jsonl": GOOD},
        2,
        ("are the same file", "Name it once"),
        args=("run", "in.jsonl", "./in.jsonl", *USUAL[2:]),
    ),
    Case(
        "a link to a file",
        "links as input",
        {"a": GOOD, "in.jsonl": lambda path: path.symlink_to("a")},
        0,
        sent=3,
    ),
    file(
        "a link to itself",
        "links as input",
        lambda path: path.symlink_to("in.jsonl"),
        66,
        "Too many levels of symbolic links",
        "Check the path",
    ),
    file(
        "a link to nothing",
        "links as input",
        lambda path: path.symlink_to("gone"),
        66,
        "No such file",
        "Check the path",
    ),
    Case(
        "a file and a link to it",
        "links as input",
        {"a": GOOD, "in.jsonl": lambda path: path.symlink_to("a")},
        2,
        ("are the same file",),
        args=("run", "a", *USUAL[1:]),
    ),
)

OUTPUTS: Final = (
    file(
        "its name",
        "output is the input",
        GOOD,
        65,
        "is both input and output",
        "another --output",
        args=(*USUAL[:3], "in.jsonl", *USUAL[4:]),
    ),
    Case(
        "a link to it",
        "output is the input",
        {"in.jsonl": GOOD, "out.jsonl": lambda path: path.symlink_to("in.jsonl")},
        65,
        ("is both input and output",),
    ),
    Case(
        "a hard link to it",
        "output is the input",
        {"in.jsonl": GOOD, "out.jsonl": lambda path: path.hardlink_to(path.with_name("in.jsonl"))},
        65,
        ("is both input and output",),
    ),
    Case(
        "a folder",
        "output that cannot be one",
        {"in.jsonl": GOOD, "out.jsonl": Path.mkdir},
        73,
        ("is a folder", "Name a file as --output"),
    ),
    Case(
        "a pipe",
        "output that cannot be one",
        {"in.jsonl": GOOD, "out.jsonl": os.mkfifo},
        73,
        ("a device or a pipe", "Name a file as --output"),
    ),
    file(
        "standard output",
        "output that cannot be one",
        GOOD,
        73,
        "--output",
        args=(*USUAL[:3], "/dev/stdout", *USUAL[4:]),
        apart=True,
    ),
    file(
        "standard output by a dash",
        "output that cannot be one",
        GOOD,
        2,
        "stdout",
        "-o out.jsonl",
        args=(*USUAL[:3], "-", *USUAL[4:]),
    ),
    file(
        "nowhere",
        "output that cannot be one",
        GOOD,
        73,
        "a device or a pipe",
        args=(*USUAL[:3], "/dev/null", *USUAL[4:]),
    ),
    Case(
        "a file of somebody",
        "output that cannot be one",
        {"in.jsonl": GOOD, "out.jsonl": b"notes\n"},
        65,
        ("exists but is no run of this tool", "choose another --output"),
    ),
    Case(
        "a link to itself",
        "output that cannot be one",
        {"in.jsonl": GOOD, "out.jsonl": lambda path: path.symlink_to("out.jsonl")},
        73,
        ("out.jsonl", "leads nowhere"),
    ),
    file("no output", "output that cannot be one", GOOD, 2, "-o out.jsonl", args=USUAL[:2]),
    file(
        "under a file",
        "folder that cannot be written",
        GOOD,
        73,
        "in.jsonl",
        "Choose an --output",
        args=(*USUAL[:3], "in.jsonl/out.jsonl", *USUAL[4:]),
    ),
    file(
        "in a file system of the kernel",
        "folder that cannot be written",
        GOOD,
        73,
        "Choose an --output in a folder that can be written",
        args=(*USUAL[:3], "/proc/out.jsonl", *USUAL[4:]),
    ),
    file(
        "a name too long for its folder",
        "odd file names",
        GOOD,
        73,
        "File name too long",
        "shorter",
        args=(*USUAL[:3], "o" * 255, *USUAL[4:]),
    ),
    file(
        "a name too long for any file",
        "odd file names",
        GOOD,
        73,
        "File name too long",
        "shorter",
        args=(*USUAL[:3], "o" * 256, *USUAL[4:]),
    ),
    file(
        "255 bytes of output",
        "odd file names",
        GOOD,
        0,
        sent=3,
        args=(*USUAL[:3], "o" * 249 + ".jsonl", *USUAL[4:]),
    ),
)

LONG: Final = "i" * 249 + ".jsonl"
NAMED: Final = (
    Case(
        "a line break",
        "odd file names",
        {"a\nb.jsonl": b'{"prompt":""}\n'},
        3,
        errors=("empty_prompt",),
        args=("run", "a\nb.jsonl", *USUAL[2:]),
    ),
    Case("255 bytes", "odd file names", {LONG: GOOD}, 0, sent=3, args=("run", LONG, *USUAL[2:])),
    Case(
        "no UTF-8",
        "odd file names",
        {os.fsdecode(b"caf\xe9.jsonl"): GOOD},
        2,
        ("caf\\xe9.jsonl", "not valid UTF-8", "Rename the file"),
        args=("run", b"caf\xe9.jsonl", *USUAL[2:]),
    ),
    file(
        "no UTF-8 to write to",
        "odd file names",
        GOOD,
        2,
        "caf\\xe9.jsonl",
        "not valid UTF-8",
        args=(*USUAL[:3], b"caf\xe9.jsonl", *USUAL[4:]),
    ),
    Case(
        "a dash before",
        "odd file names",
        {"-in.jsonl": GOOD},
        0,
        sent=3,
        args=("run", *USUAL[2:], "--", "-in.jsonl"),
    ),
    Case(
        "Chinese, in the locale C",
        "odd file names",
        {"评论.jsonl": GOOD},
        0,
        sent=3,
        args=("run", "评论.jsonl", *USUAL[2:]),
        environ={"LC_ALL": "C"},
    ),
)


EVERY_PLACE: Final = (*PLACES, *OUTPUTS, *NAMED)
