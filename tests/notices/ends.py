"""What commands came to, made up, and somebody who is told of it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from batch.notices.ended import Ended

AT = 1_795_313_400.25
PROMPT = "the prompt that nobody is told"
RUN: dict[str, Any] = {
    "object": "batch",
    "id": "r1",
    "status": "completed",
    "endpoint": PROMPT,
    "request_counts": {"total": 20, "completed": 17, "failed": 2},
    "x_run": {
        "exit_code": 3,
        "reasons": {"3": "2 lines failed"},
        "pending": 1,
        "usage": {"input_tokens": 900, "output_tokens": 41, "input_cached_tokens": None},
        "inputs": [{"path": "in.jsonl"}],
        "identity": {"params": PROMPT},
    },
}


def ended(code: int = 0, job: str = "triage", **facts: Any) -> Ended:
    known: dict[str, Any] = {
        "meaning": "every line has an answer" if code == 0 else "some lines failed",
        "at": AT,
        "seconds": 12.5,
        "lines": ("done     17 ok", "next     wbatch retry"),
        "runs": (RUN,),
    }
    return Ended(job=job, exit_code=code, **known | facts)


class Told(NamedTuple):
    """One thing that somebody was told."""

    path: str
    type: str
    body: str


class Listener:
    """Listens on 127.0.0.1 in a thread of its own; answers each with the next status, or the last.

    With no status at all it takes a call and never answers. ``tls`` is what it speaks then.
    """

    def __init__(self, *statuses: int, tls: ssl.SSLContext | None = None) -> None:
        self.told: list[Told] = []
        self.logins: list[str | None] = []
        self.on_told: Callable[[], None] = lambda: None
        self._statuses = list(statuses)
        self._over = threading.Event()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listener._take(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/s3cret-place"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers["Content-Length"] or 0)).decode()
        self.logins.append(asked.headers["Proxy-Authorization"])
        self.told.append(Told(asked.path, asked.headers["Content-Type"], body))
        self.on_told()
        if not self._statuses:
            self._over.wait(30)
            return
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        asked.send_response(status)
        asked.send_header("Location", "/elsewhere")
        asked.send_header("Content-Length", "0")
        asked.end_headers()
