"""The ablations of the method, each a change of config: one piece taken away, all else as it was (section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.config import HEADS


def _off(*weights: str) -> dict[str, Any]:
    return {"loss": dict.fromkeys(weights, 0.0)}


_VIDEO_HEADS = tuple(head for head in HEADS if head.endswith("_v") or head == "order_vv")
_AUDIO_HEADS = tuple(head for head in HEADS if head.endswith("_a") or head == "order_aa")

SWITCHES: dict[str, Mapping[str, Any]] = {
    "no_temporal": _off("lambda_t"),
    "no_speed": _off("speed_v", "speed_a"),
    "no_direction": _off("direction_v", "direction_a"),
    "no_order": _off("order_vv", "order_aa", "order_va"),
    "no_intermodal_order": _off("order_va"),
    "no_extra_positives": {"loss": {"n_positives": 0}},
    "no_extra_negatives": {"loss": {"n_negatives": 0}},
    "no_vv": _off("vv"),
    "no_va": _off("va"),
    "video_only": _off("va", "order_va", *_AUDIO_HEADS),
    # Sound alone: the loss among audio clips takes the place of that among video clips.
    "audio_only": {"loss": _off("vv", "va", "order_va", *_VIDEO_HEADS)["loss"] | {"aa": 1.0}},
}
