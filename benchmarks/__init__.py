"""Side-by-side figures and slow proofs; each module runs by itself: `python -m benchmarks.NAME`."""
