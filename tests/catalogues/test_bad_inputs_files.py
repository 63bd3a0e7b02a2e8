"""Bad files, templates, names and flags are refused before any request, and the message helps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.catalogues.bad_inputs_files import FILES, Case
from tests.catalogues.bad_inputs_kit import (
    Gateway,
    Ran,
    code_of,
    errors,
    gateway,
    results,
    run,
    run_here,
)
from tests.catalogues.bad_inputs_places import EVERY_PLACE
from tests.catalogues.bad_inputs_settings import SETTINGS

CASES = (*FILES, *EVERY_PLACE, *SETTINGS)
REFUSED = (2, 65, 66, 73, 78)
# As a process of its own: one in twelve, and what needs to be. The others save its start.
REAL = {one.name for one in CASES[::12]}


@pytest.fixture(scope="module")
def there() -> Iterator[Gateway]:
    with gateway() as one:
        yield one


def put(folder: Path, case: Case) -> None:
    for name, content in case.files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content(folder / name)


def carry_out(folder: Path, case: Case, there: Gateway) -> Ran:
    args = (*case.args, *case.more)
    plain = [one for one in args if isinstance(one, str)]
    apart = case.given is not None or case.environ or len(plain) < len(args) or "-" in args
    if apart or case.apart or case.name in REAL:
        return run(folder, *args, there=there, given=case.given, environ=case.environ)
    return run_here(folder, *plain, there=there)


def remains(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("case", CASES, ids=[f"{one.entry}: {one.name}" for one in CASES])
def test_a_bad_input_comes_to_what_its_row_says(tmp_path: Path, there: Gateway, case: Case) -> None:
    put(tmp_path, case)
    before = remains(tmp_path)
    there.forget()

    ran = carry_out(tmp_path, case, there)

    assert ran.code == case.code, ran.show()
    assert [part for part in case.says if part not in ran.err] == [], ran.show()
    assert len(there.asked) == case.sent, ran.show()
    assert case.holds in (there.bodies() or [b""])[-1]
    if ran.code in REFUSED:
        assert ran.err.count("error:") == 1, ran.show()
        assert remains(tmp_path) == before
        return
    output = case.args[case.args.index("-o") + 1]
    assert isinstance(output, str)
    assert len(results(tmp_path, output)) == case.sent
    assert tuple(map(code_of, errors(tmp_path, output))) == tuple(case.errors)
