"""Typed configuration: a pydantic model a component, a YAML file, and `key=value` overrides."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from chronav import storage
from chronav.errors import CallError


class Config(BaseModel):
    """Base of all configs: immutable, strict about types, no unknown keys.

    Every field carries its range in the type and its meaning in `description`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def digest(self, only: Sequence[str] | None = None) -> str:
        """A short stable hash of the config, or of the fields named in `only`."""
        values = self.model_dump(mode="json", include=set(only) if only else None)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


C = TypeVar("C", bound=Config)


class _Loader(yaml.SafeLoader):
    """YAML in which `1e-3` is a number, as everywhere but in YAML 1.1."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def build(
    cls: type[C],
    file: str | None = None,
    overrides: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> C:
    """Make a config from `defaults`, then a YAML `file`, then `key=value` overrides; later ones win.

    Dotted keys reach into nested configs (`audio.n_mels=64`). Raises `CallError` naming the key.
    """
    values: dict[str, Any] = {}
    _merge(values, defaults or {})
    if file is not None:
        _merge(values, _read_yaml(file))
    for text in overrides:
        key, value = _parse_override(text)
        _merge(values, _nest(key, value))
    return validate(cls, values)


def validate(cls: type[C], values: Mapping[str, Any]) -> C:
    """Build `cls` from plain values; raises `CallError` with one line that names the first bad key."""
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        raise _call_error(cls, error) from None


def _call_error(cls: type[Config], error: ValidationError) -> CallError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    if first["type"] == "extra_forbidden":
        fields = _fields_beside(cls, first["loc"])
        listed = f" (known keys: {', '.join(sorted(fields))})" if fields else ""
        meant = did_you_mean(str(first["loc"][-1]), fields)
        return CallError(f"unknown config key '{key}'{meant}{listed}", code="unknown_key", key=key)
    where = f"config key '{key}'" if key else "config"
    got = "" if first["type"] in ("missing", "value_error") else f", got {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    return CallError(f"{where}: {message[:1].lower()}{message[1:]}{got}", code="bad_value", key=key or None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that an unknown one most resembles, as a question to put behind it; empty where none does."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""


def _fields_beside(cls: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The fields of the (nested) config in which the last key of `loc` was looked for."""
    for part in loc[:-1]:
        field = cls.model_fields.get(str(part))
        if (
            field is None
            or not isinstance(field.annotation, type)
            or not issubclass(field.annotation, BaseModel)
        ):
            return []
        cls = field.annotation
    return list(cls.model_fields)


def _load_yaml(text: str | bytes) -> Any:
    """The value of a YAML text; raises `YAMLError` for whatever is wrong with it."""
    try:
        return yaml.load(text, _Loader)
    except (ValueError, KeyError, AttributeError) as error:
        # So PyYAML fails on values that only look right: `2024-13-45`, `!!bool x`, `!!timestamp x`.
        raise yaml.YAMLError(str(error)) from error


def _read_yaml(file: str) -> Mapping[str, Any]:
    if not storage.is_file(file):
        raise CallError(f"config file '{file}' does not exist", code="missing_file", path=file)
    try:
        values = _load_yaml(storage.read_bytes(file))
    except yaml.YAMLError as error:
        line = " ".join(str(error).split())
        raise CallError(f"config file '{file}' is not YAML: {line}", code="bad_file", path=file) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise CallError(f"config file '{file}' is not a mapping of keys", code="bad_file", path=file)
    return values


def _parse_override(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise CallError(f"expected key=value, got '{text}'", code="bad_override", key=text)
    try:
        return key, _load_yaml(value)
    except yaml.YAMLError:
        raise CallError(
            f"config key '{key}': '{value}' is not a YAML value", code="bad_value", key=key
        ) from None


def _nest(key: str, value: Any) -> dict[str, Any]:
    head, dot, rest = key.partition(".")
    return {head: _nest(rest, value) if dot else value}


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value
