"""Images and intrinsics brought to one size: resized to cover it, and cut."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from mickey_hloc.geometry import resize_intrinsics
from mickey_hloc.io.intrinsics import Intrinsics

Size = tuple[int, int]  # width, height


def fit_image(image: np.ndarray, size: Size) -> np.ndarray:
    """Resize an image so that it covers ``size`` (width, height), and cut what stands over: (H, W) or (H, W, C)."""
    height, width = image.shape[:2]
    scaled = _covering((width, height), size)
    if scaled != (width, height):
        shrinks = scaled[0] < width
        image = cv2.resize(image, scaled, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    left, top = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return image[top : top + size[1], left : left + size[0]]


def fit_intrinsics(camera: Intrinsics, size: Size) -> np.ndarray:
    """(3, 3) float64 intrinsics of ``fit_image``'s result."""
    scaled = _covering((camera.width, camera.height), size)
    K = torch.from_numpy(np.array(camera.K, dtype=np.float64))
    fitted = resize_intrinsics(K, (camera.width, camera.height), scaled).numpy()
    fitted[0, 2] -= (scaled[0] - size[0]) // 2
    fitted[1, 2] -= (scaled[1] - size[1]) // 2
    return fitted


def _covering(have: Size, wanted: Size) -> Size:
    """The size with the aspect of ``have`` that just covers ``wanted``; rounded, but never below it."""
    scale = max(wanted[0] / have[0], wanted[1] / have[1])
    return max(round(have[0] * scale), wanted[0]), max(round(have[1] * scale), wanted[1])
