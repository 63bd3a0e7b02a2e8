"""The laws of the house that can be seen in the source, and that each is found out when broken.

Every law is a function from a source tree to the places that break it. It is asked about the
house, and about small trees that break it on purpose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1] / "batch"

# From the ground up. A module may import what belongs to a lower layer.
LAYERS = {
    "words": ("__init__", "records", "usage", "errors", "secret", "wording"),
    "rules": (
        "wire",
        "script",
        "retry",
        "weights",
        "suggest",
        "template",
        "adapt",
        "bottleneck",
        "forecast",
        "pricing",
        "tariff",
        "budget",
        "deadline",
        "estimating",
        "fill",
        "allowed",
    ),
    "ground of the edges": ("files",),
    "edges": ("inputs", "gate", "media", "transport", "ledger", "checkpoint", "spill"),
    "engine": (
        "halt",
        "queues",
        "feed",
        "unit",
        "means",
        "deliver",
        "pool",
        "pipeline",
        "gauges",
        "opening",
    ),
    "uses": ("labeling", "nightly", "notices", "report", "results"),
    "faces": (
        "mock",
        "settings",
        "collector",
        "catalogue",
        "session",
        "signals",
        "texts",
        "plan",
        "shares",
        "spending",
        "descriptors",
        "surroundings",
        "inquiry",
        "look",
        "preflight",
        "outlook",
        "assemble",
        "host",
        "runs",
        "cli",
        "api",
        "__main__",
    ),
}
RANKS = {room: rank for rank, rooms in enumerate(LAYERS.values()) for room in rooms}
FACES = RANKS["__main__"]
# And these of its own layer: who imports → whom.
SIDEWAYS = {
    "records": {"usage"},
    "errors": {"usage"},
    "transport": {"media"},  # what it receives goes to disk while it comes
    "ledger": {"checkpoint"},  # the book leaves one, a recovery believes it or not
    "spill": {"inputs"},  # it reads again what they have read
    "checkpoint": {"ledger"},  # it stores a history, and knows nothing of how one is written
    "feed": {"queues"},
    "tariff": {"pricing", "wire"},
    "budget": {"pricing"},
    "estimating": {"pricing", "script", "wire"},
    "weights": {"wire"},  # how a file is named tells what it takes to send it
    "deliver": {"means", "unit"},
    "pipeline": {"deliver", "feed", "halt", "pool"},
    "gauges": {"pipeline"},
    "session": {"settings", "signals"},
    "texts": {"settings"},
    "plan": {"settings", "texts"},
    "shares": {"mock", "settings"},
    "spending": {"settings"},
    "inquiry": {"catalogue", "settings", "shares"},
    "surroundings": {"descriptors", "mock", "plan", "settings", "shares"},
    "labeling": {"results"},  # a score reads a finished run as everybody does
    "results": {"report"},  # how a usage in names becomes meters
    "look": {"plan", "settings", "shares", "texts"},
    "preflight": {"catalogue", "session", "settings", "shares", "texts"},
    "outlook": {"plan", "session", "settings", "shares", "texts"},
    "assemble": {"host", "plan", "session", "shares", "spending", "surroundings"},
    "host": {"collector", "plan", "session", "surroundings"},
    "runs": {
        *("assemble", "catalogue", "host", "inquiry", "outlook", "plan"),
        *("session", "settings", "shares", "spending", "surroundings", "texts"),
    },
    "cli": {
        *("catalogue", "collector", "descriptors", "look", "mock", "outlook", "plan"),
        *("preflight", "runs", "session", "settings", "signals"),
    },
    "api": {"cli", "look", "plan", "runs", "session", "settings"},
    "__main__": {"cli", "signals"},
    "__init__": {"api", "errors"},  # the public names, loaded when somebody asks for one
}

# What has a clock, chance, a socket, a file or another thread in it.
IMPURE = {
    *("aiohttp", "asyncio", "concurrent", "fcntl", "glob", "io", "logging", "multiprocessing"),
    *("os", "pathlib", "random", "requests", "secrets", "selectors", "shutil", "signal"),
    *("socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid"),
    *("uvloop", "aiolimiter", "tqdm", "click"),
}
PURE = {"urllib.parse"}  # parts of those that have nothing of the kind
CLOCKS = {"now", "utcnow", "today"}
DOORS = {"open", "print", "input", "exec", "eval"}

# Words of the vendors' interfaces. What stands in our own files is spelled otherwise.
VENDOR_WORDS = {
    # Chat
    *("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details"),
    *("cached_tokens", "reasoning_tokens", "accepted_prediction_tokens", "audio_tokens"),
    *("finish_reason", "stream_options", "include_usage", "reasoning_content", "tool_calls"),
    *("tool_call_id", "system_fingerprint", "max_completion_tokens"),
    *("response_format", "reasoning_effort", "service_tier", "content_filter"),
    # Messages
    *("stop_reason", "stop_sequence", "cache_read_input_tokens", "cache_creation_input_tokens"),
    *("max_output_tokens", "incomplete_details", "previous_response_id"),
    # Content generation
    *("usageMetadata", "candidatesTokenCount", "promptTokenCount", "totalTokenCount"),
    *("thoughtsTokenCount", "cachedContentTokenCount", "finishReason", "generationConfig"),
    # Tasks
    *("failReason", "fail_reason", "imageUrl", "taskId", "submitTime"),
    # Lists of models
    "supported_endpoint_types",
}
# Where a vendor's word may stand although the file is no wire format, and why.
SPELLED = {
    ("session/summary.py", "cached_tokens"): "run.json is a superset of the OpenAI Batch object",
    ("session/summary.py", "reasoning_tokens"): "the same",
}


class Tree:
    """A source tree: its modules by name, and what each of them imports."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = {self._name(path): path for path in sorted(root.rglob("*.py"))}
        self.parsed = {name: ast.parse(path.read_text()) for name, path in self.files.items()}

    def _name(self, path: Path) -> str:
        parts = [self.root.name, *path.relative_to(self.root).with_suffix("").parts]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def at(self, module: str, node: ast.AST) -> str:
        """Name a place as people look for it."""
        path = self.files[module].relative_to(self.root)
        return f"{path}:{getattr(node, 'lineno', 0)}"

    def room(self, module: str) -> str:
        """Return the file or folder of the house that a module belongs to."""
        _, *inside = module.split(".")
        return inside[0] if inside else "__init__"

    def imports(self, module: str, *, late: bool = True) -> Iterator[tuple[ast.AST, str]]:
        """Yield where and what a module imports; ``late``: within functions too, and by name."""
        for node in _nodes(self.parsed[module], late=late):
            match node:
                case ast.Import(names=names):
                    yield from ((node, name.name) for name in names)
                case ast.ImportFrom(names=names, level=level):
                    for name in names:
                        yield node, self._whole(module, node, level, name.name)
                case ast.Call(args=[ast.Constant(value=str(name)), *_]) if name in self.files:
                    yield node, name

    def _whole(self, module: str, node: ast.ImportFrom, level: int, name: str) -> str:
        base = node.module or ""
        if level:
            package = module.split(".")
            if self.files[module].name != "__init__.py":
                package.pop()
            base = ".".join([*package[: len(package) - level + 1], *filter(None, [base])])
        return f"{base}.{name}" if f"{base}.{name}" in self.files else base

    def ours(self, module: str, *, late: bool = True) -> Iterator[tuple[ast.AST, str]]:
        """Yield where a module imports another one of this tree."""
        for node, name in self.imports(module, late=late):
            if name.split(".")[0] == self.root.name:
                yield node, name


