"""What lines are likely to take before they are asked, and the most that they can.

A rule: lines, prices, and what answers took so far are handed in. Of each thing that nobody knows
yet three numbers are told. *Low* is what a run takes whose answers are short and of which none is
asked for again. *Likely* goes by what the wire formats guess, and by the run's own answers as soon
as there are some. *High* goes by the bounds of each request, and takes all votes and all re-asks
as asked. What failed attempts cost is in none of the three: a text is asked for once more after an
answer that was cut, which may be billed, but how often answers are cut is the gateway's matter.

``told`` is what is said, ``sums`` adds lines up, each as ``guess`` has it.
"""
