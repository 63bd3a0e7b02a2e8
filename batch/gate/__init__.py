"""The gate: how many calls are on the wire, how fast they go, and which may not go at all.

visit       one call's way: its key's side (lane), then the account's
crowd       everybody who waits: in which order, and how they are sent away
passage     a side: a pause (schedule), slots under a window, a pace, requests and tokens (limit)
account     a passage that also knows health, money, breakers and the retry budget
breakers    what is closed, and why
trials      models in trouble: one call at a time tries them, before and after they are closed
memory      bytes in flight: a budget that calls take from once they are admitted
holdups     what may hold a call up
waits       how anybody waits here: in order, and only until sent away
"""
