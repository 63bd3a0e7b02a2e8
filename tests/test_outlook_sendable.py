from __future__ import annotations

from pathlib import Path

import pytest

from tests.proofs.processes import finish

LINE = '{"body":{%s"messages":[{"role":"user","content":"hi"}]}}\n'
NAMED, BOUNDED = LINE % '"model":"gpt-4o-mini",', LINE % '"model":"gpt-4o-mini","max_tokens":9,'
NAMELESS = LINE % ""
PRICED = """
inputs = ["in.jsonl"]
output = "out.jsonl"
[budget]
max_cost = 1.0
[prices.models."gpt-4o-mini"]
input_per_mtok = 1
output_per_mtok = 1
"""


def run(folder: Path, lines: str, *args: str) -> tuple[int, str]:
    (folder / "in.jsonl").write_text(lines)
    return finish(folder, "run", *args, "--mock")


def test_a_file_in_which_no_line_names_a_model_is_refused_and_leaves_nothing(tmp_path):
    code, said = run(tmp_path, NAMELESS * 40, "in.jsonl", "-o", "out.jsonl")

    assert code == 2
    assert "none of the first 40 lines names a model" in said
    assert "-m MODEL" in said
    assert not (tmp_path / "out.jsonl").exists()
    assert not (tmp_path / "out.run").exists()


def test_one_line_without_a_model_among_others_is_an_error_of_its_own(tmp_path):
    code, _ = run(tmp_path, NAMED + NAMELESS, "in.jsonl", "-o", "out.jsonl")

    assert code == 3
    assert '"class":"missing_model"' in (tmp_path / "out.run" / "errors.jsonl").read_text()


def test_lines_without_a_model_at_the_end_of_a_run_are_errors_also_if_nothing_else_is_left(
    tmp_path,
):
    run(tmp_path, NAMED + NAMELESS, "in.jsonl", "-o", "out.jsonl", "--head", "1")

    code, _ = run(tmp_path, NAMED + NAMELESS, "in.jsonl", "-o", "out.jsonl")

    assert code == 3


def test_what_a_budget_can_never_let_through_leaves_the_old_output_where_it_is(tmp_path):
    (tmp_path / "job.toml").write_text(PRICED)
    assert run(tmp_path, BOUNDED, "job.toml")[0] == 0
    before = {path.name for path in tmp_path.iterdir()}

    code, said = run(tmp_path, NAMED, "job.toml", "--new-run")

    assert code == 78, said
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("line", "job", "what"),
    [
        (NAMED, PRICED, "max_tokens"),
        (BOUNDED, PRICED.replace("gpt-4o-mini", "gpt-4o"), '[prices.models."gpt-4o-mini"]'),
    ],
    ids=["no bound", "no price"],
)
def test_what_a_budget_can_never_let_through_is_refused_by_its_line_and_leaves_nothing(
    tmp_path, line, job, what
):
    (tmp_path / "job.toml").write_text(
        job.replace("[prices.m", "[prices]\nlisted=false\n[prices.m")
    )

    code, said = run(tmp_path, (BOUNDED if what == "max_tokens" else line) + line, "job.toml")

    assert code == 78
    assert "in.jsonl:" in said
    assert what in said
    assert not (tmp_path / "out.run").exists()
