"""`chronav compare`, from saved outcomes and from MLflow runs to the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from chronav import tracking
from chronav.errors import CallError
from chronav.tracking import Run, artifact_text, tracking_uri
from evaluation.compare import compare
from evaluation.outcomes import load_outcomes

Made = Callable[..., dict[str, Any]]
ITEMS = 20


def as_run(outcome: dict[str, Any], right: int) -> str:
    """An evaluation's run in MLflow, with `right` of its answers right."""
    run = Run.start("evaluate", "made up")
    outcome["mlflow_run_id"] = run.run_id
    run.text("outcome.json", json.dumps(outcome))
    names = [f"v{i}" for i in range(ITEMS)]
    columns = {"video_id": names, "group": names, "fold": ["f"] * ITEMS, "seed": [0] * ITEMS}
    given = ["Fan"] * right + ["Rain"] * (ITEMS - right)
    run.table("answers.json", columns | {"truth": ["Fan"] * ITEMS, "pretrained": given})
    run.finish()
    return run.run_id


@pytest.fixture
def pair(made: Made) -> tuple[str, str]:
    better = made(export="/runs/second/export")
    better["metrics"]["top1_video"] = 0.8421
    better["per_class"][0]["accuracy"] = 0.9091
    return as_run(made(), 8), as_run(better, 16)


def test_two_runs_side_by_side(pair: tuple[str, str], tmp_path: Path, made: Made, read_page: Any) -> None:
    found = compare(pair, str(tmp_path / "c.html"))
    page = read_page(tmp_path / "c.html")
    page.check_stands_alone()
    for words in (
        "A first", "B second", "0.725", "0.842", "0.601–0.831", "+0.400", "0.909", "BraVe (video+audio)",
        "40 test items are few", "Logistic regression; 10 clips", "0.413",
    ):  # fmt: skip
        assert words in page.words, words
    assert "not measured in the same way" not in page.words
    (task,) = found["tasks"]
    assert [run["value"] for run in task["runs"]] == [0.7251, 0.8421]
    assert task["differences"][0]["value"] == pytest.approx(8 / ITEMS)
    assert task["differences"][0]["items"] == ITEMS
    assert json.loads(json.dumps(found)) == found
    assert "B  0.84 [0.60, 0.83]  second  (90 of 100 items found)  (+0.40 [" in found["summary"]
    run = MlflowClient(tracking_uri=tracking_uri()).get_run(found["mlflow_run_id"])
    assert run.data.tags["chronav.compares"] == ", ".join(pair)
    assert artifact_text(run.info.run_id, "c.html") == page.source
    table = json.loads(artifact_text(run.info.run_id, "compare-linear-ucf101.json") or "")
    assert [row[:4] for row in table["data"][:2]] == [
        ["A", "/runs/first/export", "top1_video", 0.7251],
        ["B", "/runs/second/export", "top1_video", 0.8421],
    ]


def test_what_was_measured_otherwise_is_named(tmp_path: Path, made: Made, read_page: Any) -> None:
    other = made(protocol_text="logistic regression; 2 clips", coverage=made()["coverage"] | {"found": 12})
    for name, outcome in (("a.json", made()), ("b.json", other)):
        (tmp_path / name).write_text(json.dumps(outcome))
    found = compare([str(tmp_path / "a.json"), str(tmp_path / "b.json")], str(tmp_path / "c.html"))
    words = read_page(tmp_path / "c.html").words
    assert "not measured in the same way" in words
    assert "Items found 90 12" in words
    assert "logistic regression; 2 clips" in words
    assert "not paired: the answers of one are not in this MLflow store" in words
    assert "note: Protocol differs between the runs" in found["summary"]


