"""UCF101: class and group are in the file names, the official splits in `trainlist0N.txt` and `testlist0N.txt`."""

from __future__ import annotations

import re

from chronav import storage
from chronav.listing import StoredFile
from pipelines.sources.annotations import annotation_folder, annotation_text
from pipelines.sources.base import Listing, file_stem
from pipelines.sources.files import SourceFiles
from pipelines.sources.layout import Facts, Match, make_listing

SPLITS = (1, 2, 3)
_NAME = re.compile(r"v_(?P<label>\w+)_g(?P<group>\d+)_c\d+")
# The data set spells this class differently in its file names than in its class list and folders.
_CLASS_NAMES = {"HandStandPushups": "HandstandPushups"}


def list_ucf101(files: SourceFiles, annotations: str | None, name: str = "ucf101") -> Listing:
    """The files named `v_<Class>_gXX_cYY.*`, at any depth.

    `name`: of the data set, where another one (chronav's generated world) is laid out in the same way.
    The id is the file's stem; the group is `<Class>_gXX`, for XX counts anew in every class.
    Raises `CallError` when no file is named so, or an official list is missing from `annotations`.
    """
    splits = read_splits(annotations, name) if annotations is not None else {}

    def match(file: StoredFile) -> Match | None:
        stem = file_stem(file.uri)
        parts = _NAME.fullmatch(stem)
        if parts is None:
            return None
        label = _CLASS_NAMES.get(parts["label"], parts["label"])
        return Match(stem, Facts(label, f"{label}_g{parts['group']}", splits.get(stem, {})))

    return make_listing(files, name, match, splits, "no file is named v_<Class>_gXX_cYY")


def list_world(files: SourceFiles, annotations: str | None) -> Listing:
    """chronav's generated world, which has the layout of UCF101."""
    return list_ucf101(files, annotations, "world")


def read_splits(annotations: str, name: str = "ucf101") -> dict[str, dict[str, str]]:
    """Video id -> `{"<name>/1": "test", ...}` from the official lists of every split that is there.

    Split 1 must be there; of a split, both lists must be.
    """
    folder = annotation_folder(annotations)
    splits: dict[str, dict[str, str]] = {}
    for number in SPLITS:
        if number > 1 and not storage.exists(storage.join(folder, f"trainlist{number:02d}.txt")):
            continue
        for part in ("train", "test"):
            text = annotation_text(storage.join(folder, f"{part}list{number:02d}.txt"))
            for line in text.splitlines():
                if line.strip():
                    # `Class/v_Class_g01_c01.avi`, in the train lists followed by the class number
                    stem = file_stem(line.split()[0])
                    splits.setdefault(stem, {})[f"{name}/{number}"] = part
    return splits
