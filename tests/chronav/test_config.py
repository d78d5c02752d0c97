from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, model_validator

from chronav.config import Config, build, validate
from chronav.errors import CallError


class Mel(Config):
    bands: int = Field(80, gt=0, description="mel bands")
    top_hz: float = Field(7000.0, gt=0, description="upper edge")


class Recipe(Config):
    lr: float = Field(3e-4, gt=0, description="learning rate")
    steps: int = Field(100, ge=1, description="updates")
    name: str = Field("small", description="what it is called")
    flip: bool = Field(True, description="mirror pictures")
    mel: Mel = Mel()

    @model_validator(mode="after")
    def _named(self) -> Recipe:
        if self.name == "bad":
            raise ValueError("A name must be good")
        return self


def _error(*overrides: str, file: str | None = None) -> CallError:
    with pytest.raises(CallError) as caught:
        build(Recipe, file, overrides)
    assert "\n" not in str(caught.value)
    return caught.value


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("lr: 0.1\nsteps: 7\nmel:\n  bands: 64\n")
    config = build(Recipe, str(file), ["steps=8", "mel.top_hz=6000"], {"lr": 0.2, "name": "tiny"})
    assert (config.lr, config.steps, config.name) == (0.1, 8, "tiny")
    assert config.mel == Mel(bands=64, top_hz=6000.0)


def test_defaults_are_not_changed_by_overrides() -> None:
    defaults = {"mel": {"bands": 40}}
    build(Recipe, None, ["mel.bands=41"], defaults)
    assert defaults == {"mel": {"bands": 40}}


def test_empty_file_is_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("# nothing\n")
    assert build(Recipe, str(file)) == Recipe()


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("1E+2", 100.0), ("2.5e-4", 2.5e-4), ("3", 3.0), (".5", 0.5)]
)
def test_numbers_as_people_write_them(text: str, value: float, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"lr: {text}\n")
    assert build(Recipe, None, [f"lr={text}"]).lr == value
    assert build(Recipe, str(file)).lr == value


def test_text_that_looks_like_a_number_with_letters_stays_text() -> None:
    assert build(Recipe, None, ["name=1e3x"]).name == "1e3x"


@pytest.mark.parametrize(
    ("override", "code", "key"),
    [
        ("nope=1", "unknown_key", "nope"),
        ("mel.nope=1", "unknown_key", "mel.nope"),
        ("steps=0", "bad_value", "steps"),
        ("steps=1.5", "bad_value", "steps"),
        ("steps=true", "bad_value", "steps"),
        ("steps=many", "bad_value", "steps"),
        ("steps=", "bad_value", "steps"),
        ("lr=-1", "bad_value", "lr"),
        ("lr=.nan", "bad_value", "lr"),
        ("lr=.inf", "bad_value", "lr"),
        ("flip=1", "bad_value", "flip"),
        ("name=3", "bad_value", "name"),
        ("mel=3", "bad_value", "mel"),
        ("mel.bands=0", "bad_value", "mel.bands"),
        ("lr=[1", "bad_value", "lr"),
        ("lr=2024-13-45", "bad_value", "lr"),
        ("lr=!!bool x", "bad_value", "lr"),
        ("lr=!!timestamp x", "bad_value", "lr"),
        ("lr", "bad_override", "lr"),
        ("=3", "bad_override", "=3"),
    ],
)
def test_bad_overrides_name_the_key(override: str, code: str, key: str) -> None:
    error = _error(override)
    assert (error.code, error.key) == (code, key)
    assert key in str(error)


def test_unknown_keys_list_the_known_ones_beside_them() -> None:
    assert "bands, top_hz" in str(_error("mel.nope=1"))
    assert "flip, lr, mel, name, steps" in str(_error("nope=1"))


def test_a_misspelt_key_is_answered_with_the_one_it_resembles() -> None:
    assert "unknown config key 'mel.band', did you mean 'bands'? (known" in str(_error("mel.band=1"))
    assert "did you mean" not in str(_error("nope=1"))


def test_a_rule_over_several_fields_reads_as_a_sentence() -> None:
    assert str(_error("name=bad")) == "config: a name must be good"


@pytest.mark.parametrize("content", [b"- 1\n- 2\n", b"lr: [1\n", b"lr: 2024-13-45\n", b"\xff\xfe\x00bad"])
def test_files_that_are_no_mapping_are_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(content)
    error = _error(file=str(file))
    assert (error.code, error.path) == ("bad_file", str(file))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert _error(file=str(tmp_path / "none.yaml")).code == "missing_file"
    assert _error(file=str(tmp_path)).code == "missing_file"


def test_configs_cannot_change() -> None:
    config = Recipe()
    with pytest.raises(ValueError):
        config.lr = 1.0  # type: ignore[misc]


def test_digest_follows_the_named_values_only() -> None:
    a, b = validate(Recipe, {"lr": 0.1}), validate(Recipe, {"lr": 0.2})
    assert a.digest() != b.digest()
    assert a.digest(only=["steps", "name"]) == b.digest(only=["name", "steps"])
    assert a.digest() == validate(Recipe, {"lr": 0.1}).digest()
    nested = validate(Recipe, {"mel": {"bands": 81}})
    assert nested.digest() != Recipe().digest()
