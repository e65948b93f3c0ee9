"""The contract of every two-view solver: a PoseProblem goes in, a RelativePose comes out, failure included."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pycolmap
import torch
from torch import Tensor

from mickey_hloc.geometry import backproject
from mickey_hloc.geometry.camera import check_shape
from mickey_hloc.registry import make_options


@dataclass(frozen=True, eq=False)
class View:
    """What a solver knows of one image.

    Attributes:
        keypoints: (N, 2) pixels, centre of the top-left pixel = (0, 0).
        depths: (N,) metres; non-finite or <= 0 means unusable.
        K: (3, 3) intrinsics of the same pixels.
        image_size: (width, height), where known.
        depth_map: (H, W) metres, dense depth for solvers that refine on it, NaN where unknown.
    """

    keypoints: Tensor
    depths: Tensor
    K: Tensor
    image_size: tuple[int, int] | None = None
    depth_map: Tensor | None = None

    def __post_init__(self) -> None:
        check_shape("keypoints", self.keypoints, None, 2)
        check_shape("depths", self.depths, len(self.keypoints))
        check_shape("K", self.K, 3, 3)

    @property
    def usable(self) -> Tensor:
        """(N,) bool: keypoints with a finite, positive depth and finite coordinates."""
        return torch.isfinite(self.depths) & (self.depths > 0) & torch.isfinite(self.keypoints).all(dim=-1)

    def points(self) -> Tensor:
        """(N, 3) metres in the camera frame; meaningless where not ``usable``."""
        return backproject(self.keypoints, self.depths, self.K.to(self.keypoints))


@dataclass(frozen=True, eq=False)
class PoseProblem:
    """Two views and either matches or the full correspondence probability.

    Attributes:
        view0, view1: the two images.
        matches: (M, 2) int64, indices into the keypoints of view 0 and view 1.
        match_scores: (M,) in [0, 1], higher is better; None = all equal.
        probability: (N0, N1), >= 0, not normalised: P(y_ij) of MicKey Eq. 2.
    """

    view0: View
    view1: View
    matches: Tensor | None = None
    match_scores: Tensor | None = None
    probability: Tensor | None = None

    def __post_init__(self) -> None:
        n0, n1 = len(self.view0.keypoints), len(self.view1.keypoints)
        if self.matches is None and self.probability is None:
            raise ValueError("a PoseProblem needs matches or a correspondence probability")
        if self.matches is not None:
            check_shape("matches", self.matches, None, 2)
            for side, n in enumerate((n0, n1)):
                indices = self.matches[:, side]
                if bool(((indices < 0) | (indices >= n)).any()):
                    raise ValueError(f"matches point outside the {n} keypoints of view {side}")
            if self.match_scores is not None:
                check_shape("match_scores", self.match_scores, len(self.matches))
        if self.probability is not None:
            check_shape("probability", self.probability, n0, n1)


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


class Solver(ABC):
    """Base of all solvers: checks the options and the input, then calls ``_solve``.

    A subclass defines ``Options`` (a frozen dataclass with the defaults), says what it ``needs``, and implements
    ``_solve``. The same seed gives the same pose.
    """

    Options: ClassVar[type]
    needs: ClassVar[Literal["matches", "probability"]]
    min_correspondences: ClassVar[int] = 3

    def __init__(self, **options: Any) -> None:
        self.options: Any = make_options(self.Options, options, where=f"solver {type(self).__name__}")

    @property
    def uses_depth_maps(self) -> bool:
        """Whether these options make the solver look at ``View.depth_map``."""
        return bool(getattr(self.options, "icp", False))

    def solve(self, problem: PoseProblem, seed: int | torch.Generator = 0) -> RelativePose:
        """Estimate ``cam1_from_cam0`` of one pair.

        Args:
            problem: the two views with matches or probability, as ``needs`` says.
            seed: an int or a generator on the problem's device.

        Returns:
            The pose, or a failure with its reason; never a made-up pose.

        Raises:
            ValueError: the problem lacks what this solver needs.
        """
        if getattr(problem, self.needs) is None:
            raise ValueError(f"{type(self).__name__} needs a problem with {self.needs}")
        device = problem.view0.keypoints.device
        generator = seed if isinstance(seed, torch.Generator) else torch.Generator(device).manual_seed(seed)
        with torch.no_grad():
            return self._solve(problem, generator)

    @abstractmethod
    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose: ...
