"""Networks of other packages with random weights, in place of what they would download."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import pytest
import torch


@lru_cache
def loftr() -> Any:
    """kornia's."""
    from kornia.feature.loftr import LoFTR
    from kornia.feature.loftr.loftr import default_cfg

    torch.manual_seed(0)
    config = copy.deepcopy(default_cfg)
    config["match_coarse"]["thr"] = 0.0
    return LoFTR(pretrained=None, config=config)


@lru_cache
def dedode() -> Any:
    """kornia's."""
    from kornia.feature import DeDoDe

    torch.manual_seed(0)
    return DeDoDe(descriptor_model="B", amp_dtype=torch.float32).eval()


def superpoint_config() -> Any:
    """A small one; every pixel can be a keypoint, and a hundred are."""
    from transformers import SuperPointConfig

    return SuperPointConfig(
        encoder_hidden_sizes=[8, 8, 16, 16],
        decoder_hidden_size=16,
        descriptor_decoder_dim=32,
        keypoint_threshold=0.0,
        max_keypoints=100,
    )


@lru_cache
def superpoint() -> Any:
    """transformers', small."""
    from transformers import SuperPointForKeypointDetection

    torch.manual_seed(0)
    return SuperPointForKeypointDetection(superpoint_config()).eval()


@lru_cache
def keypoint_matching(kind: str) -> Any:
    """transformers' matchers, small: "lightglue", "superglue" or "efficientloftr"."""
    import transformers as t

    torch.manual_seed(0)
    if kind == "lightglue":
        config = t.LightGlueConfig(
            keypoint_detector_config=superpoint_config(),
            descriptor_dim=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            filter_threshold=0.0,
        )
        return t.LightGlueForKeypointMatching(config).eval()
    if kind == "superglue":
        config = t.SuperGlueConfig(
            keypoint_detector_config=superpoint_config(),
            hidden_size=32,
            keypoint_encoder_sizes=[8, 16],
            gnn_layers_types=["self", "cross"],
            num_attention_heads=2,
            sinkhorn_iterations=5,
            matching_threshold=0.0,
        )
        return t.SuperGlueForKeypointMatching(config).eval()
    return t.EfficientLoFTRForKeypointMatching(t.EfficientLoFTRConfig(coarse_matching_threshold=0.0)).eval()


def replace_downloads(patch: pytest.MonkeyPatch) -> None:
    """What loads published weights gives these networks instead."""
    import kornia.feature
    import transformers

    def pretrained_dedode(
        detector_weights: str = "L-C4-v2", descriptor_weights: str = "G-upright", amp_dtype: Any = torch.float16
    ) -> Any:
        return dedode()

    def matching(name: str, revision: str) -> Any:
        kinds = ("lightglue", "superglue", "efficientloftr")
        return keypoint_matching(next(kind for kind in kinds if kind in name))

    patch.setattr(kornia.feature.DeDoDe, "from_pretrained", staticmethod(pretrained_dedode))
    patch.setattr(kornia.feature, "LoFTR", lambda pretrained: loftr())
    patch.setattr(transformers.AutoModelForKeypointDetection, "from_pretrained", lambda name, revision: superpoint())
    patch.setattr(transformers.AutoModelForKeypointMatching, "from_pretrained", matching)
