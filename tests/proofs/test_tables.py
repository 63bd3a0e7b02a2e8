"""A run over a table is killed again and again; the same command goes on with it."""

import csv
from collections import Counter

from tests.proofs.processes import finish, gateway, lines_of, wait_until, wbatch

ROWS = 120
AT_ONCE = 4
KILLS = 4


def write_table(path):
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["nr", "text"])
        for number in range(1, ROWS + 1):
            table.writerow([f"row-{number}", f'Row {number} says "hi",\nand goes on.\n'])


def test_a_table_is_answered_once_a_row_through_kills_after_a_first_look(tmp_path):
    write_table(tmp_path / "in.csv")
    (tmp_path / "p.txt").write_text("Label this: {{ text }}")
    with gateway(tmp_path, "--latency", 20) as mock:
        command = ("run", "in.csv", "-p", "p.txt", "--id-column", "nr", "-m", "gpt-4o-mini")
        command += ("-o", "out.jsonl", "-c", AT_ONCE, "--base-url", mock.url)

        first, _ = finish(tmp_path, *command, "--head", 10)
        looked_at = lines_of(tmp_path / "out.jsonl")
        for kill in range(1, KILLS + 1):
            with wbatch(tmp_path, *command) as process:
                enough = 10 + 20 * kill
                wait_until(lambda n=enough: mock.counts()["arrived"] >= n, "some arrived")
                process.kill()
        last, said = finish(tmp_path, *command)

        sent = mock.rows()
    records = lines_of(tmp_path / "out.jsonl")
    assert (first, last) == (0, 0), said
    assert {one["custom_id"] for one in looked_at} == {f"row-{n}" for n in range(1, 11)}
    assert Counter(one["custom_id"] for one in records) == Counter(
        f"row-{n}" for n in range(1, ROWS + 1)
    )
    assert records[:10] == looked_at
    for one in records:
        content = one["response"]["body"]["choices"][0]["message"]["content"]
        assert f"Row {one['custom_id'][4:]} says" in content
    assert ROWS <= len(sent) <= ROWS + KILLS * 2 * AT_ONCE
