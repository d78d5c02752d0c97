"""Published results to set beside one's own: as printed by others, by other protocols.

`reference-results.csv` holds them in percent, a row a method, with where each row was read.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

NOTE = (
    "Read from the places named, not measured here. Networks, pre-training data, input sizes, clips, crops and "
    "classifiers differ from row to row and from this run: the rows say where the field stands, not who is better."
)
_COLUMNS = {"finetune": "finetune", "linear": "linear", "retrieval": "r1"}
"""Protocol -> how the columns of video data sets end."""
METRICS = {"finetune": "top1_video", "linear": "top1_video", "retrieval": "R@1", "audio": "top1_video"}
"""Protocol -> the metric of an outcome that its published numbers are of."""


@dataclass(frozen=True)
class Published:
    """One published number, `value` in 0..1, with what is known of how it came about."""

    method: str
    venue: str
    pretraining: str
    backbone: str
    note: str
    value: float
    source: str


def published(protocol: str, dataset: str) -> list[Published]:
    """The published results of the same task on the same data set, best first; none where none are known."""
    column = "esc50" if (protocol, dataset) == ("audio", "esc50") else f"{dataset}_{_COLUMNS.get(protocol)}"
    text = resources.files(__name__).joinpath("reference-results.csv").read_text(encoding="utf-8")
    rows = [
        Published(
            row["method"],
            row["venue"].strip("-"),
            row["pretraining"],
            row["video_backbone"],
            row["protocol_note"],
            float(row[column]) / 100,
            row["source"],
        )
        for row in csv.DictReader(text.splitlines())
        if row.get(column)
    ]
    return sorted(rows, key=lambda row: -row.value)
