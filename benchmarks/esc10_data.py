"""What the ESC-10 study learns from: ESC-10 as it is published, and films with sound, as clip tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronav.config import build
from chronav.errors import CallError
from pipelines.config import IngestConfig
from pipelines.job import ingest

RATE = 16_000
FOLDS = (1, 2, 3, 4, 5)
RECORDINGS = 400
_HEADER = ("uri", "video_id", "dataset", "label", "group", "fold", "esc50/esc10")
_FILMS = (".mp4", ".avi", ".mpg", ".mkv", ".webm", ".mov")


@dataclass(frozen=True)
class Recording:
    """A file of ESC-10, and what its name and its folder say."""

    file: Path
    label: str
    fold: int
    source: str  # the Freesound recording that it was cut from: all its takes are in one fold

    def row(self) -> tuple[str, ...]:
        """Its line in a table of uris, by `_HEADER`."""
        return (str(self.file), self.file.stem, "esc50", self.label, self.source, str(self.fold), "true")


def recordings(folder: Path) -> list[Recording]:
    """All 400, sorted; raises `CallError` where any is missing or a name is not of the form."""
    found = [_recording(file) for file in sorted(folder.glob("*/*.ogg"))]
    if len(found) != RECORDINGS:
        raise CallError(
            f"'{folder}' holds {len(found)} of the {RECORDINGS} recordings of ESC-10 (CLASS/FOLD-SOURCE-TAKE.ogg)",
            code="missing_data",
            path=str(folder),
        )
    return found


def _recording(file: Path) -> Recording:
    parts = file.stem.split("-")
    if len(parts) != 3 or parts[0] not in map(str, FOLDS):
        raise CallError(f"'{file}' is not named FOLD-SOURCE-TAKE.ogg", code="bad_source", path=str(file))
    return Recording(file.absolute(), file.parent.name.partition(" - ")[2], int(parts[0]), parts[1])


def esc10_table(source: Path, folder: Path) -> str:
    """The clip table of ESC-10 in `folder`, brought up to date."""
    rows = [_HEADER, *(one.row() for one in recordings(source))]
    # Every official item counts, also where two were the same.
    return _ingested("esc10", rows, folder, {"duplicates": "keep"})


def films(folders: Sequence[Path]) -> list[Path]:
    """All films below the folders, sorted; raises `CallError` where there is none."""
    found = sorted(file for folder in folders for file in folder.rglob("*") if file.suffix in _FILMS)
    if not found:
        raise CallError(
            f"there are no films in {', '.join(map(str, folders))}", code="missing_data", path=str(folders[0])
        )
    return [file.absolute() for file in found]


def film_table(folders: Sequence[Path], folder: Path) -> str:
    """The clip table in `folder` of the films with sound below `folders`, brought up to date."""
    rows = [("uri",), *((str(file),) for file in films(folders))]
    return _ingested("films", rows, folder, {"short_side": 48, "require_audio": True})


def _ingested(name: str, rows: Sequence[Sequence[str]], folder: Path, config: dict[str, Any]) -> str:
    listed, text = folder / f"{name}.csv", io.StringIO()
    csv.writer(text).writerows(rows)
    listed.write_text(text.getvalue())
    table = f"{folder}/{name}"
    ingest(str(listed), table, build(IngestConfig, defaults=config | {"sample_rate": RATE}), "folder", None)
    return table
