"""Learning rates: of the parts of the network, and over time."""

from __future__ import annotations

import math
from typing import Any

from mickey_hloc.model.mickey import MicKey
from mickey_hloc.training.options import OptimizerOptions


def parameter_groups(model: MicKey, options: OptimizerOptions) -> list[dict[str, Any]]:
    """Geometry (offsets, depths), matching (descriptors, scores, dustbin) and a trained encoder, each with its rate."""
    geometry = [*model.offset_head.parameters(), *model.depth_head.parameters()]
    matching = [
        *model.descriptor_head.parameters(),
        *model.score_head.parameters(),
        *model.matcher.parameters(),
    ]
    groups = [
        {"params": geometry, "lr": options.lr},
        {"params": matching, "lr": options.lr * options.matching_factor},
    ]
    encoder = [p for p in model.encoder.parameters() if p.requires_grad]
    if encoder:
        groups.append({"params": encoder, "lr": options.lr * options.encoder_factor})
    return groups


def learning_rate_factor(step: int, total: int, options: OptimizerOptions) -> float:
    """Factor of the learning rate at a step of ``total``."""
    factor = min((step + 1) / options.warmup_steps, 1.0) if options.warmup_steps else 1.0
    if options.schedule == "cosine":
        done = min(step / max(total, 1), 1.0)
        factor *= options.end_share + (1.0 - options.end_share) * 0.5 * (1.0 + math.cos(math.pi * done))
    return factor
