"""The relative pose that a network predicts of two images, before any match has spoken for or against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ORTHONORMAL = 1e-2  # of networks in 16 bit


@dataclass(frozen=True, eq=False)
class PredictedPose:
    """A relative pose that a network predicts.

    Attributes:
        cam1_from_cam0: (3, 4) float64: R and t of x_cam1 = R x_cam0 + t.
        is_metric: whether t is in metres; otherwise its direction alone means something.
        confidence: the network's own, in [0, 1]; 1 where it gives none.
    """

    cam1_from_cam0: np.ndarray
    is_metric: bool = True
    confidence: float = 1.0

    def __post_init__(self) -> None:
        pose = np.asarray(self.cam1_from_cam0, dtype=np.float64)
        if pose.shape != (3, 4) or not np.isfinite(pose).all():
            raise ValueError(f"a predicted pose must be (3, 4) and finite, got {pose.shape}")
        R = pose[:, :3]
        if np.abs(R @ R.T - np.eye(3)).max() > ORTHONORMAL or np.linalg.det(R) < 0:
            raise ValueError("the first three columns of a predicted pose must be a rotation")
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"the confidence of a predicted pose must be in [0, 1], got {self.confidence}")
        U, _, Vt = np.linalg.svd(R)
        object.__setattr__(self, "cam1_from_cam0", np.concatenate([U @ Vt, pose[:, 3:]], axis=1))

    def inverse(self) -> PredictedPose:
        """cam0_from_cam1, for the images in the other order."""
        R, t = self.cam1_from_cam0[:, :3], self.cam1_from_cam0[:, 3:]
        return PredictedPose(np.concatenate([R.T, -R.T @ t], axis=1), self.is_metric, self.confidence)

    def arrays(self) -> dict[str, np.ndarray]:
        """As a group of an HDF5 file has it."""
        return {
            "predicted_cam1_from_cam0": self.cam1_from_cam0,
            "predicted_is_metric": np.array(self.is_metric),
            "predicted_confidence": np.array(self.confidence),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> PredictedPose | None:
        """What ``arrays`` gave; None where there is none.

        Raises:
            ValueError: it is no pose.
        """
        if "predicted_cam1_from_cam0" not in arrays:
            return None
        pose = np.asarray(arrays["predicted_cam1_from_cam0"])
        return cls(pose, bool(arrays["predicted_is_metric"]), float(arrays["predicted_confidence"]))


KEYS = ("predicted_cam1_from_cam0", "predicted_is_metric", "predicted_confidence")
