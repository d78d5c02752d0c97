from __future__ import annotations

import pickle

import pytest

from chronav.errors import CallError, ChronavError, JobError


@pytest.mark.parametrize("kind", [CallError, JobError])
def test_errors_survive_pickling_whole(kind: type[ChronavError]) -> None:
    error = kind("no table at 'T'", code="missing_table", key="table", path="T")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.code, copy.key, copy.path) == ("missing_table", "table", "T")
    assert copy.exit_code == kind.exit_code


def test_the_json_object_leaves_out_what_is_not_there() -> None:
    assert CallError("x", code="c").as_dict() == {"code": "c", "message": "x"}
    assert CallError("x", code="c", key="k", path="p").as_dict() == {
        "code": "c",
        "message": "x",
        "key": "k",
        "path": "p",
    }


def test_exit_codes_are_those_of_the_command_line() -> None:
    assert (CallError.exit_code, JobError.exit_code) == (2, 1)
