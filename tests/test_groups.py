"""Keys by group, end to end: what ``wbatch models`` suggests is what a run then goes by."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from batch import runs
from batch.cli.models import configuration
from batch.mock.accounts import mark
from batch.mock.dials import Dials
from batch.mock.gateway import Gateway
from batch.settings.config import USER, merged, read_file
from batch.settings.tree import GatewaySettings, KeySetting, Settings, UserSettings, build
from tests.test_runs import Quiet, chat

VALUES = {"A": "sk-group-a-01234567", "B": "sk-group-b-01234567", "C": "sk-group-c-01234567"}
DIALS = Dials(
    keys=tuple((value, name) for name, value in VALUES.items()),
    groups=(("A", "gpt-*"), ("B", "claude-*"), ("C", "gemini-*"), ("C", "gpt-4o")),
)
LINES = {"gpt-5": "A", "claude-sonnet-4-5": "B", "gemini-2.5-flash": "C", "gpt-4o-mini": "A"}


def test_every_line_is_sent_with_the_key_of_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)
    places = [KeySetting(match="*", env=name) for name in VALUES]
    source, config = tmp_path / "in.jsonl", tmp_path / "config.toml"
    lines = [orjson.dumps(chat(f"{model}-{n}", model)) for n in range(5) for model in LINES]
    source.write_bytes(b"\n".join(lines))

    async def scene() -> tuple[int, set[tuple[str, str, int | None]]]:
        async with Gateway(DIALS) as gateway:
            reached = UserSettings(gateway=GatewaySettings(base_url=gateway.url))
            catalogue = await runs.models(reached, places)
            config.write_text(configuration(catalogue.rearranged(), places))
            said = {
                "inputs": [str(source)],
                "output": str(tmp_path / "out.jsonl"),
                "gateway": {"base_url": gateway.url},
            }
            settings = build(merged(said, read_file(str(config), USER, required=True)), Settings)
            outcome = await runs.run(settings, Quiet())
            return outcome.exit_code, {
                (row.model, row.key, row.status) for row in gateway.rows if row.model
            }

    code, asked = asyncio.run(scene())

    assert code == 0
    assert asked == {(model, mark(VALUES[key]), 200) for model, key in LINES.items()}
