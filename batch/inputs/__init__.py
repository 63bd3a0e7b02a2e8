"""Reading files of prompts and data: from paths to lines, and from a line to what it asks.

    paths ─→ sources ─→ lines ─→ envelope ─→ Row or BadLine
             recognise    │       └─ filling: prompts, and rows in a template
                          └────→ scan: one pass before any request

A bad file is refused before any request; a bad line becomes one error record. What a body must
hold, only its wire format knows.
"""
