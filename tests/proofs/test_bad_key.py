from tests.proofs.processes import finish, gateway, lines_of, write_prompts

RIGHT, WRONG = "sk-the-right-one", "sk-the-wrong-one"
LINES = 500


def test_a_wrong_key_stops_after_a_handful_of_requests_and_the_right_one_goes_on(tmp_path):
    write_prompts(tmp_path / "in.jsonl", {n: f"Line {n}" for n in range(1, LINES + 1)})
    with gateway(tmp_path, "--key", RIGHT) as mock:
        command = ("run", "in.jsonl", "-o", "out.jsonl", "-c", 50, "--base-url", mock.url)

        code, said = finish(tmp_path, *command, key=WRONG)

        assert code == 77
        assert 1 <= mock.counts()["arrived"] <= 8
        assert lines_of(tmp_path / "out.jsonl") == []
        assert lines_of(tmp_path / "out.run" / "errors.jsonl") == []
        assert "key 'OPENAI_API_KEY'" in said
        assert "Put a valid key into environment variable OPENAI_API_KEY, and run" in said
        assert "refuses this key" in said
        assert f"{LINES} pending" in said
        assert "the same command again" in said
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert WRONG not in said
        assert not [path for path in files if WRONG.encode() in path.read_bytes()]

        code, said = finish(tmp_path, *command, key=RIGHT)

        assert code == 0, said
        records = lines_of(tmp_path / "out.jsonl")
        assert sorted(one["x_run"]["line"] for one in records) == list(range(1, LINES + 1))
