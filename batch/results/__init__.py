"""What a run came to, for whoever reads it: its records in either order, as tables and as files.

``logs`` reads the records of a run, which may go on meanwhile; ``record`` understands one;
``beside`` reads the inputs again, ``costs`` prices an answer, and ``columns`` makes rows of all;
``texts``, ``tables`` and ``arrays`` write these in the formats that people ask for; ``publish``
puts a file in place whole; ``export`` is the way through all of them; ``view`` is how a record
looks on a terminal.
"""
