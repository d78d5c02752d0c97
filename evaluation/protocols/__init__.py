"""Protocols by name. A new one is a file with a class that has the contract of `base.Protocol`, and its name here."""

from __future__ import annotations

from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from evaluation.protocols.audio import AudioSVM
from evaluation.protocols.base import Protocol
from evaluation.protocols.crossmodal import CrossModal
from evaluation.protocols.finetune import Finetune
from evaluation.protocols.linear import LinearProbe
from evaluation.protocols.retrieval import Retrieval

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol for protocol in (Retrieval(), LinearProbe(), AudioSVM(), CrossModal(), Finetune())
}
ON_FROZEN_FEATURES = [name for name in PROTOCOLS if name != Finetune.name]
"""What `all` stands for: minutes each, where fine-tuning trains for hours."""


def protocol_named(name: str, config: EvaluateConfig | None = None) -> Protocol:
    """The protocol `name`, of what the config asks for; raises `CallError` naming those there are."""
    if name not in PROTOCOLS:
        known = ", ".join([*PROTOCOLS, "all"])
        raise CallError(
            f"unknown protocol '{name}' (known: {known})", code="unknown_protocol", key="protocol"
        )
    if name == Finetune.name and config is not None:
        return Finetune(config.finetune.modality)
    return PROTOCOLS[name]
