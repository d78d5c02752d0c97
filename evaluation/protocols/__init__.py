"""Protocols by name. A new one is a class with the contract of `base.Protocol` and a line here."""

from __future__ import annotations

from chronav.errors import CallError
from evaluation.protocols.base import Protocol
from evaluation.protocols.linear import LinearProbe
from evaluation.protocols.retrieval import Retrieval

PROTOCOLS: dict[str, Protocol] = {
    "retrieval": Retrieval(),
    "linear": LinearProbe("linear", "video"),
    "audio": LinearProbe("audio", "audio"),
}


def protocol_named(name: str) -> Protocol:
    """The protocol `name`; raises `CallError` naming those there are."""
    if name not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise CallError(
            f"unknown protocol '{name}' (known: {known})", code="unknown_protocol", key="protocol"
        )
    return PROTOCOLS[name]
