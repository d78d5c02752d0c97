from __future__ import annotations

import shutil
from pathlib import Path

import evaluation
from benchmarks.measures import measures_digest


def test_the_digest_names_what_measures_and_not_its_pages(tmp_path: Path, monkeypatch) -> None:
    copy = tmp_path / "evaluation"
    shutil.copytree(Path(str(evaluation.__file__)).parent, copy)
    monkeypatch.setattr(evaluation, "__file__", str(copy / "__init__.py"))
    digest = measures_digest.__wrapped__
    before = digest()
    assert before == measures_digest()
    (copy / "pages" / "new.py").write_text("x = 1\n")
    assert digest() == before
    (copy / "logistic.py").write_text("x = 1\n")
    assert digest() != before
