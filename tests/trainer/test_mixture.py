from __future__ import annotations

from pathlib import Path

import pytest

from chronav.errors import CallError
from trainer.mixture import parse_tables, row_counts


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("texts", "paths", "weights"),
    [
        (["T"], ["T"], None),
        (["a", "b"], ["a", "b"], None),
        (["a=0.7", "b=0.3"], ["a", "b"], (0.7, 0.3)),
        (["a=7", "s3://bucket/b/=1e-1"], ["a", "s3://bucket/b/"], (7.0, 0.1)),
        (["run/lr=0.1/T=2"], ["run/lr=0.1/T"], (2.0,)),
        (["date=today"], ["date=today"], None),  # no number: a path
        (["lr=0.1/T"], ["lr=0.1/T"], None),
        (["=2"], ["=2"], None),  # no path before it
    ],
)
def test_a_number_behind_the_last_sign_is_a_weight(texts, paths, weights, monkeypatch):
    monkeypatch.setattr("chronav.storage.exists", lambda path: False)
    assert parse_tables(texts) == (paths, weights)


def test_a_path_that_exists_as_given_wins(here):
    (here / "lr=0.1").mkdir()
    assert parse_tables(["lr=0.1"]) == (["lr=0.1"], None)
    assert parse_tables(["lr=0.1=0.5"]) == (["lr=0.1"], (0.5,))


@pytest.mark.parametrize("weight", ["0", "-1", "-0.0", "nan", "inf", "1e999"])
def test_a_weight_that_is_not_finite_and_above_0_is_refused(weight):
    with pytest.raises(CallError, match=f"T={weight}: a weight must be a finite number above 0") as caught:
        parse_tables([f"T={weight}"])
    assert (caught.value.code, caught.value.key) == ("bad_value", "table")


def test_weights_for_some_tables_only_are_refused():
    with pytest.raises(CallError, match="--table b has no weight and others have") as caught:
        parse_tables(["a=0.7", "b"])
    assert caught.value.key == "table"


@pytest.mark.parametrize(
    ("rows", "weights", "counts"),
    [
        ([50, 50], [0.7, 0.3], [70, 30]),
        ([50, 50], [7, 3], [70, 30]),
        ([90, 10], [1, 1], [50, 50]),
        ([4, 3], [1, 1], [4, 3]),  # of equal remainders the earlier table's is rounded up
        ([3, 4, 3], [1, 1, 1], [4, 3, 3]),
        ([5, 5], [1, 1e-9], [10, 0]),
        ([12], [0.2], [12]),
        ([1, 10**12], [1e-300, 1e300], [0, 10**12 + 1]),
    ],
)
def test_shares_are_rounded_by_largest_remainder(rows, weights, counts):
    assert row_counts(rows, weights) == counts


def test_shares_add_up_and_are_exact_to_a_row():
    weights = [0.1, 0.2, 0.3, 0.15]
    for total in range(1, 200):
        counts = row_counts([total, 0, 0, 0], weights)
        assert sum(counts) == total
        assert all(abs(n - total * w / 0.75) < 1 for n, w in zip(counts, weights, strict=True))
