from __future__ import annotations

import dataclasses

import pytest
from ray.data import DataContext

from chronav.cluster import set_up_ray_data

OFF = {
    "enable_progress_bars": False,
    "execution_no_progress_timeout_s": -1,
    "op_resource_reservation_enabled": False,
    "print_on_execution_start": False,
}


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> DataContext:
    """Ray Data's settings, which are put back afterwards."""
    found = DataContext.get_current()
    for name in OFF:
        monkeypatch.setattr(found, name, getattr(DataContext(), name))
    return found


def test_ray_data_is_fitted_to_jobs_of_one_operation(context: DataContext) -> None:
    set_up_ray_data()
    assert {name: getattr(context, name) for name in OFF} == OFF


def test_ray_data_still_has_these_settings_and_others_by_default(context: DataContext) -> None:
    """A name that Ray has dropped would be set without a word, and without effect."""
    assert set(OFF) <= {field.name for field in dataclasses.fields(DataContext)}
    assert all(getattr(context, name) != value for name, value in OFF.items())
