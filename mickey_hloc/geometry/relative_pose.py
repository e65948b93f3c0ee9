"""A metric relative pose of two cameras, or an honest failure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pycolmap


def _nan_pose() -> pycolmap.Rigid3d:
    return pycolmap.Rigid3d(np.full((3, 4), np.nan))


@dataclass(frozen=True, eq=False)
class RelativePose:
    """A metric relative pose, or an honest failure.

    Attributes:
        success: False means that there is no pose; then ``reason`` says why and the pose is NaN.
        cam1_from_cam0: rigid motion, translation in metres.
        score: soft inlier count.
        confidence: in [0, 1], comparable between pairs of one method; 0 on failure.
        correspondences: (M, 2) int64 keypoint indices that the solver weighed.
        inliers: (M,) bool, which of them agree with the pose.
        reason: why it failed; empty on success.
    """

    success: bool
    cam1_from_cam0: pycolmap.Rigid3d = field(default_factory=_nan_pose)
    score: float = 0.0
    confidence: float = 0.0
    correspondences: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    inliers: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    reason: str = ""

    @classmethod
    def failure(cls, reason: str, correspondences: np.ndarray | None = None) -> RelativePose:
        """A failed estimate with its reason."""
        if correspondences is None:
            return cls(success=False, reason=reason)
        return cls(
            success=False,
            reason=reason,
            correspondences=correspondences,
            inliers=np.zeros(len(correspondences), dtype=bool),
        )

    @property
    def R(self) -> np.ndarray:
        """(3, 3) float64."""
        return np.asarray(self.cam1_from_cam0.rotation.matrix())

    @property
    def t(self) -> np.ndarray:
        """(3,) float64, metres."""
        return np.asarray(self.cam1_from_cam0.translation)

    @property
    def quaternion_wxyz(self) -> np.ndarray:
        """(4,) float64, w first and w >= 0 (pycolmap stores x, y, z, w)."""
        x, y, z, w = self.cam1_from_cam0.rotation.quat
        return np.array([w, x, y, z]) * (-1.0 if w < 0 else 1.0)

    @property
    def num_inliers(self) -> int:
        return int(self.inliers.sum())
