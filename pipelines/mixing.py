"""Decoded sound of any format, rate and number of channels -> mono float32 at one rate, by FFmpeg's filters."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from typing import Any

import av
import numpy as np

_PLACELESS = re.compile(r"\d+ channels")
_RESAMPLED = 16_384  # samples that are given at a time: each time costs a trip through Python
_filter = lru_cache(av.filter.Filter)  # looked up once: by name a graph does it anew each time


def _graph(kind: tuple[int, str, str], channels: int, time_base: Any, rate: int) -> tuple[Any, Any, Any]:
    """A filter graph that makes mono at `rate` of frames of a kind; it, its source and its sink.

    Where FFmpeg has no weights for the channels, for it does not know what they stand for, they are averaged.
    """
    mean = "mono|c0=" + "+".join(f"{1 / channels:.9f}*c{channel}" for channel in range(channels))
    if kind[2].startswith("ambisonic"):
        return _linked(kind, time_base, rate, "mono|c0=c0")  # what a single microphone would have heard
    if _PLACELESS.fullmatch(kind[2]):
        return _linked(kind, time_base, rate, mean)
    try:
        return _linked(kind, time_base, rate, None)
    except av.FFmpegError:
        return _linked(kind, time_base, rate, mean)


def _linked(kind: tuple[int, str, str], time_base: Any, rate: int, mixer: str | None) -> tuple[Any, Any, Any]:
    """As `_graph`; `mixer`: how the channels become one, where not by FFmpeg's own weights.

    Weights add up to 1 at most: FFmpeg's own for float samples make a sound that is in all channels louder than it
    is, and clip.
    """
    graph = av.filter.Graph()
    base = {"time_base": str(time_base)} if time_base is not None else {}
    sample_rate, sample_fmt, layout = map(str, kind)
    source = graph.add(
        _filter("abuffer"), sample_rate=sample_rate, sample_fmt=sample_fmt, channel_layout=layout, **base
    )
    mix = [] if mixer is None else [graph.add(_filter("pan"), mixer)]
    mono = graph.add(_filter("aresample"), osr=str(rate), osf="flt", ochl="mono", rematrix_maxval="1")
    sink = graph.add(_filter("abuffersink"))
    for before, after in pairwise([source, *mix, mono, sink]):
        before.link_to(after)
    graph.configure()
    return graph, source, sink


class Resampler:
    """Frames like the first one -> mono float32 at `rate`, in blocks.

    As PyAV's own, which asks after each frame for a block that is not there yet, and so raises an error a frame.
    """

    def __init__(self, frame: Any, rate: int) -> None:
        self._kind = self._kind_of(frame)
        graph, self._source, self._sink = _graph(self._kind, frame.layout.nb_channels, frame.time_base, rate)
        graph.set_audio_frame_size(_RESAMPLED)
        self._graph = graph  # which ends with its last reference
        self._block = _RESAMPLED * frame.sample_rate // rate
        self._waiting = 0

    def takes(self, frame: Any) -> bool:
        """Whether a frame is like the first: broadcasts change their channels between programmes."""
        return self._kind_of(frame) == self._kind

    def resample(self, frame: Any) -> list[np.ndarray]:
        """The blocks that a frame fills, float32 (n,) each."""
        self._source.push(frame)
        self._waiting += frame.samples
        if self._waiting < self._block:
            return []
        self._waiting = 0
        return self._pulled()

    def finish(self) -> list[np.ndarray]:
        """The rest."""
        self._source.push(None)
        return self._pulled()

    def _pulled(self) -> list[np.ndarray]:
        blocks = []
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                blocks.append(self._sink.pull().to_ndarray()[0])
        return blocks

    @staticmethod
    def _kind_of(frame: Any) -> tuple[int, str, str]:
        return frame.sample_rate, frame.format.name, frame.layout.name
