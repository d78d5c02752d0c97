from __future__ import annotations

import pytest

from benchmarks.gpu.peaks import peak_flops


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA L40S", 362e12),
        ("Tesla T4", 65e12),
        ("NVIDIA GeForce GTX 1080", None),
        ("NVIDIA A1000", None),
    ],
)
def test_peaks_by_name(name, peak):
    assert peak_flops(name) == peak