def _nodes(tree: ast.AST, *, late: bool) -> Iterator[ast.AST]:
    """Yield all nodes, or those that are met when the module is imported or type-checked."""
    for node in ast.iter_child_nodes(tree):
        if late or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from _nodes(node, late=late)


def imports_that_point_up(tree: Tree) -> list[str]:
    """Law 1: imports point down; within a layer only where that is listed."""
    broken = []
    for module in tree.files:
        room = tree.room(module)
        if room not in RANKS:
            broken.append(f"{module}: no layer is known of {room}")
            continue
        for node, name in tree.ours(module):
            other = tree.room(name)
            below = RANKS.get(other, FACES + 1) < RANKS[room]
            if not (below or other == room or other in SIDEWAYS.get(room, ())):
                broken.append(f"{tree.at(module, node)}: {room} imports {other}")
    return broken


def exceptions_that_nobody_needs(tree: Tree) -> list[str]:
    """Law 1: a listed import of the same layer is really there."""
    there = {
        (tree.room(module), tree.room(name))
        for module in tree.files
        for _, name in tree.ours(module)
    }
    return [
        f"{room} no longer imports {other}"
        for room, others in SIDEWAYS.items()
        for other in sorted(others)
        if (room, other) not in there
    ]


def loops(tree: Tree) -> list[str]:
    """Law 1: no module needs itself, over whatever detours, not even for its types."""
    needs = {
        module: {name for _, name in tree.ours(module, late=False)} - {module}
        for module in tree.files
    }
    return [
        f"{module} needs itself" for module in needs if module in _reached(needs, needs[module])
    ]


