from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chronav.errors import CallError, JobError
from chronav.outcome import run_command


def _summary(outcome: Any) -> str:
    return "all is well"


def _raising(error: BaseException) -> Callable[[], dict[str, Any]]:
    def job() -> dict[str, Any]:
        raise error

    return job


def _run(capsys: pytest.CaptureFixture[str], job: Callable[[], Any], as_json: bool) -> tuple[int, str, str]:
    code = run_command(job, _summary, as_json)
    out, err = capsys.readouterr()
    return code, out, err


def test_success_prints_the_summary_and_then_one_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, lambda: {"rows": 3, "path": "a\nb"}, True)
    assert code == 0
    assert err == ""
    assert out.splitlines()[0] == "all is well"
    assert json.loads(out.splitlines()[-1]) == {"rows": 3, "path": "a\nb"}
    assert len(out.splitlines()) == 2


def test_without_json_only_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, lambda: {"rows": 3}, False) == (0, "all is well\n", "")


def test_numpy_scalars_are_numbers_and_nan_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    values = {
        "a": np.float32(0.5),
        "b": np.int64(3),
        "c": float("nan"),
        "d": [np.float64("inf"), (1, None)],
        "e": np.bool_(True),
        5: {"f": ValueError("odd")},
    }
    _, out, _ = _run(capsys, lambda: values, True)
    assert json.loads(out.splitlines()[-1], parse_constant=pytest.fail) == {
        "a": 0.5,
        "b": 3,
        "c": None,
        "d": [None, [1, None]],
        "e": True,
        "5": {"f": "odd"},
    }


@pytest.mark.parametrize(("kind", "code"), [(CallError, 2), (JobError, 1)])
def test_errors_are_one_line_and_one_object(kind: Any, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    got, out, err = _run(capsys, _raising(kind("two\nlines", code="c", key="k")), True)
    assert got == code
    assert err == "chronav: two lines\n"
    assert json.loads(out) == {"error": {"code": "c", "message": "two\nlines", "key": "k"}}
    assert _run(capsys, _raising(kind("x", code="c")), False) == (code, "", "chronav: x\n")


def test_a_bug_shows_its_traceback_and_still_ends_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, _raising(ZeroDivisionError("by zero")), True)
    assert code == 1
    assert "Traceback" in err
    assert err.splitlines()[-1] == "chronav: ZeroDivisionError: by zero"
    assert json.loads(out)["error"]["code"] == "unexpected"


def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, _raising(KeyboardInterrupt()), True)
    assert code == 130
    assert "run the same command again" in err
    assert json.loads(out)["error"]["code"] == "interrupted"


def test_an_outcome_may_carry_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = {"exit_code": 2, "error": {"code": "c", "message": "it failed"}, "submission_id": "s"}
    code, out, err = _run(capsys, lambda: outcome, True)
    assert (code, err) == (2, "chronav: it failed\n")
    assert json.loads(out) == outcome


def test_an_error_from_a_ray_task_prints_as_it_was_raised(capsys: pytest.CaptureFixture[str]) -> None:
    from ray.exceptions import RayTaskError

    cause = CallError("no such folder 'x'", code="missing_folder", path="x")
    wrapped = RayTaskError("task", "Traceback (most recent call last): ...", cause).as_instanceof_cause()
    assert isinstance(wrapped, CallError)
    code, _, err = _run(capsys, _raising(wrapped), False)
    assert (code, err) == (2, "chronav: no such folder 'x'\n")
