"""Folds that are made here: every item is asked about once, and no group is torn apart."""

from __future__ import annotations

import numpy as np
import pytest

from chronav.errors import CallError
from evaluation.grouping import made_folds


def test_without_groups_every_fold_has_its_share_of_every_class() -> None:
    labels = np.repeat(["a", "b"], [40, 10]).astype(object)
    parts, text = made_folds(labels, np.arange(50).astype(object), False, 5, 0)
    assert text.startswith("5 folds stratified by class; no groups are known")
    assert sorted(np.concatenate(parts)) == list(range(50))
    assert [(labels[part] == "b").sum() for part in parts] == [2] * 5
    _, fewer = made_folds(labels, np.arange(50).astype(object), False, 50, 0)
    assert fewer.startswith("40 folds stratified by class (50 were asked for, no class has more items);")
    other, _ = made_folds(labels, np.arange(50).astype(object), False, 5, 1)
    assert any((a.tolist() != b.tolist()) for a, b in zip(parts, other, strict=True))


def test_groups_of_several_classes_are_left_out_one_by_one() -> None:
    labels = np.tile(["a", "b", "c"], 6).astype(object)
    groups = np.repeat([f"speaker{i}" for i in range(6)], 3).astype(object)
    parts, text = made_folds(labels, groups, True, 5, 0)
    assert text == "each of 6 groups left out once"
    assert [set(groups[part]) for part in parts] == [{f"speaker{i}"} for i in range(6)]


@pytest.mark.parametrize("many", [False, True], ids=["groups of one class", "many groups"])
def test_other_groups_are_divided_and_never_torn_apart(many: bool) -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4).astype(str).astype(object)
    labels = (np.tile(["a", "b"], 60) if many else np.repeat(["a", "b", "c"], 40)).astype(object)
    shuffled = rng.permutation(120)
    labels, groups = labels[shuffled], groups[shuffled]
    parts, text = made_folds(labels, groups, True, 5, 3)
    assert text == "5 folds of whole groups (30 groups), stratified by class"
    assert sorted(np.concatenate(parts)) == list(range(120))
    for part in parts:
        assert not set(groups[part]) & set(np.delete(groups, part))


def test_what_cannot_be_divided_is_refused() -> None:
    labels = np.array(["a", "b", "c"], dtype=object)
    with pytest.raises(CallError, match="no class has two items"):
        made_folds(labels, labels, False, 5, 0)
    with pytest.raises(CallError, match="all of it is one group"):
        made_folds(labels, np.array(["g", "g", "g"], dtype=object), True, 5, 0)
    few, text = made_folds(np.array(["a", "a", "b"], dtype=object), labels, False, 5, 0)
    assert text.startswith("2 folds stratified by class")
    assert len(few) == 2
