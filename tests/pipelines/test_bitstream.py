from __future__ import annotations

import pytest

from pipelines.bitstream import fault, has_hash, is_key, nal_prefix


def nal(data: bytes, prefix: int = 4) -> bytes:
    return len(data).to_bytes(prefix, "big") + data


@pytest.mark.parametrize(
    ("codec", "extradata", "prefix"),
    [
        ("h264", bytes([1, 100, 0, 30, 0xFF, 0xE1]), 4),
        ("h264", bytes([1, 100, 0, 30, 0xFD, 0xE1]), 2),
        ("hevc", bytes([1, *bytes(20), 0xFF, 0]), 4),
        ("h264", b"\0\0\0\1\x67", 0),  # start codes, as in MPEG-TS
        ("h264", None, 0),
        ("mpeg4", bytes([1, 100, 0, 30, 0xFF]), 0),
    ],
)
def test_how_the_length_of_units_is_stored(codec: str, extradata: bytes | None, prefix: int) -> None:
    assert nal_prefix(codec, extradata) == prefix


@pytest.mark.parametrize("prefix", [2, 4])
@pytest.mark.parametrize(
    ("units", "wrong"),
    [
        ([b"\x65\x88\x84"], None),
        (
            [b"\x67\x64", b"\x68\xee", b"\x65\0\0\3\1\x80"],
            None,
        ),  # 0 0 3: what encoders put in the place of a hole
        ([b"\x41\x9a\0\0\0"], None),  # zeros may trail
        ([b"\x65\x88\0\0\0\x84"], "a hole in a packet"),
        ([b"\x65\x88\0\0\1\x84"], "a hole in a packet"),
        ([b"\x67\x64", b"\x41\0\0\2\x80"], "a hole in a packet"),
    ],
)
def test_units_with_bytes_that_no_encoder_writes(units: list[bytes], wrong: str | None, prefix: int) -> None:
    assert fault(b"".join(nal(unit, prefix) for unit in units), "h264", prefix) == wrong


def test_units_that_are_longer_than_their_packet() -> None:
    whole = nal(b"\x67\x64") + nal(b"\x65\x88\x84")
    assert fault(whole, "hevc", 4) is None
    assert fault(whole[:-1], "hevc", 4) == "a packet breaks off"
    assert fault(whole + b"\1", "hevc", 4) == "a packet breaks off"


def test_other_codecs_have_holes_too() -> None:
    assert fault(b"\1" + bytes(63) + b"\1", "vp9", 0) is None
    assert fault(b"\1" + bytes(64) + b"\1", "vp9", 0) == "a hole in a packet"
    assert fault(bytes(1000), "rawvideo", 0) is None  # black


def test_key_frames_of_mpeg4() -> None:
    intra, predicted = b"\0\0\1\xb6\x10\x60", b"\0\0\1\xb6\x50\x60"
    assert is_key(b"\0\0\1\xb0\1" + intra, "mpeg4")
    assert not is_key(predicted, "mpeg4")
    assert not is_key(b"\x7f", "mpeg4")  # what stands for a frame that was packed into the one before
    assert is_key(b"\x7f", "h264")


def test_a_hash_of_the_picture_is_seen() -> None:
    picture, hashed = nal(b"\x26\x01\xaf"), nal(b"\x50\x01\x84\x11\x00")
    assert has_hash(picture + hashed, "hevc")
    assert not has_hash(picture, "hevc")
    assert not has_hash(picture + hashed, "h264")
