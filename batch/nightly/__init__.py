"""Nights: a job whose days are folders, each built aside and published whole.

    days ─→ partition ─→ state ─→ (a run, in the partial folder) ─→ shelf: published by one rename
    which    where       what is to be done

``days``, ``partition`` and ``state`` are rules; ``shelf`` is the edge. The run itself is like any
other: it knows nothing of nights, only that its output is in a folder whose name begins with a dot.
"""

from __future__ import annotations
