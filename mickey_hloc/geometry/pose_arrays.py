"""pycolmap's poses as arrays, for what works on many of them at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pycolmap


def pose_arrays(poses: Iterable[pycolmap.Rigid3d]) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (N, 3, 3) and translations (N, 3) of N poses, float64, in the poses' own direction."""
    stacked = np.stack([pose_matrix(pose) for pose in poses])
    return stacked[:, :, :3], stacked[:, :, 3]


def pose_matrix(pose: pycolmap.Rigid3d) -> np.ndarray:
    """(3, 4) float64, [R | t]."""
    return np.asarray(pose.matrix(), dtype=np.float64)
