"""No test item may have been pre-trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chronav.errors import CallError
from evaluation.items import Video
from evaluation.splits import Fold


def seen_test_items(
    videos: Sequence[Video], folds: Sequence[Fold], seen: Mapping[str, str | None]
) -> list[str]:
    """Ids of the test items that the export was trained on, sorted.

    `seen`: video id -> sha256 of the file. An item is known by either: the same file has another id in another
    layout, and another encoding of a video keeps the id.
    """
    files = {sha256 for sha256 in seen.values() if sha256 is not None}
    test = [videos[index] for fold in folds for index in fold.test]
    return sorted({video.video_id for video in test if video.video_id in seen or video.sha256 in files})


def refuse_seen(overlap: Sequence[str], folds: Sequence[Fold], allow: bool) -> None:
    """Raise `CallError` where test items were pre-trained on, unless the caller allows it."""
    if not overlap or allow:
        return
    held_out = dict.fromkeys(fold.held_out for fold in folds if fold.held_out)
    keep_out = f"with {' '.join(f'--exclude {split}' for split in held_out)}" if held_out else "without them"
    raise CallError(
        f"{len(overlap)} test items were seen in pre-training (such as '{overlap[0]}'): "
        f"pre-train {keep_out}, or measure all the same with allow_seen=true",
        code="seen_in_pretraining",
        key="allow_seen",
    )
