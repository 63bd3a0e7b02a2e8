"""Tells others what a command came to: a health check, a chat, a collector of metrics.

    Ended ─┬→ prometheus.page ──→ a file that a collector reads      always
           ├→ texts.text ───────→ the health check's address         always, and when it begins
           └→ texts.document ───→ the webhook's address              on failure, or always

``ended``, ``texts`` and ``prometheus`` are rules: values in, values out. ``post`` sends, and
``notices`` does all of it. What fails is said in a line, and changes no exit code. Of prompts and
answers nothing is told, and of an address no more than its host: the rest of it is a secret.
"""
