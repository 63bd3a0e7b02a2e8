"""On what it was measured, and where that is written down."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "performance.md"


def machine() -> str:
    """Say on what it was measured."""
    processors = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.release()}"
    return f"{processors} processors, {system}, CPython {platform.python_version()}"
