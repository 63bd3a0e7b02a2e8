"""wenwen-batch: a file of prompts in, every line answered exactly once, out.

    import batch

    results = batch.run_sync("prompts.jsonl", "out.jsonl", model="gpt-4o-mini")
    print(results[0].text, results.outcome.exit_code)

    async for result in batch.run("prompts.jsonl", "out.jsonl", model="gpt-4o-mini"):
        print(result.custom_id, result.text if result.ok else result.message)

The same call again carries on: what is answered is not sent again. Rows are inputs too (dicts or a
DataFrame), ``results.to_pandas()`` gives a table, and ``batch.read("out.jsonl")`` what is there.
``docs/python.md`` has more. The command is ``wbatch``.

The house, from the ground up: words (``records``, ``usage``, ``errors``), rules (``wire``, one
file a format; ``script``, ``retry``), edges (``inputs``, ``gate``, ``transport``, ``ledger``), the
engine (``deliver``: one line's life; ``pipeline``: many), uses (``labeling``, ``results``,
``report``), and faces (``cli``, ``api``). ``docs/architecture.md`` draws it.

Nothing is loaded until it is asked for; ``__init__.pyi`` says what there is to type checkers.
"""

from importlib import import_module

__version__ = "0.1.0"

_ERRORS = (
    "BadConfig",
    "BadData",
    "BadUsage",
    "BatchError",
    "Busy",
    "CannotWrite",
    "NoAccess",
    "NoInput",
    "Refusal",
    "Unavailable",
)
_FACE = ("Result", "Results", "Run", "Unfinished", "read", "run", "run_sync")
__all__ = [*_ERRORS, *_FACE, "__version__"]  # noqa: PLE0604 - all of them are names


def __getattr__(name: str) -> object:
    """Load a public name when somebody asks for it."""
    if name in _FACE:
        return getattr(import_module("batch.api"), name)
    if name in _ERRORS:
        return getattr(import_module("batch.errors"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, those too that are not loaded."""
    return sorted({*globals(), *__all__})
