from __future__ import annotations

import numpy as np

from evaluation.items import Video
from evaluation.seen import seen_test_items
from evaluation.splits import Fold


def test_an_item_is_known_by_its_id_or_by_its_file() -> None:
    videos = [
        Video("v_a", None, "x", None, {}, (), "aaaa"),  # the id is known
        Video("v_b", None, "x", None, {}, (), "bbbb"),  # the same file, ingested under another id
        Video("v_c", None, "x", None, {}, (), "cccc"),
        Video("v_d", None, "x", None, {}, (), None),  # its file is not known
        Video("v_e", None, "x", None, {}, (), "eeee"),  # a training item
    ]
    fold = Fold("f", "f=test", np.array([4]), np.array([0, 1, 2, 3]))
    seen = {"v_a": None, "videos/X/v_b.mp4": "bbbb", "other": None, "v_e": "eeee"}
    assert seen_test_items(videos, [fold], seen) == ["v_a", "v_b"]
