"""The vector operations of the loops: in NumPy (``reference``) and in machine code (``llvm``)."""
