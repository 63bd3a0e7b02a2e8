"""The Python face: a run as a part of somebody else's program.

    calls     run(inputs, output, model=..., ...), and run_sync, which waits
      said      the arguments as settings, as the command would have them
      rows      data as a file of lines beside the output; json_line, one of them
    asking    Run: what a program has in hand, async for result in run
      guest     the engine in a thread of its own
      follow    records, read back as soon as they are safe
    results   Results: a list that is read from disk; of Result, in result
      frame     the same as a pandas DataFrame

What is on disk, when, and what refuses a run is the engine's, the same as for ``wbatch run``. The
program and the run share no loop: a body of ``async for`` that calculates for a minute lets no
request time out, and the results that come meanwhile wait on disk.
"""

from batch.api.asking import Run, Unfinished
from batch.api.calls import run, run_sync
from batch.api.result import Result
from batch.api.results import Results, read

__all__ = ["Result", "Results", "Run", "Unfinished", "read", "run", "run_sync"]
