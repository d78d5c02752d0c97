"""Labels by the hash of a video; and that training cannot see them."""

from __future__ import annotations

import ast
from pathlib import Path

import torch

import trainer
from trainer.batch import video_key
from trainer.watch.labels import UNKNOWN, Labels, read_labels

ROOT = Path(trainer.__file__).parent
# Who may watch: they wire, and hand nothing back to what is learnt.
WIRING = {"job.py", "worker.py", "fit.py", "preflight.py"}


def test_labels_of_several_tables_are_found_by_key(kit, tmp_path):
    rows = [
        kit.row(i, seconds=1.0, sound=False, label=label) for i, label in enumerate(["run", "swim", None])
    ]
    more = [kit.row(i, seconds=1.0, sound=False, label="swim") for i in (5, 1)]
    tables = [(kit.write_table(tmp_path / "A", rows), 0), (kit.write_table(tmp_path / "B", more), 0)]
    labels = read_labels(tables)
    assert len(labels) == 3
    keys = torch.tensor([video_key(None, f"video{i}") for i in (1, 0, 5, 2, 9)])
    swim, run, also_swim, unlabelled, stranger = labels.of(keys).tolist()
    assert swim == also_swim != run
    assert {swim, run} == {0, 1}
    assert unlabelled == stranger == UNKNOWN


def test_equal_ids_of_two_data_sets_are_two_videos(kit, tmp_path):
    rows = [kit.row(1, seconds=1.0, sound=False, label=name, dataset=name) for name in ("a", "b")]
    labels = read_labels([(kit.write_table(tmp_path / row["label"], [row]), 0) for row in rows])
    first, second, stranger = labels.of(torch.tensor([video_key(d, "video1") for d in ("a", "b", None)]))
    assert {int(first), int(second)} == {0, 1}
    assert stranger == UNKNOWN


def test_without_any_label_all_are_unknown():
    assert Labels({}).of(torch.tensor([3, -4])).tolist() == [UNKNOWN, UNKNOWN]


def modules() -> dict[str, ast.Module]:
    paths = [path for path in ROOT.rglob("*.py") if ROOT / "watch" not in path.parents]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


def test_no_module_of_training_names_the_label_column():
    for name, tree in modules().items():
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert "label" not in strings, name


def test_no_module_of_training_imports_what_watches():
    watching = set()
    for name, tree in modules().items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            if any(text.startswith("trainer.watch") for text in names):
                watching.add(name)
    assert "worker.py" in watching
    assert watching <= WIRING
