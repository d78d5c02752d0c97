from __future__ import annotations

import csv
from importlib import resources

import pytest

from evaluation.reference import published


@pytest.mark.parametrize(
    ("protocol", "dataset", "column"),
    [
        ("linear", "ucf101", "ucf101_linear"),
        ("linear", "hmdb51", "hmdb51_linear"),
        ("finetune", "ucf101", "ucf101_finetune"),
        ("finetune", "hmdb51", "hmdb51_finetune"),
        ("retrieval", "ucf101", "ucf101_r1"),
        ("retrieval", "hmdb51", "hmdb51_r1"),
        ("audio", "esc50", "esc50"),
    ],
)
def test_every_number_of_the_column_is_there_with_its_source(
    protocol: str, dataset: str, column: str
) -> None:
    text = resources.files("evaluation.reference").joinpath("reference-results.csv").read_text()
    printed = sorted(
        (float(row[column]) for row in csv.DictReader(text.splitlines()) if row[column]), reverse=True
    )
    rows = published(protocol, dataset)
    assert [row.value * 100 for row in rows] == pytest.approx(printed)
    assert rows
    assert all(row.source and row.method for row in rows)


@pytest.mark.parametrize(
    ("protocol", "dataset"),
    [
        ("linear", "world"),
        ("audio", "esc10"),
        ("audio", "ucf101"),
        ("linear", "esc50"),
        ("crossmodal", "ucf101"),
    ],
)
def test_other_tasks_and_other_data_have_none(protocol: str, dataset: str) -> None:
    assert published(protocol, dataset) == []
