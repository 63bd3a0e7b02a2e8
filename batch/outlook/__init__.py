"""What a run is about to take, told before anything is sent. Nothing is sent or written for it.

``look`` opens a run and looks at the lines that are still to be asked, ``lasting`` says how long
they take, ``words`` and ``request`` what of it people read.
"""
