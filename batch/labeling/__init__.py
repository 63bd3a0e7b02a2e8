"""Labels: what a line may be answered, votes about it, and how good the labels are.

``kinds`` is what an answer may be, ``repair`` what can be mended in it for free, ``script`` the
script that the engine is given, ``votes`` the majority. ``gold``, ``finished`` and ``compare`` read
a finished run beside labels that people gave, ``metrics`` counts, ``page`` shows.
"""

from __future__ import annotations
