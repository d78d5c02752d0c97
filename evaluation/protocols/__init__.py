"""Protocols by name. A new one is a file with a class that has the contract of `base.Protocol`, and its name here."""

from __future__ import annotations

from chronav.errors import CallError
from evaluation.protocols.audio import AudioSVM
from evaluation.protocols.base import Protocol
from evaluation.protocols.crossmodal import CrossModal
from evaluation.protocols.linear import LinearProbe
from evaluation.protocols.retrieval import Retrieval

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol for protocol in (Retrieval(), LinearProbe(), AudioSVM(), CrossModal())
}


def protocol_named(name: str) -> Protocol:
    """The protocol `name`; raises `CallError` naming those there are."""
    if name not in PROTOCOLS:
        known = ", ".join([*PROTOCOLS, "all"])
        raise CallError(
            f"unknown protocol '{name}' (known: {known})", code="unknown_protocol", key="protocol"
        )
    return PROTOCOLS[name]
