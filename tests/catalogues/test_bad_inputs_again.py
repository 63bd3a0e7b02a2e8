"""Whatever is done to a run between two sessions: it goes on, or says why not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalogues.bad_inputs_again import CHANGES, FIRST, LINES, Change
from tests.catalogues.bad_inputs_kit import MODEL, Gateway, by_line, gateway, run, run_here

COMMAND = ("run", "in.jsonl", "-o", "out.jsonl", "-m", MODEL)


@pytest.fixture(scope="module")
def there() -> Iterator[Gateway]:
    with gateway() as one:
        yield one


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, there: Gateway) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    (folder / "in.jsonl").write_bytes(FIRST)
    # Twice, as what was written last of all may be torn, and what was written before it may not.
    for more in (("--head", "3"), ()):
        ran = run(folder, *COMMAND, *more, there=there)
        assert ran.code == 0, ran.show()
    return folder


def logs(folder: Path) -> dict[str, bytes]:
    """Return what stands in the logs, and in the input."""
    names = ("in.jsonl", "out.jsonl", "out.run/errors.jsonl", "out.run/journal.jsonl")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


@pytest.mark.parametrize("change", CHANGES, ids=[f"{one.entry}: {one.name}" for one in CHANGES])
def test_a_changed_run_comes_to_what_its_row_says(
    tmp_path: Path, there: Gateway, begun: Path, change: Change
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(begun, folder)
    change.do(folder)
    before = logs(folder)
    there.forget()

    ran = run_here(folder, *COMMAND, *change.more, there=there)

    assert ran.code == change.code, ran.show()
    assert [part for part in change.says if part not in ran.err] == [], ran.show()
    assert len(there.asked) == change.sent, ran.show()
    if change.code:
        assert logs(folder) == before
        return
    assert set(range(1, LINES + 1)) <= set(by_line(folder))
    there.forget()
    assert run_here(folder, *COMMAND, *change.more, there=there).code == 0
    assert there.asked == []
