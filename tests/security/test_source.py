"""What the source must not use, asked of the source itself; and that each ban is found out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2] / "batch"

# What runs what it reads, or reads what a stranger may have written as more than data.
MODULES = frozenset(
    {
        *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"),
        *("dbm", "yaml", "code", "codeop", "pty", "commands", "xml", "telnetlib", "ftplib"),
        *("multiprocessing", "concurrent.futures.process", "netrc", "http.cookiejar"),
    }
)
CALLS = frozenset({"eval", "exec", "compile", "__import__", "input", "breakpoint"})
METHODS = frozenset(
    {
        *("os.system", "os.popen", "os.startfile", "os.fork", "os.tempnam", "tempfile.mktemp"),
        *("subprocess.getoutput", "subprocess.getstatusoutput"),
        *("asyncio.create_subprocess_shell", "ssl._create_unverified_context"),
        *("ssl.wrap_socket", "shutil.unpack_archive"),
    }
)
# A flag that must not be said, whatever it is said to.
FLAGS = {
    "shell": "a shell reads what it is given",
    "trust_env": "proxies and .netrc are read by us or by nobody",
    "verify_ssl": "TLS is verified",
    "unsafe": "cookies of bare addresses would be kept",
}
PROCESSES = {"settings/apart.py"}  # where another process may be started
UNVERIFIED = {"transport/trust.py"}  # looks at a certificate that was refused, and sends nothing
# Environments of templates: the sandbox for those of users, and one that escapes, for our own page.
TEMPLATES = {"template.py": "ImmutableSandboxedEnvironment", "report/page.py": "Environment"}


def broken_bans(name: str, source: str) -> list[str]:
    """Return what a file uses that nothing here may use."""
    return [f"{name}:{line}: {what}" for line, what in _banned(name, ast.parse(source))]


def _banned(name: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from _banned_imports(name, node, [one.name for one in names])
            case ast.ImportFrom(module=str(module), names=names):
                whole = [f"{module}.{one.name}" for one in names]
                yield from _banned_imports(name, node, [module, *whole])
            case ast.Call():
                yield from _banned_call(name, node)
            case ast.Attribute(attr="CERT_NONE") if name not in UNVERIFIED:
                yield node.lineno, "TLS that trusts everybody"


def _banned_imports(name: str, node: ast.stmt, imported: list[str]) -> Iterator[tuple[int, str]]:
    for one in imported:
        top = one.partition(".")[0]
        if {one, top} & MODULES or one in METHODS:
            yield node.lineno, one
        if top == "subprocess" and name not in PROCESSES:
            yield node.lineno, "another process"


def _banned_call(name: str, call: ast.Call) -> Iterator[tuple[int, str]]:
    called = ast.unparse(call.func)
    if called in CALLS or called in METHODS:
        yield call.lineno, called
    if called.endswith("Environment") and TEMPLATES.get(name) != called:
        yield call.lineno, f"{called} of templates"
    for one in call.keywords:
        off = isinstance(one.value, ast.Constant) and one.value.value is False
        if one.arg in FLAGS and not (off and one.arg != "verify_ssl"):
            yield call.lineno, f"{one.arg}: {FLAGS[one.arg]}"
        if one.arg == "ssl" and off:
            yield call.lineno, "TLS that trusts everybody"
        if one.arg == "autoescape" and off:
            yield call.lineno, "a page in which nothing is escaped"


def test_nothing_runs_or_unpacks_what_it_reads() -> None:
    found = [
        one
        for path in sorted(HOUSE.rglob("*.py"))
        for one in broken_bans(str(path.relative_to(HOUSE)), path.read_text(encoding="utf-8"))
    ]

    assert found == []


def test_every_exception_is_needed() -> None:
    for name in PROCESSES:
        assert "subprocess.Popen(" in (HOUSE / name).read_text()
    for name in UNVERIFIED:
        assert "CERT_NONE" in (HOUSE / name).read_text()
    for name, kind in TEMPLATES.items():
        assert f"{kind}(" in (HOUSE / name).read_text()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "import pickle as p", "from pickle import loads", "import xml.sax",
        "import shelve", "from marshal import loads", "import yaml", "from yaml import load",
        "eval('1')", "exec('1')", "compile('1', '', 'exec')", "__import__('os')",
        "import os\nos.system('ls')", "import os\nos.popen('ls')", "from os import system",
        "import subprocess", "from subprocess import run", "f(shell=True)", "f(shell=x)",
        "import multiprocessing", "from concurrent.futures.process import ProcessPoolExecutor",
        "aiohttp.ClientSession(trust_env=True)", "aiohttp.TCPConnector(verify_ssl=False)",
        "session.get(url, ssl=False)", "context.verify_mode = ssl.CERT_NONE",
        "ssl._create_unverified_context()", "Environment()", "jinja2.Environment(autoescape=True)",
        "import tempfile\ntempfile.mktemp()", "f(autoescape=False)",
        "aiohttp.CookieJar(unsafe=True)",
    ],
)  # fmt: skip
def test_each_ban_is_found_out_when_it_is_broken(source: str) -> None:
    assert broken_bans("cli/show.py", source)
