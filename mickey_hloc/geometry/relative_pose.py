"""A metric relative pose of two cameras, or an honest failure, with the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pycolmap

from mickey_hloc.geometry.evidence import Evidence

Interval = tuple[float, float]  # metres


def nan_pose() -> pycolmap.Rigid3d:
    """A pose of NaN: there is none."""
    return pycolmap.Rigid3d(np.full((3, 4), np.nan))


@dataclass(frozen=True, eq=False)
class CovarianceParts:
    """What a pose's 6 x 6 covariance is made of, each (6, 6) float64; infinite where the pose is not determined.

    Attributes:
        residual: from the inliers' residuals, as if every match had errors of its own.
        depth_scales: if the scale of each depth map were wrong by 100 %, each for itself.
        common_scale: if both were wrong by the same 100 %.
    """

    residual: np.ndarray
    depth_scales: np.ndarray
    common_scale: np.ndarray

    @classmethod
    def unknown(cls) -> CovarianceParts:
        """Of a pose that is not determined."""
        return cls(np.full((6, 6), np.inf), np.zeros((6, 6)), np.zeros((6, 6)))

    def combined(self, residual: float, depth_scales: float, common_scale: float) -> np.ndarray:
        """(6, 6) sum of the parts, each times its variance."""
        return residual * self.residual + depth_scales * self.depth_scales + common_scale * self.common_scale


@dataclass(frozen=True, eq=False)
class RelativePose:
    """A metric relative pose, or an honest failure.

    A solver returns its best estimate: ``success`` then only says that there is one. ``confidence.accept`` judges the
    estimate: it fills in ``confidence`` and refuses what is not supported.

    Attributes:
        success: False means that there is no pose; then ``reason`` says why and ``cam1_from_cam0`` is NaN.
        cam1_from_cam0: rigid motion, translation in metres.
        score: soft inlier count.
        confidence: estimated probability that the VCRE is below 10 % of the image diagonal; 0 where nothing was
            estimated, and before the estimate was judged.
        correspondences: (M, 2) int64 keypoint indices that the solver weighed.
        inliers: (M,) bool, which of them agree with the estimate.
        reason: why it failed; empty on success.
        estimate: the solver's pose, also where it was refused; NaN where there is none. For benchmarks.
        evidence: what speaks for the estimate; None where there is none.
        covariance: (6, 6) of the estimate for the change (w, v) that turns it to exp(w) R and shifts it to t + v: three
            radians, then three metres, in the frame of camera 1. NaN where there is none. Before the estimate was
            judged: what the residuals alone say.
        squared_68: d^T covariance^-1 d below which 68 % of errors d are expected; 95 % are below 12.6.
        covariance_parts: what the covariance is made of; None where there is none.
        distance_68_m, distance_95_m: intervals that hold the distance of the cameras in 68 % and 95 % of such cases.
        note: what to know about the confidence, e.g. that it was not calibrated for this method.
    """

    success: bool
    cam1_from_cam0: pycolmap.Rigid3d = field(default_factory=nan_pose)
    score: float = 0.0
    confidence: float = 0.0
    correspondences: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    inliers: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    reason: str = ""
    estimate: pycolmap.Rigid3d = field(default_factory=nan_pose)
    evidence: Evidence | None = None
    covariance: np.ndarray = field(default_factory=lambda: np.full((6, 6), np.nan))
    squared_68: float = np.nan
    covariance_parts: CovarianceParts | None = None
    distance_68_m: Interval = (np.nan, np.nan)
    distance_95_m: Interval = (np.nan, np.nan)
    note: str = ""

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

    def distance_std_m(self, covariance: np.ndarray) -> float:
        """Standard deviation of the distance between the cameras of the estimate under a covariance (6, 6), metres."""
        t, block = np.asarray(self.estimate.translation), covariance[3:, 3:]
        if not np.isfinite(block).all():
            return np.inf
        length = float(np.linalg.norm(t))
        if length < 1e-9:
            return float(np.sqrt(max(np.trace(block) / 3, 0.0)))
        return float(np.sqrt(max(t @ block @ t, 0.0))) / length

    @property
    def R(self) -> np.ndarray:
        """(3, 3) float64."""
        return np.asarray(self.cam1_from_cam0.rotation.matrix())

    @property
    def t(self) -> np.ndarray:
        """(3,) float64, metres."""
        return np.asarray(self.cam1_from_cam0.translation)

    @property
    def has_estimate(self) -> bool:
        """Whether the solver found a pose at all, accepted or refused."""
        return bool(np.isfinite(self.estimate.translation).all())

    @property
    def quaternion_wxyz(self) -> np.ndarray:
        """(4,) float64, w first and w >= 0 (pycolmap stores x, y, z, w)."""
        x, y, z, w = self.cam1_from_cam0.rotation.quat
        return np.array([w, x, y, z]) * (-1.0 if w < 0 else 1.0)

    @property
    def num_inliers(self) -> int:
        return int(self.inliers.sum())
