from __future__ import annotations

import pytest
from torch import nn

from benchmarks.gpu import compiled
from benchmarks.gpu.work import OutOfBounds, SkipPart

EARLIER = {"throughput": {"batch": 4.0}}


def compile_into(monkeypatch, made):
    """`made(module)` takes the place of what a compiler would make of a module's call."""
    monkeypatch.setattr(nn.Module, "compile", lambda self: setattr(self, "_compiled_call_impl", made(self)))


@pytest.fixture
def honest_compiler(monkeypatch):
    compile_into(monkeypatch, lambda module: module._call_impl)


def test_compares_and_measures_at_the_eager_batch(work, honest_compiler):
    part = work(EARLIER)
    compiled.measure(part)
    figures = part.findings.figures
    assert figures["batch"] == 4
    assert figures["compiled/gradient_cosine/all"] > 0.9999
    assert figures["compiled_float32/loss_error/total"] < 1e-5
    assert figures["compiled/first_step_s"] > 0
    assert part.findings.notes == []


def test_what_there_is_no_time_for_is_said(work, honest_compiler):
    part = work(EARLIER, seconds=0.0)
    compiled.measure(part)
    assert "float32 not compared: 0 s left" in part.findings.notes[0]
    assert not any(name.startswith("compiled_float32") for name in part.findings.figures)


def test_a_compiler_that_computes_something_else_is_found(work, monkeypatch):
    compile_into(monkeypatch, lambda module: lambda *args: module._call_impl(*args).flip(0))
    with pytest.raises(OutOfBounds, match="compiled_float32: "):
        compiled.measure(work(EARLIER))


def test_skipped_where_there_is_nothing_to_measure_with(work, monkeypatch):
    with pytest.raises(SkipPart, match="CPU"):
        compiled.run(work(EARLIER))
    with pytest.raises(SkipPart, match="found no batch"):
        compiled.measure(work())
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    with pytest.raises(SkipPart, match="C compiler"):
        compiled.measure(work(EARLIER))
    monkeypatch.undo()
    monkeypatch.setattr(compiled.sysconfig, "get_path", lambda name: "/nowhere")
    with pytest.raises(SkipPart, match="headers"):
        compiled.measure(work(EARLIER))
