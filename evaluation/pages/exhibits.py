"""What a page shows beside numbers: sheets of pictures and sounds, a map of the features, what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evaluation.bench import Bench
from evaluation.metrics import group_means
from evaluation.neighbours import choose_queries
from evaluation.pages.feature_map import (
    THUMBNAIL,
    FeatureMap,
    Point,
    can_be_drawn,
    drawn,
    lay_out,
    mosaic,
)
from evaluation.pages.media import Media, jpeg, read_media
from evaluation.protocols.base import Found
from evaluation.report import NeighbourRow, Sheet
from evaluation.store import read_kept
from evaluation.subject import Subject
from evaluation.who import PRETRAINED

SOUND_ROOM = 4_000_000
"""Bytes of sound on a page, before they are written as text (which takes a third more)."""
_FRAMES, _SIDE = 3, 112
_ANSWERS = 12


@dataclass(frozen=True)
class Answered:
    """A test video with what it was taken for."""

    sheet: Sheet
    answer: str


@dataclass(frozen=True)
class Exhibits:
    """`neighbours`: some queries with what was found. `answers`: some test videos with what they were taken for.

    `missing`: items of the official list that were not found. `silenced`: sounds that had no room.
    """

    neighbours: list[NeighbourRow] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    map: FeatureMap | None = None
    missing: list[str] = field(default_factory=list)
    silenced: int = 0


def gather(bench: Bench, found: Found, neighbours: Sequence[Mapping[str, Any]]) -> Exhibits:
    """Read from the clip table what the page of a measurement shows. `neighbours`: as in the outcome."""
    subject = bench.subject
    place = {video.video_id: index for index, video in enumerate(subject.videos)}
    asked = [] if neighbours else _some_answers(bench, found)
    wanted = [place[item["video_id"]] for row in neighbours for item in (row["query"], *row["neighbours"])]
    wanted += [index for index, _ in asked]
    media = read_media(subject.videos, subject.row_groups, wanted, _FRAMES, _SIDE, sound=True)
    media, silenced = _within(media, list(dict.fromkeys(wanted)), SOUND_ROOM)
    return Exhibits(
        neighbours=[
            NeighbourRow(
                _sheet(row["query"], media, place),
                [_sheet(item, media, place) for item in row["neighbours"]],
            )
            for row in neighbours
        ],
        answers=[_answered(subject, index, answer, media) for index, answer in asked],
        map=_feature_map(bench, found),
        missing=subject.missing,
        silenced=silenced,
    )


def _within(media: Mapping[int, Media], order: Sequence[int], room: int) -> tuple[dict[int, Media], int]:
    """The same without the sounds that are beyond `room` bytes, and how many these are."""
    kept, silenced = {}, 0
    for index in order:
        if index not in media:
            continue
        one = media[index]
        size = len(one.sound or b"")
        if size > room:
            one, silenced = replace(one, sound=None), silenced + 1
        else:
            room -= size
        kept[index] = one
    return kept, silenced


def _sheet(item: Mapping[str, Any], media: Mapping[int, Media], place: Mapping[str, int]) -> Sheet:
    return _pictured(
        item["label"] or "", item["video_id"], item.get("correct"), media.get(place[item["video_id"]])
    )


def _answered(subject: Subject, index: int, answer: str, media: Mapping[int, Media]) -> Answered:
    video = subject.videos[index]
    label = video.label or ""
    return Answered(_pictured(label, video.video_id, label == answer, media.get(index)), answer)


def _pictured(label: str, video_id: str, correct: bool | None, shown: Media | None) -> Sheet:
    if shown is None:
        return Sheet(label, video_id, correct, [])
    return Sheet(label, video_id, correct, [jpeg(picture) for picture in shown.pictures], shown.sound)


def answers_of(found: Found, subject: Subject) -> dict[int, str]:
    """Index of each test video -> what the export took it for, where first asked (first seed, first split)."""
    given: dict[int, str] = {}
    for measured, fold in zip(found.get(PRETRAINED, ()), subject.folds, strict=False):
        if measured.answers is not None and fold.seed == subject.folds[0].seed:
            for index, answer in zip(measured.answers.videos, measured.answers.given, strict=True):
                given.setdefault(int(index), str(answer))
    return given


def _some_answers(bench: Bench, found: Found) -> list[tuple[int, str]]:
    """A few test videos, drawn without a look at how well they were told."""
    answers = sorted(answers_of(found, bench.subject).items())
    return [answers[i] for i in choose_queries(len(answers), _ANSWERS, bench.task.config.seed)]


def _feature_map(bench: Bench, found: Found) -> FeatureMap | None:
    """The means of each video's clip features; None where a protocol has no features of one modality."""
    if len(bench.task.method.modalities) != 1 or PRETRAINED not in bench.kept_at or not bench.subject.used:
        return None
    subject, seed = bench.subject, bench.task.config.seed
    shown = [subject.used[i] for i in drawn(len(subject.used), seed)]
    kept = read_kept(bench.kept_at[PRETRAINED])
    parts = [kept[subject.videos[index].video_id].vectors for index in shown]
    owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    features = group_means(np.concatenate(parts), owner, len(parts))
    if not can_be_drawn(features):
        return None
    places, variance = lay_out(features, seed)
    media = read_media(subject.videos, subject.row_groups, shown, 1, THUMBNAIL, sound=False)
    empty = np.empty(0, np.uint8)
    pictures = [media[i].pictures[0] if i in media and len(media[i].pictures) else empty for i in shown]
    thumbnails, columns = mosaic(pictures)
    answers = answers_of(found, subject)
    tested = {int(index) for fold in subject.folds for index in fold.test}
    points = [
        Point(video.video_id, video.label or "", index in tested, answers.get(index))
        for index, video in ((index, subject.videos[index]) for index in shown)
    ]
    return FeatureMap(points, places, variance, len(subject.used), thumbnails, columns)
