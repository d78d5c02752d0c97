"""Histograms of cosines against numpy, and which pairs are counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.watch.similarity import Histogram, compare, table


def test_a_histogram_holds_mean_and_quantiles_to_a_bin():
    values = torch.rand(20_000, generator=torch.Generator().manual_seed(0)) * 1.2 - 0.7
    halves = Histogram.of(values[:7000]) + Histogram.of(values[7000:])
    assert halves.n == 20_000
    assert halves.mean == pytest.approx(float(values.mean()), abs=1e-6)
    for share in (0.05, 0.5, 0.95):
        assert halves.quantile(share) == pytest.approx(np.quantile(values.numpy(), share), abs=0.01)


def test_the_ends_of_the_range_are_in_the_outer_bins():
    counts = Histogram.of(torch.tensor([-1.0, 1.0, 1.0000001])).counts
    assert (counts[0], counts[-1], counts.sum()) == (1, 2, 3)


def test_positives_are_the_pairs_and_negatives_the_keys_of_other_videos():
    axes = torch.eye(3)
    query = torch.stack([axes[0], axes[0], axes[1]])
    key = torch.stack([axes[0], axes[1], -axes[1]])
    found = compare(query, key, video=torch.tensor([7, 7, 8]))
    # Pairs: 1, 0, -1. Of other videos: (0, 2) and (1, 2) -> 0, 0; (2, 0) -> 0; (2, 1) -> 1.
    assert (found.positive.n, found.positive.mean) == (3, 0.0)
    assert (found.negative.n, found.negative.mean) == (4, 0.25)


def test_chunks_do_not_change_what_is_counted(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    query, key = (torch.nn.functional.normalize(torch.randn(50, 4, generator=generator)) for _ in range(2))
    video = torch.arange(50) // 3
    whole = compare(query, key, video)
    monkeypatch.setattr("trainer.watch.similarity._CHUNK", 7)
    parts = compare(query, key, video)
    np.testing.assert_array_equal(whole.negative.counts, parts.negative.counts)
    expected = (query @ key.T)[video[:, None] != video[None, :]]
    assert whole.negative.mean == pytest.approx(float(expected.mean()), abs=1e-6)
    assert whole.negative.n == len(expected)


def test_the_table_has_a_row_a_filled_bin_whose_shares_add_up():
    found = compare(torch.eye(2), torch.eye(2), video=torch.tensor([1, 2]))
    columns = table(20, {"vv": found})
    rows = list(zip(*columns.values(), strict=True))
    assert rows == [(20, "vv", "positive", 0.95, 1.0, 2, 1.0), (20, "vv", "negative", 0.0, 0.05, 2, 1.0)]


def test_metrics_leave_out_what_there_is_none_of():
    one_video = compare(torch.eye(2), torch.eye(2), video=torch.tensor([1, 1]))
    assert set(one_video.metrics("similarity/vv")) == {
        "similarity/vv_positive",
        "similarity/vv_positive_p05",
        "similarity/vv_positive_p95",
    }
