"""Reports: what finished runs used, in money, by whatever people ask for.

    sources ─→ buckets ─→ tally ─→ view ─→ table, plain (CSV, Markdown, JSON), page (HTML)
    files       rows       sums     words

Nothing is written here but what is asked for, and nothing is read from the network.
"""
