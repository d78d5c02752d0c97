from __future__ import annotations

import dataclasses

import ray.data
from ray.data import DataContext

from chronav.cluster import fitted_ray_data

OFF = {
    "enable_progress_bars": False,
    "execution_no_progress_timeout_s": -1,
    "op_resource_reservation_enabled": False,
    "downstream_capacity_backpressure_ratio": None,
    "print_on_execution_start": False,
}


def settings(context: DataContext) -> dict[str, object]:
    return {name: getattr(context, name) for name in OFF}


def test_data_sets_made_inside_are_fitted_and_all_others_as_they_were(ray_local: None) -> None:
    before = settings(DataContext.get_current())
    with fitted_ray_data():
        inside = ray.data.from_items([1, 2]).map(lambda row: row)
    assert settings(inside.context) == OFF
    assert settings(DataContext.get_current()) == before
    assert settings(ray.data.from_items([1]).context) == before


def test_ray_data_still_has_these_settings_and_others_by_default() -> None:
    """A name that Ray has dropped would be set without a word, and without effect."""
    assert set(OFF) <= {field.name for field in dataclasses.fields(DataContext)}
    plain = settings(DataContext())
    assert all(plain[name] != value for name, value in OFF.items())
