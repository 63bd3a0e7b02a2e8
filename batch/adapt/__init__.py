"""What nobody declares, found out by trying: how many calls go at once, and how often.

search      a number: as large as goes without calls being dropped
window      calls on the wire: a search that also heeds queues
queueing    whether answers take longer because calls wait for each other
reach       whether it is how many go at once, or how often, that is rejected
spread      whether calls that are paced go evenly, or a few of them together
doubt       whether calls are dropped for load at all
load        all of these together: what one side of a gateway takes
estimates   how many tokens a call takes, from what calls of its model took

Rules: clocks are handed in. One idea is behind all that heed load: a sign of it counts only as
long as obeying it helps.
"""
