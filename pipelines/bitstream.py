"""Packets that no encoder writes: what can be told from the bytes of coded video without decoding them.

Decoders do not look: they take a hole (a run of zeros, as in a file whose download broke off or whose disk lost a
block) for coded video and show something, most often without a word.
"""

from __future__ import annotations

import re

# FFmpeg's own decoders of these show whatever damaged packets come to; these of its libraries notice.
STRICT_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_NAL_CODECS = frozenset({"h264", "hevc"})
_DENSE_CODECS = frozenset({"mpeg4", "msmpeg4v2", "msmpeg4v3", "vp8", "vp9"})
_HOLE = bytes(64)  # so many zeros on end do not come about by chance
_FORBIDDEN = re.compile(rb"\0\0[\0-\2]")  # within a NAL unit: H.264 7.4.1, H.265 7.4.2
_VOP = b"\0\0\1\xb6"
_PICTURE_HASH = b"\x50\x01\x84"  # a NAL unit of H.265 with the hash of its picture begins so: D.2.19


def nal_prefix(codec: str, extradata: bytes | None) -> int:
    """How many bytes give the length of each NAL unit; 0 where units are not stored so."""
    if codec not in _NAL_CODECS or not extradata or extradata[0] != 1:
        return 0
    at = 4 if codec == "h264" else 21
    return (extradata[at] & 3) + 1 if len(extradata) > at else 0


def fault(data: bytes, codec: str, prefix: int) -> str | None:
    """Why a packet of `codec` cannot be what an encoder wrote, or None. `prefix`: of `nal_prefix`."""
    if prefix:
        return _nal_fault(data, prefix)
    if codec in _DENSE_CODECS and _HOLE in data:
        return "a hole in a packet"
    return None


def _nal_fault(data: bytes, prefix: int) -> str | None:
    at, size = 0, len(data)
    while at + prefix <= size:
        first = at + prefix
        end = first + int.from_bytes(data[at:first], "big")
        if end > size:
            return "a packet breaks off"
        last = end
        while last > first and data[last - 1] == 0:
            last -= 1  # zeros may trail
        if _FORBIDDEN.search(data, first, last):
            return "a hole in a packet"
        at = end
    return "a packet breaks off" if at < size and any(data[at:]) else None


def has_hash(data: bytes, codec: str) -> bool:
    """Whether a packet carries a hash of its decoded picture, which few encoders write; by chance once in 16 MB."""
    return codec == "hevc" and _PICTURE_HASH in data


def is_key(data: bytes, codec: str) -> bool:
    """Whether a packet that its container calls a key frame may be one; only MPEG-4 is looked into."""
    if codec != "mpeg4":
        return True
    at = data.find(_VOP)
    return 0 <= at < len(data) - len(_VOP) and data[at + len(_VOP)] >> 6 == 0
