"""Everything that can refuse a run, in order, before its first write and its first request.

    run         opens it: the others in turn, and reads all lines
      places    an output that can be one, inputs that can be had again
      settings  asked as it was begun?
      lines     do those that were asked still stand there as they were?

That no other process has the run, ``ledger.hold`` sees to; what an earlier session left,
``ledger.recover``.
"""

from batch.opening.places import recorded_inputs, refuse_output
from batch.opening.run import Opened, Wanted, drop_changed, open_run

__all__ = ["Opened", "Wanted", "drop_changed", "open_run", "recorded_inputs", "refuse_output"]
