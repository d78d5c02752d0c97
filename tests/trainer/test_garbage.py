"""Cycles wait, and what has none does not."""

from __future__ import annotations

import gc

import pytest

from trainer.garbage import no_search_for_cycles


def test_the_search_rests_inside_and_goes_on_after_an_error():
    def fail() -> None:
        with no_search_for_cycles():
            raise ValueError("on" if gc.isenabled() else "off")

    assert gc.isenabled()
    with pytest.raises(ValueError, match="off"):
        fail()
    assert gc.isenabled()


def test_who_had_switched_it_off_finds_it_so():
    gc.disable()
    try:
        with no_search_for_cycles():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
