"""How others are started over the same lines, each as its own documents say."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from tests.bench import lines as requests
from tests.bench.lines import MODEL, prompt
from tests.bench.races import CONCURRENCY, Command, Start, Work
from tests.proofs.processes import require

HERE: Final = Path(__file__).parent
ENVIRONMENTS: Final = Path(__file__).parents[3] / ".venv-rivals"
KEY: Final = "sk-of-a-bench"
ANSWER: Final = b"praises the fit"  # stands once in each answer of the gateway
# litellm asks the net for prices whenever it is loaded, unless it is told to use its own.
ENVIRON: Final = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": ".", "PYTHONWARNINGS": "ignore"}


def flexllm(_work: Work, url: str, _lines: int) -> Command:
    """Run its command."""
    told = ["--base-url", f"{url}/v1", "--api-key", KEY, "-m", MODEL]
    flags = ["-o", "answers.jsonl", "-c", CONCURRENCY, "--no-cache"]
    return [_program("flexllm", "flexllm"), "batch", "chats.jsonl", *flags, *told], ENVIRON


def litlm(_work: Work, url: str, _lines: int) -> Command:
    """Run its command."""
    told = ["--param", f"api_base={url}/v1", "--param", f"api_key={KEY}"]
    flags = ["--lines", "-i", "prompts.txt", "-o", "answers.jsonl", "--no-progress"]
    model = ["-m", f"direct/openai/{MODEL}", "--max-concurrency", CONCURRENCY]
    return [_program("litlm", "litlm"), *flags, *model, *told], ENVIRON


def scripted(name: str, script: str, _work: Work, url: str, _lines: int) -> Command:
    """Run a script of this folder in its environment."""
    asked = ["chats.jsonl", f"{url}/v1", CONCURRENCY]
    return [_program(name, "python"), HERE / script, *asked], ENVIRON


RIVALS: Final[Mapping[str, Start]] = {
    "flexllm": flexllm,
    "async-batch-llm": partial(scripted, "async-batch-llm", "with_async_batch_llm.py"),
    "openai": partial(scripted, "openai", "with_openai.py"),
    "litlm": litlm,
}


def write(folder: Path, lines: int, stream: bool) -> None:
    """Write the same prompts in each shape that somebody reads."""
    requests.write(folder, lines, stream)
    with (folder / "chats.jsonl").open("wb") as chats, (folder / "prompts.txt").open("w") as texts:
        for number in range(1, lines + 1):
            said = [{"role": "user", "content": prompt(number)}]
            chat = {"id": f"row-{number}", "model": MODEL, "messages": said}
            chats.write(orjson.dumps(chat, option=orjson.OPT_APPEND_NEWLINE))
            texts.write(f"{prompt(number)}\n")


def complete(folder: Path, lines: int) -> None:
    """Raise ``Failed`` unless each line has its answer: not every exit code would tell."""
    for path in (folder / "answers.jsonl", folder / "out.jsonl"):
        if path.exists():
            found = path.read_bytes().count(ANSWER)
            require(found == lines, f"{path.name} has {found} answers to {lines} lines")


def installed(name: str, environments: Path = ENVIRONMENTS) -> str | None:
    """Return the version of a rival, None if it is not installed."""
    pattern = f"{name}/lib/python*/site-packages/{name.replace('-', '_')}-*.dist-info"
    found = [one.name.removesuffix(".dist-info") for one in environments.glob(pattern)]
    ready = (environments / name / ".ready").exists()
    return found[0].rpartition("-")[2] if found and ready else None


def _program(name: str, program: str) -> Path:
    return ENVIRONMENTS / name / "bin" / program