def test_tasks_are_kept_apart_and_the_lot_of_a_call_is_taken_apart(
    tmp_path: Path, made: Made, read_page: Any
) -> None:
    retrieval = made(
        protocol="retrieval", main="R@1", metrics={"R@1": 0.333}, baselines={"chance": {"R@1": 0.1}}
    )
    lot = {"protocol": "all", "protocols": {"linear": made(), "retrieval": retrieval}}
    (tmp_path / "all.log").write_text("chatter\nmore\n" + json.dumps(lot) + "\n")
    (tmp_path / "one.json").write_text(json.dumps(made(dataset="hmdb51"), indent=2))
    found = compare([str(tmp_path / "all.log"), str(tmp_path / "one.json")], str(tmp_path / "c.html"))
    tasks = [(task["protocol"], task["dataset"], len(task["runs"])) for task in found["tasks"]]
    assert tasks == [("linear", "ucf101", 1), ("retrieval", "ucf101", 1), ("linear", "hmdb51", 1)]
    words = read_page(tmp_path / "c.html").words
    assert "Video retrieval: ucf101" in words
    assert "GDT" in words, "a published retrieval result"


def test_wrong_calls(tmp_path: Path, made: Made) -> None:
    (tmp_path / "one.json").write_text(json.dumps(made()))
    (tmp_path / "text.json").write_text("hello")
    (tmp_path / "ingest.json").write_text('{"files": 3}')
    one, page = str(tmp_path / "one.json"), str(tmp_path / "c.html")
    for code, names, out in (
        ("too_few_runs", [one], page),
        ("bad_value", [one, one], str(tmp_path / "folder")),
        ("no_such_run", [one, "0" * 32], page),
        ("bad_outcome", [one, str(tmp_path / "text.json")], page),
        ("bad_outcome", [one, str(tmp_path / "ingest.json")], page),
    ):
        with pytest.raises(CallError) as caught:
            compare(names, out)
        assert caught.value.code == code
    assert not Path(page).exists()


def test_a_beginning_that_several_runs_have_is_refused(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "runs_beginning", lambda stage, prefix: ["abcd1", "abcd2"])
    with pytest.raises(CallError, match="'abcd' is the beginning of several runs: abcd1, abcd2") as caught:
        load_outcomes(["abcd"])
    assert caught.value.code == "ambiguous_run"


def test_outcomes_of_runs_bring_their_answers(pair: tuple[str, str], tmp_path: Path) -> None:
    (first,) = load_outcomes(pair[:1])
    assert first.answers is not None
    assert first.answers["pretrained"].count("Fan") == 8
    (short,) = load_outcomes([pair[0][:12]])
    assert short == first
    (tmp_path / "saved.json").write_text(json.dumps(first.outcome))
    (saved,) = load_outcomes([str(tmp_path / "saved.json")])
    assert saved == first


def test_runs_with_more_and_more_labels_make_a_curve(tmp_path: Path, made: Made, read_page: Any) -> None:
    names = []
    for labels, value in ((40, 0.8), (2, 0.3), (10, 0.6)):
        metrics = made()["metrics"] | {"top1_video": value}
        baselines = {
            "from_scratch" if k == "random_weights" else k: v for k, v in made()["baselines"].items()
        }
        splits = [made()["splits"][0] | {"n_train": labels}]
        names.append(str(tmp_path / f"{labels}.json"))
        Path(names[-1]).write_text(
            json.dumps(made(protocol="finetune", metrics=metrics, baselines=baselines, splits=splits))
        )
    compare(names, str(tmp_path / "c.html"))
    page = read_page(tmp_path / "c.html")
    assert "What labels are worth" in page.words
    assert "Same network, trained from scratch" in page.words
    own, scratch = re.findall(r'<polyline class="line" points="([^"]*)"', page.source)
    points = [tuple(map(float, point.split(","))) for point in own.split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points), "fewest labels first"
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True), "more is higher"
    assert len(scratch.split()) == 3
    (width,) = re.findall(r'class="panel curves"><svg viewBox="0 0 (\d+) ', page.source)
    assert max(x for x, _ in points) < int(width) <= 360, "all of it is seen on a phone"
    assert "Training items 40 2 10" in page.words
