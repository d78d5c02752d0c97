"""The protocol of one's own that docs/evaluation.md shows is run as it stands there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import evaluation.protocols as registry
from evaluation.config import EvaluateConfig
from evaluation.job import evaluate

DOCS = Path(__file__).parents[3] / "docs" / "evaluation.md"


def shown() -> tuple[str, str, str, str]:
    """From the section: where the file lies, its code, and the name and place that are to be registered."""
    section = DOCS.read_text().partition("## A protocol of one's own, in one file")[2].partition("\n## ")[0]
    (file,) = re.findall(r"`(evaluation/protocols/\w+\.py)`:", section)
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    ((name, place),) = re.findall(r'Add `"(\w+)": "([\w.:]+)"`', section)
    return file, code, name, place


def test_the_example_of_the_docs_runs_as_the_docs_say(
    ray_local: None,
    colour_table: str,
    tiny_export: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, code, name, place = shown()
    module = place.partition(":")[0]
    assert file == module.replace(".", "/") + ".py"  # the file of the docs is what the docs register
    own = tmp_path / Path(file).name
    own.write_text(code)
    package = import_module(module.rpartition(".")[0])
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    monkeypatch.setitem(registry.PROTOCOLS, name, place)
    settings = EvaluateConfig(
        clips=2, bootstrap=100, out=str(tmp_path / "out"), cache=str(tmp_path / "cache")
    )
    outcome = evaluate(name, tiny_export, colour_table, settings, None, None, 1)
    assert outcome["protocol"] == name
    assert outcome["metrics"]["top1_video"] > 0.8  # three colours
    assert outcome["baselines"]["chance"]["top1_video"] == pytest.approx(1 / 3)
    assert {"random_weights", "classical"} <= set(outcome["baselines"])
    assert sum(row["n"] for row in outcome["per_class"]) == 9
    assert "nearest mean of a class by cosine" in outcome["protocol_text"]
    assert Path(outcome["report"]).is_file()
