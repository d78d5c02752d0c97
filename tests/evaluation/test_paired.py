from __future__ import annotations

import pytest

from evaluation.metrics import bootstrap_interval, sign_flip_p
from evaluation.paired import Paired, compare_answers


def answers(right: list[int], groups: list[str] | None = None, **changes: list) -> dict[str, list]:
    n = len(right)
    columns = {
        "video_id": [f"v{i}" for i in range(n)],
        "group": groups or [f"g{i}" for i in range(n)],
        "fold": ["f"] * n,
        "seed": [0] * n,
        "truth": ["yes"] * n,
        "pretrained": ["yes" if one else "no" for one in right],
    }
    return columns | changes


def test_the_difference_is_paired_by_item_in_whatever_order() -> None:
    first, second = [1, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1]
    found = compare_answers(answers(first), answers(second))
    assert isinstance(found, Paired)
    gained = [b - a for a, b in zip(first, second, strict=True)]
    expected = bootstrap_interval(gained, range(6), 2000, 0)
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert found.value == pytest.approx(2 / 6)
    assert found.p == sign_flip_p(gained, range(6), 0)
    assert found.items == 6
    turned = {name: values[::-1] for name, values in answers(second).items()}
    assert compare_answers(answers(first), turned) == found


def test_every_fold_weighs_alike() -> None:
    folds = ["small"] + ["large"] * 3
    found = compare_answers(answers([0, 0, 0, 0], fold=folds), answers([1, 0, 0, 0], fold=folds))
    assert isinstance(found, Paired)
    assert found.value == pytest.approx((1 + 0) / 2)


def test_a_group_is_one_draw() -> None:
    same = ["g"] * 3 + ["h"] * 3
    found = compare_answers(answers([0] * 6, same), answers([1] * 6, same))
    assert isinstance(found, Paired)
    assert (found.groups, found.items, found.p) == (2, 6, None)  # of two no p can be small
    six = [f"g{i // 2}" for i in range(12)]
    found = compare_answers(answers([0] * 12, six), answers([1] * 12, six))
    assert isinstance(found, Paired)
    assert (found.groups, found.items, found.p) == (6, 12, pytest.approx(2 / 2**6))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (None, "not in this MLflow store"),
        (answers([1, 1]), "same items"),
        (answers([1, 1, 1], fold=["g"] * 3), "same items"),
        (answers([1, 1, 1], truth=["no"] * 3), "same items"),
        ({"video_id": ["v0"]}, "no single answers"),
    ],
)
def test_what_cannot_be_paired_says_why(other: dict | None, reason: str) -> None:
    found = compare_answers(answers([1, 0, 1]), other)
    assert isinstance(found, str)
    assert reason in found
