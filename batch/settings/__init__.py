"""What users set, and where they say it: one tree, and the places that it is read from.

toml ─→ checker ─→ config ─→ tree      files, checked against the tree, line by line
envfile ─→ keyring, proxies            what is in the environment, or in a file beside it
pricelist                              prices, from the tree, from files, from a list
moment                                 when a run has to have ended, as of when it began
"""

from __future__ import annotations
