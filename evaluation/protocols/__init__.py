"""Protocols by name. A new one is a file with a class that has the contract of `base.Protocol`, and a line here."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from chronav.config import did_you_mean
from chronav.errors import CallError

if TYPE_CHECKING:
    from evaluation.config import EvaluateConfig
    from evaluation.protocols.base import Protocol

ALL = "all"
FINETUNE = "finetune"
PROTOCOLS = {
    "retrieval": "evaluation.protocols.retrieval:Retrieval",
    "linear": "evaluation.protocols.linear:LinearProbe",
    "audio": "evaluation.protocols.audio:AudioSVM",
    "crossmodal": "evaluation.protocols.crossmodal:CrossModal",
    FINETUNE: "evaluation.protocols.finetune:Finetune",
}
"""Name -> module and class; a wrong name is told before any of them, and what it needs, is imported."""
ON_FROZEN_FEATURES = [name for name in PROTOCOLS if name != FINETUNE]
"""What `all` stands for: minutes each, where fine-tuning trains for hours."""


def check_name(name: str) -> None:
    """Raise `CallError` naming the protocols there are, where `name` is none of them."""
    if name not in PROTOCOLS:
        known = ", ".join([*PROTOCOLS, ALL])
        raise CallError(
            f"unknown protocol '{name}'{did_you_mean(name, [*PROTOCOLS, ALL])} (known: {known})",
            code="unknown_protocol",
            key="protocol",
        )


def protocol_named(name: str, config: EvaluateConfig | None = None) -> Protocol:
    """The protocol `name`, of what the config asks for; raises `CallError` naming those there are."""
    check_name(name)
    if name == FINETUNE and config is not None:
        return _class(name)(config.finetune.modality)
    return _plain(name)


def _class(name: str) -> type:
    module, _, of = PROTOCOLS[name].partition(":")
    return getattr(import_module(module), of)


@cache
def _plain(name: str) -> Protocol:
    return _class(name)()
