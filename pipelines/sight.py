"""The frames of a file, segment by segment: the fast decoder where it can be trusted, and what is whole otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipelines.complaints import Suspicious
from pipelines.config import IngestConfig
from pipelines.damage import whole_spans
from pipelines.decord_frames import decord_frames
from pipelines.frames import FrameSource, encode_jpeg, motion, stored_size
from pipelines.near_duplicates import FRAMES, picture_hash
from pipelines.pyav_frames import pyav_frames
from pipelines.result import BadMedia
from pipelines.schema import Reason, Status
from pipelines.segments import Segment, Span, cut_spans, instants
from pipelines.streams import Media
from pipelines.video import VideoStream

# In the order in which they are tried: PyAV needs fewer CPU seconds (docs/benchmarks.md) and hears of all damage.
FRAME_SOURCES = (pyav_frames, decord_frames)


_ENDS_EARLY = "File ended prematurely"  # what FFmpeg says of Matroska and WebM


@dataclass
class Sight:
    """The segments that a file is cut into, the columns of their frames, and hashes of some frames throughout."""

    segments: list[Segment]
    columns: list[dict[str, Any]] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)


def see(path: str, media: Media, config: IngestConfig) -> Sight:
    """Cut a local file and read its frames; what is found to be wrong is added to the warnings of `media`.

    Raises `BadMedia` where there is nothing to be cut.
    """
    if media.video is None:
        return _unseen(media, config)
    video, size = media.video, stored_size(media.video, config.short_side)
    sight = Sight(_cut(video.spans, config))
    if not sight.segments:
        if len(video.times) == 1:
            raise BadMedia(Status.REJECTED, Reason.STILL_PICTURE, "one single frame")
        raise BadMedia(Status.REJECTED, Reason.TOO_SHORT, f"{video.duration_s:.3f} s")
    for opened in FRAME_SOURCES if video.fault is None else ():
        try:
            with opened(path, video, size) as source:
                return _read(source, sight.segments, video, config)
        except Suspicious:
            continue
    spans, wrong = whole_spans(path, video)
    message = wrong or video.fault or "frames are missing"
    reason = Reason.TRUNCATED if message.startswith(_ENDS_EARLY) else Reason.CORRUPT_FRAMES
    media.warnings.setdefault(reason, message)
    segments = _cut(spans, config)
    if not segments:
        raise BadMedia(Status.FAILED, reason, media.warnings[reason])
    with pyav_frames(path, video, size, strict=False) as source:
        return _read(source, segments, video, config)


def _cut(spans: list[Span], config: IngestConfig) -> list[Segment]:
    return cut_spans(spans, config.fps, config.segment_s, config.min_s)


def _unseen(media: Media, config: IngestConfig) -> Sight:
    """Of a file that is sound alone."""
    assert media.sound is not None
    segments = _cut([(media.sound.start_s, media.sound.end_s)], config)
    if not segments:
        raise BadMedia(Status.REJECTED, Reason.TOO_SHORT, f"{media.sound.duration_s:.3f} s")
    columns: list[dict[str, Any]] = [
        {"height": 0, "width": 0, "n_frames": 0, "source_fps": None, "frames": [], "motion": None}
        for _ in segments
    ]
    return Sight(segments, columns)


def _read(source: FrameSource, segments: list[Segment], video: VideoStream, config: IngestConfig) -> Sight:
    sight = Sight(segments)
    for segment in segments:
        frames = source.at(instants(segment, config.fps))  # (n_frames, height, width, 3)
        count = len(frames)
        sight.columns.append(
            {
                "height": frames.shape[1],
                "width": frames.shape[2],
                "n_frames": count,
                "source_fps": video.rate,
                "frames": encode_jpeg(frames, config.jpeg_quality),
                "motion": motion(frames),
            }
        )
        picked = [count * (2 * k + 1) // (2 * FRAMES) for k in range(FRAMES)]
        sight.hashes += [picture_hash(frames[index]) for index in picked]
    return sight
