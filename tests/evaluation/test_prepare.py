"""What is measured of a table, and what of the official list that covers: before any media is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chronav import load_export
from evaluation.config import EvaluateConfig
from evaluation.describe import Measurement
from evaluation.protocols import protocol_named
from evaluation.subject import Subject, prepare


@pytest.fixture
def lists(tmp_path: Path) -> str:
    """An official list of two splits, of which the table of colours holds a part."""
    (tmp_path / "trainlist01.txt").write_text("red/v_red_g00.avi 1\nred/v_red_gone.avi 1\n")
    (tmp_path / "testlist01.txt").write_text("red/v_red_g05.avi\n")
    (tmp_path / "trainlist02.txt").write_text("red/v_red_elsewhere.avi 1\n")
    (tmp_path / "testlist02.txt").write_text("red/v_red_g06.avi\n")
    return str(tmp_path)


def prepared(protocol: str, export: str, table: str, lists: str, split: Any) -> Subject:
    task = Measurement(protocol_named(protocol), load_export(export), EvaluateConfig(allow_seen=True), split)
    return prepare(table, task, None, lists)


def counts(subject: Subject) -> tuple[int, ...]:
    return tuple(subject.coverage[name] for name in ("listed", "found", "unusable", "missing"))


def test_missing_items_are_those_of_the_splits_that_are_measured(
    colour_table: str, tiny_export: str, lists: str
) -> None:
    subject = prepared("linear", tiny_export, colour_table, lists, 1)
    assert counts(subject) == (3, 2, 0, 1)
    assert subject.missing == ["v_red_gone"]


def test_folds_of_ones_own_cover_a_part_of_the_whole_list(
    colour_table: str, tiny_export: str, lists: str
) -> None:
    subject = prepared("linear", tiny_export, colour_table, lists, "folds")
    assert counts(subject) == (5, 21, 0, 2)
    assert subject.missing == ["v_red_elsewhere", "v_red_gone"]
    assert not any(cover["official_list"] for cover in subject.split_coverage.values())
