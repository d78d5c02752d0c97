"""UCF101: class and group are in the file names, the official splits in `trainlist0N.txt` and `testlist0N.txt`."""

from __future__ import annotations

import re

from chronav import storage
from chronav.errors import CallError
from pipelines.sources.base import (
    Listing,
    SourceItem,
    annotation_folder,
    annotation_text,
    file_stem,
    media_files,
)

SPLITS = (1, 2, 3)
_NAME = re.compile(r"v_(?P<label>\w+)_g(?P<group>\d+)_c\d+")
# The data set spells this class differently in its file names than in its class list and folders.
_CLASS_NAMES = {"HandStandPushups": "HandstandPushups"}


def list_ucf101(
    source: str, annotations: str | None, outside: tuple[str, ...] = (), name: str = "ucf101"
) -> Listing:
    """The files named `v_<Class>_gXX_cYY.*`, at any depth below `source`.

    `name`: of the data set, where another one (chronav's generated world) is laid out in the same way.
    The id is the file's stem; the group is `<Class>_gXX`, for XX counts anew in every class.
    Raises `CallError` when no file is named so, or an official list is missing from `annotations`.
    """
    splits = read_splits(annotations, name) if annotations is not None else {}
    files = media_files(source, outside)
    items = []
    for file in files:
        stem = file_stem(file.uri)
        match = _NAME.fullmatch(stem)
        if match is None:
            continue
        label = _CLASS_NAMES.get(match["label"], match["label"])
        items.append(
            SourceItem(
                uri=file.uri,
                size=file.size,
                mtime=file.mtime,
                video_id=stem,
                dataset=name,
                label=label,
                group=f"{label}_g{match['group']}",
                splits=splits.get(stem, {}),
            )
        )
    if not items:
        raise CallError(
            f"'{source}' is not laid out as ucf101: no file is named v_<Class>_gXX_cYY",
            code="bad_layout",
            path=source,
        )
    return Listing(items, ignored=len(files) - len(items))


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