def _reached(needs: Mapping[str, set[str]], start: set[str]) -> set[str]:
    reached: set[str] = set()
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting += needs.get(module, ())
    return reached


def impure_rules(tree: Tree) -> list[str]:
    """Law 2: rules and words have no clock, no chance, no socket, no file."""
    broken = []
    for module in tree.files:
        if RANKS.get(tree.room(module), FACES) > RANKS["wire"]:
            continue
        for node, name in tree.imports(module):
            if name.split(".")[0] in IMPURE and name not in PURE:
                broken.append(f"{tree.at(module, node)}: imports {name}")
        for node in ast.walk(tree.parsed[module]):
            match node:
                case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS:
                    broken.append(f"{tree.at(module, node)}: reads a clock by {name}()")
                case ast.Call(func=ast.Name(id=name)) if name in DOORS:
                    broken.append(f"{tree.at(module, node)}: calls {name}()")
    return broken


def vendor_words_outside_their_formats(tree: Tree) -> list[str]:
    """Law 3: a vendor's words stand only in a format's own files, in wire and in the mock."""
    word = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(sorted(VENDOR_WORDS))})(?![A-Za-z0-9_])")
    formats = {path.stem for path in (tree.root / "wire").glob("[!_]*")}
    broken = []
    for path in tree.files.values():
        where = str(path.relative_to(tree.root))
        room, *inside = where.removesuffix(".py").split("/")
        if room in ("wire", "mock") and inside[0] in formats:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            broken += [
                f"{where}:{number}: {found}"
                for found in word.findall(line)
                if (where, found) not in SPELLED
            ]
    return broken


def readers_of_the_environment(tree: Tree) -> list[str]:
    """Law 4: nothing below the faces reads flags or the environment."""
    broken = []
    for module in tree.files:
        if RANKS.get(tree.room(module), 0) >= FACES:
            continue
        for node in ast.walk(tree.parsed[module]):
            match node:
                case ast.Attribute(value=ast.Name(id="os" | "sys"), attr=name):
                    names = [name]
                case ast.ImportFrom(module="os" | "sys", names=aliases):
                    names = [alias.name for alias in aliases]
                case _:
                    names = []
            broken += [
                f"{tree.at(module, node)}: {name}"
                for name in names
                if name in ("environ", "environb", "getenv", "argv", "orig_argv")
            ]
    return broken


LAWS = (
    imports_that_point_up,
    exceptions_that_nobody_needs,
    loops,
    impure_rules,
    vendor_words_outside_their_formats,
    readers_of_the_environment,
)


@pytest.fixture(scope="module")
def house():
    return Tree(HOUSE)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_house_keeps_the_law(house, law):
    assert law(house) == []


def test_every_exception_for_a_vendors_word_is_needed():
    for (name, word), reason in SPELLED.items():
        assert f'"{word}"' in (HOUSE / name).read_text(), reason


# Each law is found out when it is broken.


def tree_of(folder: Path, files: Mapping[str, str]) -> Tree:
    for name, source in files.items():
        path = folder / "batch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return Tree(folder / "batch")


GOOD = {
    "__init__.py": "",
    "errors.py": "from batch.usage import Usage",
    "usage.py": "",
    "wire/__init__.py": "from batch.errors import BadBody\nimport msgspec",
    "wire/chat.py": 'FIELD = "finish_reason"\nfrom batch.wire import _http',
    "wire/messages/__init__.py": "from batch.wire.messages import answer",
    "wire/messages/answer.py": '"stop_reason"',
    "wire/_http.py": "from datetime import datetime\ndatetime.fromtimestamp(0)",
    "files.py": "import os",
    "ledger/__init__.py": "from batch.files import Files\nfrom batch.ledger import log",
    "ledger/log.py": "from .. import files\nfrom ..errors import Busy\nfrom . import lines",
    "ledger/lines.py": "",
    "mock/chat.py": '"finish_reason"',
    "cli/main.py": "import os, sys\nos.environ, sys.argv\nimport batch.mock.chat",
}


