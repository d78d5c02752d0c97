"""What a stop leaves: features of the videos that were done are kept."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from chronav.errors import JobError
from evaluation import fill as filling
from evaluation.features import Features
from evaluation.fill import Pool, fill


class Memory:
    """A store that notes what it was given."""

    def __init__(self) -> None:
        self.kept: list[int] = []

    def add(self, ids, owner, clip, vectors) -> None:
        self.kept += owner.tolist()


class FiveVideos:
    """Two clips of each; `plan` gives the wanted indices themselves."""

    def __init__(self) -> None:
        self.videos = [SimpleNamespace(video_id=f"v{i}") for i in range(5)]
        self.row_groups, self.shape = [], None

    def plan(self, wanted):
        return list(wanted)


@pytest.fixture
def embed(monkeypatch):
    """Embeds a video as its number; fails at the video that `embed.breaks_at` names."""
    control = SimpleNamespace(breaks_at=None, calls=[])

    def embed_videos(plan, *_):
        control.calls.append(plan)
        if control.breaks_at in plan:
            raise RuntimeError("a node is gone")
        owner = np.repeat(plan, 2)
        return Features(owner, np.tile([0, 1], len(plan)), {"net": owner[:, None].astype(np.float32)}, 0)

    monkeypatch.setattr(filling, "embed_videos", embed_videos)
    monkeypatch.setattr(filling, "connected", lambda **_: nullcontext())
    monkeypatch.setattr(filling, "VIDEOS_AT_A_TIME", 2)
    return control


def complete(store: Memory, kept: dict) -> dict[str, int]:
    network = SimpleNamespace(name="net")
    return fill(FiveVideos(), range(5), [network], {"net": store}, {"net": kept}, Pool(1, 1))


def test_all_videos_in_turns(embed):
    store, kept = Memory(), {}
    assert complete(store, kept) == {"net": 10}
    assert embed.calls == [[0, 1], [2, 3], [4]]
    assert {name: found.vectors.ravel().tolist() for name, found in kept.items()} == {
        f"v{i}": [float(i)] * 2 for i in range(5)
    }


def test_what_was_done_before_a_failure_is_kept_and_not_done_again(embed):
    store, kept = Memory(), {}
    embed.breaks_at = 3
    with pytest.raises(RuntimeError, match="a node is gone"):
        complete(store, kept)
    assert store.kept == [0, 0, 1, 1]
    embed.breaks_at = None
    assert complete(store, kept) == {"net": 6}
    assert store.kept == [i for i in range(5) for _ in range(2)]


def test_features_that_are_no_numbers_end_the_job_and_are_not_kept(embed, monkeypatch):
    whole = filling.embed_videos

    def broken(plan, *rest):
        made = whole(plan, *rest)
        made.vectors["net"][made.owner == 3] = np.nan
        return made

    monkeypatch.setattr(filling, "embed_videos", broken)
    store, kept = Memory(), {}
    with pytest.raises(JobError, match=r"2 of 4 clips .* by 'net' .* not finite \(such as a clip of 'v3'\)"):
        complete(store, kept)
    assert store.kept == [0, 0, 1, 1]  # the videos before
    assert set(kept) == {"v0", "v1"}
