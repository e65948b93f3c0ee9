"""A module with vismatch's interface, so that its matchers' adapters run without their weights."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch


class StubMatcher:
    """Matches the brightest pixels of both images, brightest with brightest, as vismatch's matchers answer."""

    def __init__(self, name: str, device: str, max_num_keypoints: int) -> None:
        self.name, self.device, self.count = name, device, max_num_keypoints

    def __call__(self, img0: torch.Tensor, img1: torch.Tensor) -> dict[str, Any]:
        assert img0.shape[0] == img1.shape[0] == 3
        count = min(20, self.count, img0[0].numel(), img1[0].numel())
        found = [self._brightest(image, count) for image in (img0, img1)]
        confidences = np.linspace(1, 0, count, dtype=np.float32)
        return {
            "num_inliers": 0,
            "H": None,
            "all_kpts0": found[0],
            "all_kpts1": found[1],
            "all_desc0": np.empty((0, 2)),
            "all_desc1": np.empty((0, 2)),
            "matched_kpts0": found[0],
            "matched_kpts1": found[1],
            "inlier_kpts0": np.empty((0, 2)),
            "inlier_kpts1": np.empty((0, 2)),
            "matched_confidences": None if self.name.endswith("-nn") else confidences,  # as ratio tests have none
        }

    def _brightest(self, image: torch.Tensor, count: int) -> np.ndarray:
        grey = image.sum(dim=0).cpu().numpy()
        order = np.argsort(-grey, axis=None, kind="stable")[:count]
        y, x = np.unravel_index(order, grey.shape)
        return np.stack([x, y], axis=-1).astype(np.float32)


def get_matcher(
    matcher_name: str | list[str] = "sift-lightglue",
    device: str = "cpu",
    max_num_keypoints: int = 2048,
    *args: Any,
    **kwargs: Any,
) -> StubMatcher:
    """With vismatch's signature."""
    assert isinstance(matcher_name, str)
    assert not args
    assert not kwargs
    return StubMatcher(matcher_name, device, max_num_keypoints)


def install(patch: pytest.MonkeyPatch, available_models: list[str]) -> None:
    """``import vismatch`` gives the stub."""
    module = ModuleType("vismatch")
    module.get_matcher = get_matcher  # type: ignore[attr-defined]
    module.available_models = available_models  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "vismatch", module)
