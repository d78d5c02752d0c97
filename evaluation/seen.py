"""No test item may have been pre-trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chronav.errors import CallError
from evaluation.items import Video
from evaluation.splits import Fold


def seen_test_items(videos: Sequence[Video], folds: Sequence[Fold], seen: Iterable[str]) -> list[str]:
    """Ids of the test items that the export was trained on, sorted."""
    test = {videos[index].video_id for fold in folds for index in fold.test}
    return sorted(test & set(seen))


def refuse_seen(overlap: Sequence[str], folds: Sequence[Fold], allow: bool) -> None:
    """Raise `CallError` where test items were pre-trained on, unless the caller allows it."""
    if not overlap or allow:
        return
    keep_out = " ".join(f"--exclude {fold.held_out}" for fold in folds)
    raise CallError(
        f"{len(overlap)} test items were seen in pre-training (such as '{overlap[0]}'): "
        f"pre-train with {keep_out}, or measure all the same with allow_seen=true",
        code="seen_in_pretraining",
        key="allow_seen",
    )
