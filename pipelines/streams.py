"""One pass over a media file with PyAV: its video packet by packet, and its sound on the same time line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import av

from pipelines.audio import Sound, SoundReader
from pipelines.complaints import logged
from pipelines.opening import best_stream, open_media, refused
from pipelines.packets import PacketReader, Packets, lost_from
from pipelines.result import BadMedia, one_line
from pipelines.schema import Reason, Status
from pipelines.video import VideoStream, announced_end, video_stream

# ffmpeg plays text as a terminal's screen and calls it video.
_NO_MEDIA_FORMATS = frozenset({"tty", "bin", "xbin", "adf", "idf", "lrc"})

# FFmpeg's readers of the others never say so, and asking takes longer than reading many a packet.
_ENCRYPTED_FORMATS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2"})

_SPARE_S, _SPARE = 0.5, 0.02  # what headers announce of sound may be off by so many seconds, or this share


@dataclass
class Media:
    """A file's video and sound, either of which may be missing, and what was found wrong with it.

    `warnings`: that of the video first; `sound_error`: what damage there is to the sound.
    """

    video: VideoStream | None
    sound: Sound | None
    warnings: dict[Reason, str] = field(default_factory=dict)
    sound_error: str | None = None


def read_media(path: str, sample_rate: int) -> Media:
    """Read times and sound of a local file; raises `BadMedia` when there is nothing to be had from it.

    The sound is mono float32 at `sample_rate`. Files with both video and sound are read once.
    """
    with logged() as errors:
        try:
            container = open_media(path)
        except (av.FFmpegError, OSError) as error:
            raise _unopened(path, refused(errors), error) from None
        with container:
            return _read_container(container, sample_rate, errors)


def _unopened(path: str, kind: str | None, error: Exception) -> BadMedia:
    """Why a file could not be opened; `kind`: the format for which it was not."""
    if kind == "image2" and "%" not in path:  # FFmpeg's name for pictures; with a `%` for many of them
        return BadMedia(Status.REJECTED, Reason.STILL_PICTURE, "a picture, by its name")
    if kind is not None:
        message = f"no media of its own: {kind}, which names other files"
    else:
        message = one_line(error) if os.path.getsize(path) else "the file is empty"
    return BadMedia(Status.FAILED, Reason.UNREADABLE, message)


def _read_container(container: Any, sample_rate: int, errors: list[Any]) -> Media:
    if container.format.name in _NO_MEDIA_FORMATS:
        raise BadMedia(Status.FAILED, Reason.UNREADABLE, "text, not media")
    video, audio = _pick_streams(container)
    if video is None and audio is None:
        if error := _undecodable([*container.streams.video, *container.streams.audio]):
            raise BadMedia(Status.FAILED, Reason.UNREADABLE, error)
        raise BadMedia(Status.REJECTED, Reason.NO_VIDEO, "neither video nor sound in this file")
    listed = _indexed_sizes(video)
    packets, reader = _read_packets(container, video, audio, sample_rate, errors)
    lost = _drop_after_loss(container, packets, listed)
    media = Media(
        video=video_stream(container, video, packets) if video is not None else None,
        sound=reader.finish() if reader is not None else None,
        sound_error=reader.error if reader is not None else _undecodable(container.streams.audio),
    )
    if video is None and (error := _undecodable(container.streams.video)) is not None:
        media.warnings[Reason.CORRUPT_FRAMES] = error
    _judge(media, packets)
    if video is None:
        _look_for_lost_sound(media, announced_end(container, audio))
    elif media.video is not None:
        _look_for_loss(media, packets, video, lost, indexed=len(listed) >= packets.found)
    return media


def _pick_streams(container: Any) -> tuple[Any, Any]:
    video, audio = best_stream(container, "video"), best_stream(container, "audio")
    for stream in (video, audio):
        if stream is not None:
            stream.codec_context.thread_count = 1  # tasks are what runs in parallel
    return video, audio


def _undecodable(streams: Any) -> str | None:
    """What to say of streams of one kind, none of which can be decoded; None where there are none."""
    without = next((stream for stream in streams if stream.codec_context is None), None)
    return None if without is None else f"{without.type}: no decoder for its codec"


def _indexed_sizes(stream: Any) -> list[int]:
    """Sizes of the frames that the container's index lists; reading the file adds to the index."""
    return [entry.size for entry in stream.index_entries if entry.size > 0] if stream is not None else []