@pytest.mark.parametrize(
    "law",
    [law for law in LAWS if law is not exceptions_that_nobody_needs],
    ids=lambda one: one.__name__,
)
def test_a_small_house_that_keeps_the_laws_is_left_alone(tmp_path, law):
    assert law(tree_of(tmp_path, GOOD)) == []


BROKEN = [
    (imports_that_point_up, "usage.py", "import batch.wire"),
    (imports_that_point_up, "usage.py", "from batch import wire"),
    (imports_that_point_up, "usage.py", "from . import wire"),
    (imports_that_point_up, "usage.py", "from batch.errors import BadBody"),
    (imports_that_point_up, "wire/chat.py", "from batch.files import Files"),
    (imports_that_point_up, "wire/chat.py", "from .. import files"),
    (imports_that_point_up, "wire/chat.py", "from ..files import Files"),
    (imports_that_point_up, "wire/_http.py", "def f():\n    from batch.ledger import log"),
    (imports_that_point_up, "files.py", "from batch.ledger import log"),
    (imports_that_point_up, "inputs/a.py", "from batch.ledger import log"),
    (
        imports_that_point_up,
        "ledger/log.py",
        "import importlib\nimportlib.import_module('batch.cli.main')",
    ),
    (imports_that_point_up, "ledger/log.py", "if TYPE_CHECKING:\n    from batch.cli import main"),
    (imports_that_point_up, "attic.py", ""),
    (exceptions_that_nobody_needs, "cli/main.py", ""),
    (loops, "usage.py", "from batch import errors"),
    (loops, "usage.py", "if TYPE_CHECKING:\n    from batch.errors import BadBody"),
    (loops, "usage.py", "class A:\n    from batch.wire import b"),
    (loops, "ledger/lines.py", "from batch.ledger.log import Log"),
    (loops, "ledger/lines.py", "try:\n    from . import log\nexcept ImportError:\n    pass"),
    *((impure_rules, "wire/chat.py", f"import {name}") for name in ("asyncio", "time", "os.path")),
    (impure_rules, "retry.py", "from random import random"),
    (impure_rules, "adapt/window.py", "def f():\n    import pathlib"),
    (impure_rules, "wire/_http.py", "from datetime import datetime, UTC\ndatetime.now(UTC)"),
    (impure_rules, "wire/_http.py", "import datetime\ndatetime.date.today()"),
    (impure_rules, "script.py", "open('a')"),
    (impure_rules, "records.py", "import socket"),
    (vendor_words_outside_their_formats, "usage.py", 'NAME = "prompt_tokens"'),
    (vendor_words_outside_their_formats, "usage.py", "# as finish_reason says"),
    (vendor_words_outside_their_formats, "wire/_http.py", "usageMetadata = 1"),
    (vendor_words_outside_their_formats, "mock/gateway.py", '{"cached_tokens": 0}'),
    (vendor_words_outside_their_formats, "mock/images.py", '"finish_reason"'),
    (vendor_words_outside_their_formats, "cli/messages/a.py", '"stop_reason"'),
    (vendor_words_outside_their_formats, "ledger/chat.py", '"finish_reason"'),
    (readers_of_the_environment, "ledger/log.py", "import os\nos.environ.get('A')"),
    (readers_of_the_environment, "ledger/log.py", "from os import getenv"),
    (readers_of_the_environment, "files.py", "import sys\nprint(sys.argv)"),
]


@pytest.mark.parametrize(
    ("law", "name", "source"),
    BROKEN,
    ids=[f"{law.__name__}-{n}" for n, (law, *_) in enumerate(BROKEN)],
)
def test_a_broken_law_is_found_out(tmp_path, law, name, source):
    broken = law(tree_of(tmp_path, GOOD | {name: source}))

    assert broken
    assert any(name.removesuffix(".py").split("/")[0] in one for one in broken)


def test_names_of_ours_that_contain_a_vendors_word_are_no_vendors_word(tmp_path):
    tree = tree_of(tmp_path, {"usage.py": '"input_cached_tokens", "output_reasoning_tokens"'})

    assert vendor_words_outside_their_formats(tree) == []
