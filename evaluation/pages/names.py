"""How protocols, metrics and contenders are called on pages."""

from __future__ import annotations

import re

PROTOCOLS = {
    "retrieval": "Video retrieval",
    "linear": "Linear probe on video",
    "finetune": "Fine-tuning",
    "audio": "Linear probe on sound",
    "crossmodal": "Retrieval between video and sound",
}
_CONTENDERS = {
    "pretrained": "This export",
    "random_weights": "Same network, random weights",
    "from_scratch": "Same network, trained from scratch",
    "chance": "Chance",
    "majority_class": "Always the most frequent class",
    "supervised": "Supervised weights (torchvision)",
    "against": "The other export",
}
_OF_PROTOCOL = {
    "audio": {
        "classical": "Log-mel and MFCC statistics, linear SVM",
        "classical_rbf": "Log-mel and MFCC statistics, RBF SVM",
    },
    "finetune": {
        "frozen_linear": "This export frozen, linear probe",
    },
}
_DIRECTIONS = {"v2a": "video asks, sound answers", "a2v": "sound asks, video answers"}
_TOP = re.compile(r"top(\d+)_(video|clip)")


def protocol_name(protocol: str) -> str:
    """A heading."""
    return PROTOCOLS.get(protocol, protocol)


def contender_name(who: str, protocol: str) -> str:
    """Who was measured, in words."""
    video = {"classical": "Colour, edges and motion energy"}
    known = _CONTENDERS | _OF_PROTOCOL.get(protocol, video)
    return known.get(who, who.replace("_", " "))


def metric_name(metric: str) -> str:
    """`top1_video` -> `Top-1 by video`."""
    if metric.endswith("_labels"):
        return f"Top-1, {metric.removeprefix('top1_video_').removesuffix('_labels')} labelled videos"
    top = _TOP.fullmatch(metric)
    if top:
        return f"Top-{top[1]} by {top[2]}"
    direction, _, rest = metric.partition("_")
    if direction in _DIRECTIONS:
        own = rest.startswith("own_")
        which = "its own other side" if own else "any of its class"
        return f"{rest.removeprefix('own_')}, {_DIRECTIONS[direction]} ({which})"
    return metric