def _read_packets(
    container: Any, video: Any, audio: Any, sample_rate: int, errors: list[Any]
) -> tuple[Packets, SoundReader | None]:
    frames = PacketReader(video) if video is not None else None
    reader = SoundReader(sample_rate, errors, audio.codec_context.name) if audio is not None else None
    may_be_encrypted = container.format.name in _ENCRYPTED_FORMATS
    try:
        for packet, complaint in _demuxed(container, [video, audio], errors):
            if complaint is not None and frames is not None:
                frames.blame(complaint)
            elif complaint is not None and reader is not None:
                reader.blame(complaint)
            if may_be_encrypted and packet.size and packet.has_sidedata("encryption_info"):
                raise BadMedia(Status.REJECTED, Reason.ENCRYPTED, "the file is encrypted")
            if packet.stream is audio and reader is not None:
                reader.read(packet)
            elif frames is not None:
                frames.note(packet)
    except av.FFmpegError as error:
        if (frames is None or not frames.packets.times) and (reader is None or reader.empty):
            raise BadMedia(Status.FAILED, Reason.UNREADABLE, one_line(error)) from None
        if frames is not None:
            frames.packets.corrupt += 1  # what came before the error is kept
        elif reader is not None:
            reader.blame(one_line(error))
    return frames.packets if frames is not None else Packets(), reader


def _demuxed(container: Any, streams: list[Any], errors: list[Any]) -> Iterator[tuple[Any, str | None]]:
    """Every packet, and what the container's reader found wrong before it. `errors`: of `logged`, from the start."""
    wanted = [stream for stream in streams if stream is not None]
    decoders = {stream.codec_context.name for stream in wanted}
    seen = 0
    for packet in container.demux(wanted):
        complaint = None
        if len(errors) > seen:
            others = (text.strip() for _, source, text in errors[seen:] if source not in decoders)
            complaint = next(others, None)
        yield packet, complaint
        seen = len(errors)


def _drop_after_loss(container: Any, packets: Packets, listed: list[int]) -> int | None:
    """Where times are counted, a lost frame makes those after it wrong: keep what is before.

    Returns the number of the first frame that the index lists and the file lacks, if there is one.
    """
    lost = lost_from(packets, listed)
    if lost is not None and lost < len(packets.times) and container.format.name == "avi":
        del packets.times[lost:]
    return lost


def _judge(media: Media, packets: Packets) -> None:
    """Raise `BadMedia` where nothing is left."""
    if packets.times and media.video is None:
        raise BadMedia(Status.FAILED, Reason.CORRUPT_FRAMES, "no frame can be decoded")
    if media.video is None and media.sound is None:
        detail = media.sound_error or "neither a frame nor a sound can be decoded"
        raise BadMedia(Status.FAILED, Reason.UNREADABLE, detail)


def _look_for_lost_sound(media: Media, announced_s: float | None) -> None:
    """Note a warning where a file of sound alone ends before what its header announces."""
    assert media.sound is not None
    if announced_s is not None and media.sound.end_s < announced_s - max(_SPARE_S, _SPARE * announced_s):
        there = f"{media.sound.end_s:.1f} of {announced_s:.1f} announced seconds are there"
        media.warnings[Reason.TRUNCATED] = there


def _look_for_loss(media: Media, packets: Packets, stream: Any, lost: int | None, indexed: bool) -> None:
    """Note a warning where the video has fewer frames than its header announces, or damaged ones.

    The count alone does not tell: AVI counts frames that were dropped on purpose, MP4 those that an edit
    list takes away. So the time that the header announces must be missing, too, or an AVI's index, which is
    not found where bytes are missing before it.
    """
    assert media.video is not None
    video = media.video
    announced_s = float(((stream.start_time or 0) + (stream.duration or 0)) * stream.time_base)
    spare_s = 2 / video.rate if video.rate else 0.0
    unsure = announced_s > video.end_s + spare_s or (video.counted and not indexed)
    missing = stream.frames > packets.found and unsure
    if missing and (lost is None or lost == len(packets.sizes)):
        media.warnings[Reason.TRUNCATED] = f"{packets.found} of {stream.frames} announced frames are there"
    elif lost is not None:
        media.warnings[Reason.CORRUPT_FRAMES] = f"frame {lost} is lost"
    elif packets.corrupt:
        media.warnings[Reason.CORRUPT_FRAMES] = f"{packets.corrupt} damaged packets"
    elif len(video.spans) > 1 or video.spans[-1][1] < video.end_s:
        media.warnings[Reason.CORRUPT_FRAMES] = "the time stamps jump"
