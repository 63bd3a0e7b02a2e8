"""What is asked in a stateful test: the lines of the input, and the settings, as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from batch.inputs.lines import line_sum
from batch.settings.tree import LabelSettings, Limits, RequestSettings, RunSettings, Settings

# What the lines of a run may be: a file holds prompts, or requests, and not both.
SETUPS: Final[Mapping[str, Sequence[str]]] = {
    "requests of all kinds": ("chat", "stream", "image", "film", "broken", "blank"),
    "prompts": ("prompt", "prompt", "broken", "blank"),
    "labels by three votes": ("prompt", "prompt", "broken"),
    "packs of three": ("vector", "vector", "vector", "broken"),
}
MODELS: Final = ("m", "other-m")
TEMPERATURES: Final = (None, 0.5)
SYSTEMS: Final = (None, "Be brief.", "Be kind.")
URLS: Final = {
    "chat": "/v1/chat/completions",
    "stream": "/v1/chat/completions",
    "image": "/v1/images/generations",
    "film": "/kling/v1/videos/text2video",
    "vector": "/v1/embeddings",
}


class Line(msgspec.Struct):
    """One line of the input. Each text of it has a version of its own, never used again."""

    number: int
    kind: str
    versions: list[int]

    @property
    def text(self) -> str:
        """Return what it asks."""
        return f"line {self.number} v{self.versions[-1]}"

    @property
    def custom_id(self) -> str:
        """Return what its record is called."""
        named = self.kind != "broken"  # of what cannot be read nobody knows the id
        return f"row-{self.number}" if named else f"line-{self.number}"

    @property
    def raw(self) -> bytes:
        """Return its bytes."""
        if self.kind == "blank":
            return b""
        if self.kind == "broken":
            return f'{{"custom_id":"row-{self.number}","body":{self.text}'.encode()
        if self.kind == "prompt":
            return orjson.dumps({"custom_id": self.custom_id, "prompt": self.text})
        line = {"custom_id": self.custom_id, "method": "POST", "url": URLS[self.kind]}
        return orjson.dumps(line | {"body": self._body()})

    @property
    def sum(self) -> str:
        """Return its hash, as records write it."""
        return f"{line_sum(self.raw):016x}"

    def is_answered_by(self, record: bytes) -> bool:
        """Return whether a record speaks of this line, in this version."""
        if self.kind == "vector":
            place = b"[%d,%d]" % (self.number, self.versions[-1])
            return place in record.replace(b" ", b"")
        return self.text.encode() in record

    def _body(self) -> dict[str, Any]:
        match self.kind:
            case "image":
                return {"model": "gpt-image-1", "prompt": self.text}
            case "film":
                return {"model_name": "kling-v1", "prompt": self.text}
            case "vector":
                return {"input": self.text}
        body: dict[str, Any] = {"messages": [{"role": "user", "content": self.text}]}
        return body | ({"stream": True} if self.kind == "stream" else {})


class Asked:
    """An input file, and the settings of the commands over it."""

    def __init__(self, folder: Path, setup: str, concurrency: int) -> None:
        self.setup = setup
        self.concurrency = concurrency
        self.lines: list[Line] = []
        self.model, self.temperature, self.system = MODELS[0], TEMPERATURES[0], SYSTEMS[0]
        self._folder = folder
        self._versions = 0

    @property
    def changes(self) -> Sequence[str]:
        """Return which settings can change what these lines ask."""
        return ("model", "temperature", "system") if "prompt" in SETUPS[self.setup] else ("model",)

    def add(self, kinds: Sequence[str]) -> None:
        """Add lines to the end of the file."""
        for kind in kinds:
            self.lines.append(Line(len(self.lines) + 1, kind, [self._next_version()]))
        self._write()

    def edit(self, line: Line) -> None:
        """Change a line."""
        line.versions.append(self._next_version())
        self._write()

    def restore(self, line: Line) -> None:
        """Bring a line back as it was before its last change."""
        line.versions.pop()
        self._write()

    def change(self, name: str, value: int) -> None:
        """Change a setting that is part of the run's identity."""
        match name:
            case "model":
                self.model = MODELS[value % len(MODELS)]
            case "temperature":
                self.temperature = TEMPERATURES[value % len(TEMPERATURES)]
            case "system":
                self.system = SYSTEMS[value % len(SYSTEMS)]

    def settings(self, **conduct: Any) -> Settings:
        """Return the settings of a command."""
        pack = 3 if self.setup == "packs of three" else 1
        label = LabelSettings()
        if self.setup == "labels by three votes":
            label = LabelSettings(labels=("yes", "no"), votes=3)
        request = RequestSettings(
            model=self.model,
            params={} if self.temperature is None else {"temperature": self.temperature},
            system=None if self.system is None else self._template(self.system),
            pack=pack,
        )
        return Settings(
            inputs=(str(self._folder / "in.jsonl"),),
            output=str(self._folder / "out.jsonl"),
            request=request,
            label=label,
            limits=Limits(concurrency=self.concurrency),
            run=RunSettings(**conduct),
        )

    def _template(self, text: str) -> str:
        path = self._folder / f"system-{SYSTEMS.index(text)}.txt"
        if not path.exists():
            path.write_text(text)
        return str(path)

    def _next_version(self) -> int:
        self._versions += 1
        return self._versions

    def _write(self) -> None:
        data = b"".join(line.raw + b"\n" for line in self.lines)
        (self._folder / "in.jsonl").write_bytes(data)
