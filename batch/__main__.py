"""``wbatch`` and ``python -m batch``: the command, from its first moment to its last.

While it loads, and when all is said, a signal ends it without a word. In between the command itself
knows what to do.
"""

from __future__ import annotations

import atexit
import os
import signal

from batch.signals import SIGNALS, gone, leaving, loading


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    loading()
    atexit.register(gone)  # now, so that it is called after all others
    code = SIGNALS[signal.SIGINT]
    try:
        code = _come_to()
        leaving(code)
    except KeyboardInterrupt:  # once more, in this very moment
        os._exit(code)
    raise SystemExit(code)


def _come_to() -> int:
    """Run the command line, and return its exit code."""
    from batch.cli import main as command  # noqa: PLC0415 - most of the time until it can begin

    try:
        command()
    except KeyboardInterrupt:
        return SIGNALS[signal.SIGINT]
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    return 0


if __name__ == "__main__":
    main()
