"""The compiled loops.

Loops are plain Python, compiled by ``jit.compile`` when ``jit.run.run_loop`` calls one. A loop checks nothing: its caller
guarantees shapes and types. Arrays are in C order unless a loop says otherwise, ``out`` comes last, and nothing is allocated in
a loop. The code may call the functions in ``jit.compile.C_FUNCTIONS`` alone, so that NumPy's sort, median or power cannot be
used. A module of loops imports vector operations, tables and functions of other loops, and nothing else.

Where it is not a vector, an array is sliced before a loop and indexed by the plain loop variable: an index such as ``x + 3``
could be negative for all that Numba knows, and the loop would become a gather, five times slower.
"""
