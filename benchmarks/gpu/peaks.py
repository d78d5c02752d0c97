"""Peak rates of known devices, the denominator of model FLOP utilisation."""

from __future__ import annotations

# Dense bfloat16 (T4: float16) tensor-core FLOP/s from the maker's data sheets; the first name that fits counts.
_PEAKS = (
    ("H100 PCIe", 756e12),
    ("H100 NVL", 835e12),
    ("H100", 989e12),  # SXM: "NVIDIA H100 80GB HBM3"
    ("H200 NVL", 836e12),
    ("H200", 989e12),
    ("A100", 312e12),
    ("L40S", 362e12),
    ("L4", 121e12),
    ("A10G", 70e12),
    ("T4", 65e12),
)


def peak_flops(device_name: str) -> float | None:
    """Peak FLOP/s of the device, None where it is not in the table."""
    words = f" {device_name} "
    return next((peak for name, peak in _PEAKS if f" {name} " in words.replace("-", " ")), None)
