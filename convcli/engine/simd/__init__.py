"""Vector operations that loops are written with: in NumPy (reference) and in machine code (llvm)."""
