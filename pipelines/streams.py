"""One pass over a media file with PyAV: the true times of its frames, and its sound on the same time line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np

from pipelines.audio import Sound, SoundReader
from pipelines.result import BadMedia, one_line
from pipelines.schema import Reason, Status

# ffmpeg plays text as a terminal's screen and calls it video.
_NO_MEDIA_FORMATS = frozenset({"tty", "bin", "xbin", "adf", "idf", "lrc"})


@dataclass
class VideoStream:
    """What the container says of the video stream; times in seconds on the container's time line.

    `times`: presentation times of the frames that are shown, sorted, float64 (n,).
    `width`, `height`: as coded; `rotation`: degrees, counter-clockwise; `pixel_aspect`: width / height of a pixel;
    `rate`: mean frames per second.
    `extra_packets`: frames that are coded but by the container's edit list never shown.
    """

    times: np.ndarray
    end_s: float
    width: int
    height: int
    rotation: int
    pixel_aspect: float
    rate: float
    extra_packets: int = 0

    @property
    def start_s(self) -> float:
        """The instant of the first frame."""
        return float(self.times[0])

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last."""
        return self.end_s - self.start_s


@dataclass
class Media:
    """A file's video and sound, either of which may be missing, and what was found wrong with it."""

    video: VideoStream | None
    sound: Sound | None
    warnings: dict[Reason, str] = field(default_factory=dict)
    sound_error: str | None = None


@dataclass
class _Packets:
    """What is gathered from the video packets, which are not decoded beyond the first frame."""

    times: list[float] = field(default_factory=list)
    end_s: float = 0.0
    extra: int = 0
    corrupt: int = 0
    untimed: int = 0
    first_frame: Any = None


def read_media(path: str, sample_rate: int) -> Media:
    """Read times and sound of a local file; raises `BadMedia` when there is nothing to be had from it.

    The sound is mono float32 at `sample_rate`. Files with both video and sound are read once.
    """
    try:
        container = av.open(path, metadata_errors="ignore")
    except (av.FFmpegError, OSError) as error:
        raise BadMedia(Status.FAILED, Reason.UNREADABLE, one_line(error)) from None
    with container:
        if container.format.name in _NO_MEDIA_FORMATS:
            raise BadMedia(Status.FAILED, Reason.UNREADABLE, "text, not media")
        video, audio = _pick_streams(container)
        if video is None and audio is None:
            raise BadMedia(Status.REJECTED, Reason.NO_VIDEO, "neither video nor sound in this file")
        packets, reader = _read_packets(container, video, audio, sample_rate)
        media = Media(
            video=_video_stream(video, packets) if video is not None else None,
            sound=reader.finish() if reader is not None else None,
            sound_error=reader.error if reader is not None else None,
        )
        _judge(media, packets)
        _look_for_loss(media, packets, video)
    return media


def _pick_streams(container: Any) -> tuple[Any, Any]:
    """The streams that a player would choose; cover pictures are no video."""
    video, audio = container.streams.best("video"), container.streams.best("audio")
    if video is not None and video.disposition & av.stream.Disposition.attached_pic:
        video = None
    for stream in (video, audio):
        if stream is not None:
            stream.codec_context.thread_count = 1  # tasks are what runs in parallel
    return video, audio


def _read_packets(container: Any, video: Any, audio: Any, sample_rate: int) -> tuple[_Packets, Any]:
    packets = _Packets()
    reader = SoundReader(sample_rate) if audio is not None else None
    try:
        for packet in container.demux([stream for stream in (video, audio) if stream is not None]):
            if packet.size and packet.has_sidedata("encryption_info"):
                raise BadMedia(Status.REJECTED, Reason.ENCRYPTED, "the file is encrypted")
            if packet.stream is video:
                _note_video(packet, packets)
            elif reader is not None:
                reader.read(packet)
    except av.FFmpegError as error:
        if not packets.times and (reader is None or reader.empty):
            raise BadMedia(Status.FAILED, Reason.UNREADABLE, one_line(error)) from None
        packets.corrupt += 1  # what came before the error is kept
    return packets, reader


def _note_video(packet: Any, packets: _Packets) -> None:
    if packets.first_frame is None:
        try:
            packets.first_frame = next(iter(packet.decode()), None)
        except av.FFmpegError:
            packets.corrupt += 1
    if not packet.size:
        return
    if packet.is_discard:
        packets.extra += 1
        return
    if packet.is_corrupt:
        packets.corrupt += 1
        return
    stamp = packet.pts if packet.pts is not None else packet.dts
    if stamp is None:
        packets.untimed += 1
        return
    time = float(stamp * packet.time_base)
    packets.times.append(time)
    packets.end_s = max(packets.end_s, time + float((packet.duration or 0) * packet.time_base))


def _video_stream(stream: Any, packets: _Packets) -> VideoStream | None:
    frame = packets.first_frame
    if frame is None or not packets.times:
        return None
    times = np.unique(np.asarray(packets.times, np.float64))
    if packets.untimed and stream.average_rate:
        # A raw stream says only how many frames a second it has.
        count = len(packets.times) + packets.untimed
        times = times[0] + np.arange(count) / float(stream.average_rate)
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    end_s = max(packets.end_s, float(times[-1]) + interval)
    return VideoStream(
        times=times,
        end_s=end_s,
        width=frame.width,
        height=frame.height,
        rotation=frame.rotation,
        pixel_aspect=float(stream.sample_aspect_ratio or 1),
        rate=_rate(len(times), end_s - float(times[0]), stream.average_rate),
        extra_packets=packets.extra,
    )


def _rate(frames: int, duration_s: float, announced: Any) -> float:
    """Mean frames per second: counted, or as announced where that differs by no more than rounded times can."""
    counted = frames / duration_s if duration_s > 0 else 0.0
    return (
        float(announced) if announced and counted and abs(float(announced) / counted - 1) < 0.005 else counted
    )


def _judge(media: Media, packets: _Packets) -> None:
    """Raise `BadMedia` where nothing is left."""
    if packets.times and media.video is None:
        raise BadMedia(Status.FAILED, Reason.CORRUPT_FRAMES, "no frame can be decoded")
    if media.video is None and media.sound is None:
        detail = media.sound_error or "neither a frame nor a sound can be decoded"
        raise BadMedia(Status.FAILED, Reason.UNREADABLE, detail)


def _look_for_loss(media: Media, packets: _Packets, stream: Any) -> None:
    """Note a warning where the video has fewer frames than its header announces, or damaged ones.

    The count alone does not tell: AVI counts frames that were dropped on purpose, MP4 those that an edit
    list takes away. So the time that the header announces must be missing, too.
    """
    if media.video is None:
        return
    found = len(packets.times) + packets.extra + packets.untimed
    announced_s = float(((stream.start_time or 0) + (stream.duration or 0)) * stream.time_base)
    spare_s = 2 / media.video.rate if media.video.rate else 0.0
    if stream.frames > found and announced_s > media.video.end_s + spare_s:
        media.warnings[Reason.TRUNCATED] = f"{found} of {stream.frames} announced frames are there"
    elif packets.corrupt:
        media.warnings[Reason.CORRUPT_FRAMES] = f"{packets.corrupt} damaged packets"
