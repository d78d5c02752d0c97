"""HMDB51: class and film are in the file names, the official splits in `<class>_test_split{1,2,3}.txt`."""

from __future__ import annotations

import re

from chronav import listing, storage
from chronav.errors import CallError
from chronav.listing import StoredFile
from pipelines.sources.annotations import annotation_folder, annotation_text, malformed
from pipelines.sources.base import Listing, file_name, file_stem
from pipelines.sources.files import SourceFiles
from pipelines.sources.layout import Facts, Match, make_listing

_CLASS = (
    "brush_hair|cartwheel|catch|chew|clap|climb|climb_stairs|dive|draw_sword|dribble|drink|eat|fall_floor|fencing|"
    "flic_flac|golf|handstand|hit|hug|jump|kick|kick_ball|kiss|laugh|pick|pour|pullup|punch|push|pushup|ride_bike|"
    "ride_horse|run|shake_hands|shoot_ball|shoot_bow|shoot_gun|sit|situp|smile|smoke|somersault|stand|"
    "swing_baseball|sword|sword_exercise|talk|throw|turn|walk|wave"
)
# Title, class, visible part of the body, camera motion, number of people, view, quality, number. The title is the
# shortest that will do, so that of two classes the longer is taken: `draw_sword` is no `sword`.
_NAME = re.compile(
    rf"(?P<title>.+?)_(?P<label>{_CLASS})_[fhlu]_(?:cm|nm)_np\d+_(?:ba|fr|le|ri)_(?:bad|med|goo)_\d+"
)
_LIST = re.compile(r"(?P<label>\w+)_test_split(?P<number>[123])\.txt")
_SIDES = {"0": None, "1": "train", "2": "test"}  # what the lists have for: in neither, training, test


def list_hmdb51(files: SourceFiles, annotations: str | None) -> Listing:
    """The files named as HMDB51 names its clips, at any depth.

    The id is the file's stem. The group is the title before the class: the film, or the part of one, that the clip
    is from, in whatever class; the official splits too take `Pirates_1` and `Pirates_2` for two.
    A clip that a split leaves out has no entry for it in `splits`.
    Raises `CallError` when no file is named so, or an official list is missing from `annotations` or malformed.
    """
    splits = read_splits(annotations) if annotations is not None else {}

    def match(file: StoredFile) -> Match | None:
        stem = file_stem(file.uri)
        parts = _NAME.fullmatch(stem)
        if parts is None:
            return None
        return Match(stem, Facts(parts["label"], parts["title"], splits.get(stem, {})))

    layout = "no file is named <title>_<class>_<body>_<camera>_<people>_<view>_<quality>_<number>"
    return make_listing(files, "hmdb51", match, splits, layout)


def read_splits(annotations: str) -> dict[str, dict[str, str]]:
    """Video id -> `{"hmdb51/1": "test", ...}` from the official lists; raises `CallError` when one is missing.

    A split that is there must have a list for every class that any split has one for.
    """
    folder = annotation_folder(annotations)
    lists = {file_name(file.uri): file.uri for file in listing.list_files(folder)}
    kinds = [match.groups() for match in map(_LIST.fullmatch, lists) if match is not None]
    if not kinds:
        raise CallError(
            f"no file <class>_test_splitN.txt is in '{folder}'", code="missing_annotations", path=folder
        )
    splits: dict[str, dict[str, str]] = {}
    for number in sorted({number for _, number in kinds}):
        for label in sorted({label for label, _ in kinds}):
            name = f"{label}_test_split{number}.txt"
            for video_id, side in _read_list(lists.get(name, storage.join(folder, name))):
                of_clip = splits.setdefault(video_id, {})
                if side is not None:
                    of_clip[f"hmdb51/{number}"] = side
    return splits


def listed_classes(annotations: str) -> list[str]:
    """The classes that the folder of official lists has a list of, sorted."""
    names = [file_name(file.uri) for file in listing.list_files(annotation_folder(annotations))]
    return sorted({match["label"] for match in map(_LIST.fullmatch, names) if match is not None})


def _read_list(path: str) -> list[tuple[str, str | None]]:
    """Video id and side of each line: `<file name> <0, 1 or 2> `."""
    rows = []
    for number, line in enumerate(annotation_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        name, _, code = line.strip().rpartition(" ")
        if not name or code not in _SIDES:
            raise malformed(path, f"line {number} is not a file name and 0, 1 or 2")
        rows.append((file_stem(name.strip()), _SIDES[code]))
    return rows
