"""The folders and lists of a whole world, and what it is refused for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chronav.config import build
from chronav.errors import CallError
from pipelines.world import CLASSES, WorldConfig, make_world
from pipelines.world.make import annotation_files, list_videos

SMALL = WorldConfig(videos_per_class=2, groups_per_class=2, size=16, duration_s=2.0, processes=2)


def test_at_least_ten_classes_in_alphabetical_order() -> None:
    assert len(CLASSES) >= 10
    assert list(CLASSES) == sorted(CLASSES)


def test_a_world_has_ucf101s_layout_and_is_reproducible(tmp_path: Path) -> None:
    made = make_world(str(tmp_path), SMALL)
    files = sorted(p.relative_to(made.folder).as_posix() for p in Path(made.folder).rglob("*") if p.is_file())
    assert made.videos == len(files) == 2 * len(CLASSES)
    assert all(re.fullmatch(r"(\w+)/v_\1_g\d\d_c\d\d\.mp4", name) for name in files)
    numbered = dict(
        line.split()[::-1] for line in Path(made.annotations, "classInd.txt").read_text().splitlines()
    )
    assert numbered == {label: str(i) for i, label in enumerate(CLASSES, start=1)}
    test = Path(made.annotations, "testlist01.txt").read_text().split()
    train = [line.split() for line in Path(made.annotations, "trainlist01.txt").read_text().splitlines()]
    assert sorted([*test, *(path for path, _ in train)]) == files
    assert all(numbered[path.split("/")[0]] == number for path, number in train)
    before = {name: Path(made.folder, name).read_bytes() for name in files}
    assert len(set(before.values())) == len(files)
    make_world(str(tmp_path), SMALL.model_copy(update={"processes": 1}))  # over itself, in one process
    assert before == {name: Path(made.folder, name).read_bytes() for name in files}


@pytest.mark.parametrize(("groups", "test_groups"), [(2, 1), (4, 1), (5, 1), (10, 2), (25, 5)])
def test_groups_do_not_cross_the_lists(groups: int, test_groups: int) -> None:
    config = WorldConfig(videos_per_class=max(2 * groups, 7), groups_per_class=groups)
    lists = annotation_files(config)

    def group_of(line: str) -> tuple[str, int]:
        label, number = re.match(r"(\w+)/v_\w+_g(\d\d)_c\d\d\.mp4", line).groups()  # type: ignore[union-attr]
        return label, int(number)

    test = {group_of(line) for line in lists["testlist01.txt"].splitlines()}
    train = {group_of(line) for line in lists["trainlist01.txt"].splitlines()}
    assert test == {(label, g) for label in CLASSES for g in range(1, test_groups + 1)}
    assert train == {(label, g) for label in CLASSES for g in range(test_groups + 1, groups + 1)}
    assert len(list_videos(config)) == config.videos_per_class * len(CLASSES)


def test_a_folder_with_other_videos_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "videos" / "Other" / "v_Other_g01_c01.mp4"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    with pytest.raises(CallError, match="1 files that are not of this world"):
        make_world(str(tmp_path), SMALL)
    assert not (tmp_path / "annotations").exists()


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("fps=-1", "fps"),
        ("codec=mpeg", "codec"),
        ("size=33", "size"),
        ("videos_per_class=5", "videos_per_class"),
    ],
)
def test_bad_settings_are_refused(override: str, key: str) -> None:
    with pytest.raises(CallError, match=key):
        build(WorldConfig, None, [override])
