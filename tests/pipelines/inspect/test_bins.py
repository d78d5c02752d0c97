from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.inspect.bins import summary


# No subnormal numbers: training code that ran before in the same process may have switched them off.
@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=200))
def test_every_value_is_counted_once(values: list[float]) -> None:
    found = summary(np.array(values))
    assert found is not None
    assert sum(found["counts"]) + found["below"] + found["above"] == found["n"] == len(values)
    assert found["min"] <= found["median"] <= found["p95"] <= found["max"]
    assert found["edges"] == sorted(set(found["edges"]))
    assert len(found["edges"]) == len(found["counts"]) + 1 <= 60


def test_bins_are_where_the_values_are() -> None:
    found = summary(np.array([0.0, 0.5, 0.6, 9.9]))
    assert found is not None
    counts = dict(zip(found["edges"], found["counts"], strict=False))
    assert {edge: count for edge, count in counts.items() if count} == {0.0: 1, 0.5: 2, 9.5: 1}
    assert (found["mean"], found["below"], found["above"]) == (pytest.approx(2.75), 0, 0)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_long_tail_does_not_flatten_the_rest(sign: int) -> None:
    values = np.concatenate([np.linspace(1, 10, 999), [10_000.0]]) * sign
    found = summary(values)
    assert found is not None
    assert found["above" if sign > 0 else "below"] > 0
    assert sum(count > 0 for count in found["counts"]) >= 15


def test_of_nothing_there_is_no_summary() -> None:
    assert summary(np.array([])) is None
    assert summary(np.array([np.nan])) is None


def test_equal_values_are_one_bar() -> None:
    for value in (0.0, 10.0, -120.0, 1e-6):
        found = summary(np.full(7, value))
        assert found is not None
        assert max(found["counts"]) == 7
