"""chronav on a CUDA machine, in one file: `make gpu-pack` writes it, `make gpu-check` runs it (docs/gpu.md)."""
