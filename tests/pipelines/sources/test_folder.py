from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pipelines.sources import list_source


def test_folder_ids_are_paths_below_the_source(tmp_path: Path, write: Callable) -> None:
    source = tmp_path / "mine"
    write(source / "b" / "x.mp4")
    write(source / "a.txt", "abc")
    write(source / ".hidden" / "x.mp4")
    write(source / "t.delta" / "part.parquet")
    listing = list_source(f"{source}/", "folder", outside=(str(source / "t.delta"),))
    assert [item.video_id for item in listing.items] == ["mine/a.txt", "mine/b/x.mp4"]
    first = listing.items[0]
    assert (first.size, first.label, first.group, first.splits) == (3, None, None, {})
    assert first.mtime == (source / "a.txt").stat().st_mtime


def test_spare_ids_tell_folders_of_one_name_apart(tmp_path: Path, write: Callable) -> None:
    ids = []
    for year in ("2023", "2024"):
        write(tmp_path / year / "videos" / "b" / "x.mp4")
        for again in range(2):
            [item] = list_source(f"{tmp_path}/{year}/videos{'/' * again}", "folder").items
            ids.append((item.video_id, item.spare_id))
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert {video_id for video_id, _ in ids} == {"videos/b/x.mp4"}
    assert all(re.fullmatch(r"videos~[0-9a-f]{8}/b/x\.mp4", spare_id or "") for _, spare_id in ids)


def test_files_gone_are_those_below_the_folder_that_are_not_there(tmp_path: Path, write: Callable) -> None:
    write(tmp_path / "mine" / "x.mp4")
    listing = list_source(str(tmp_path / "mine"), "folder")
    assert listing.lacks(f"{tmp_path}/mine/gone/y.mp4")
    assert not listing.lacks(f"{tmp_path}/mine/x.mp4")
    assert not listing.lacks(f"{tmp_path}/mine2/y.mp4")


def test_a_glob_gives_the_ids_of_its_folder(tmp_path: Path, write: Callable) -> None:
    for name in ("a/x.mp4", "a/b/y.mp4", "z.avi"):
        write(tmp_path / "mine" / name)
    items = list_source(f"{tmp_path}/mine/**/*.mp4", "folder").items
    whole = {item.uri: item for item in list_source(f"{tmp_path}/mine", "folder").items}
    assert [item.video_id for item in items] == ["mine/a/b/y.mp4", "mine/a/x.mp4"]
    assert all(whole[item.uri] == item for item in items)


def test_files_of_a_table_are_called_after_its_folder_else_after_their_own(
    tmp_path: Path, write: Callable
) -> None:
    for name in ("data/in/x.mp4", "far/one/y.mp4", "away/one/y.mp4"):
        write(tmp_path / name)
    table = write(
        tmp_path / "data" / "t.csv", f"uri\nin/x.mp4\n../far/one/y.mp4\n{tmp_path}/away/one/y.mp4\n"
    )
    items = list_source(str(table), "folder").items
    assert [item.video_id for item in items] == ["data/in/x.mp4", "one/y.mp4", "one/y.mp4"]
    assert items[0].spare_id == list_source(str(tmp_path / "data"), "folder").items[0].spare_id
    assert items[1].spare_id == list_source(str(tmp_path / "far" / "one"), "folder").items[0].spare_id
    assert len({item.spare_id for item in items}) == 3
