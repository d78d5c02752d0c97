from __future__ import annotations

import os
import sys

import av
import pytest

from pipelines.complaints import logged, printed


def test_lines_of_libraries_are_heard_and_others_are_not(capfd: pytest.CaptureFixture[str]) -> None:
    with printed() as lines:
        os.write(2, b"[h264 @ 0x55d4c4] error while decoding MB 3 4\nsomething else\n")
        os.write(2, b"[mov,mp4,m4a,3gp,3g2,mj2 @ 0x1a] no index\n[swscaler @ 0x2] slow\n")
        os.write(2, b"[in @ 0x3] Changing video frame properties on the fly\n")
        os.write(2, b"[mpeg4 @ 0x4] Video uses a non-standard and wasteful way to store B-frames\n")
    print("afterwards", file=sys.stderr)
    assert lines == ["error while decoding MB 3 4", "no index"]
    assert capfd.readouterr().err == "afterwards\n"


def test_standard_error_comes_back_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), printed():
        raise KeyError
    print("afterwards", file=sys.stderr)
    assert capfd.readouterr().err == "afterwards\n"


def test_every_error_that_is_logged_counts_even_a_repeated_one() -> None:
    before = (av.logging.get_level(), av.logging.get_skip_repeated())
    with logged() as errors:
        for _ in range(3):
            av.logging.log(av.logging.ERROR, "h264", "the same")
        av.logging.log(av.logging.INFO, "h264", "no error")
    assert [error[-1] for error in errors] == ["the same"] * 3
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before
