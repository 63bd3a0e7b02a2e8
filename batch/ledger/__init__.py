"""The ledger: three append-only logs that alone say what was answered, and what it cost.

``book`` is the one writer of a run; ``recover`` reads what an earlier session left; ``publish``
derives the files that are replaced whole. The logs' lines are described in docs/formats.md.
"""
