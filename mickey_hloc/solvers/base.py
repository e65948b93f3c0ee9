"""The contract of every two-view solver: a PoseProblem goes in, a RelativePose comes out, failure included."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.geometry import backproject
from mickey_hloc.geometry.camera import check_shape
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.registry import Part

# What linear algebra raises on degenerate numbers: the failure of one pair.
BREAKDOWNS = (torch.linalg.LinAlgError, np.linalg.LinAlgError, ArithmeticError)  # type: ignore[attr-defined]


# Beyond these no camera's numbers lie; squared in a solver they would spoil those of all other keypoints.
_FARTHEST_PX = 1e6
_DEPTH_RANGE_M = (1e-6, 1e6)


@dataclass(frozen=True, eq=False)
class View:
    """What a solver knows of one image.

    Attributes:
        keypoints: (N, 2) pixels, centre of the top-left pixel = (0, 0).
        depths: (N,) metres; not finite, <= 0, or not between a micrometre and 1000 km means unusable.
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
    def located(self) -> Tensor:
        """(N,) bool: keypoints with coordinates that are finite and nearer than 10^6 pixels."""
        return (self.keypoints.abs() < _FARTHEST_PX).all(dim=-1)

    @property
    def usable(self) -> Tensor:
        """(N,) bool: located keypoints with a usable depth."""
        return self.located & (self.depths > _DEPTH_RANGE_M[0]) & (self.depths < _DEPTH_RANGE_M[1])

    @property
    def has_usable_camera(self) -> bool:
        """Whether K can be inverted, in the numbers that it is given in."""
        inverse, info = torch.linalg.inv_ex(self.K)
        return int(info) == 0 and bool(torch.isfinite(self.K).all() & torch.isfinite(inverse).all())

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
        prediction: the pose that a network predicts of the pair, where one does.
    """

    view0: View
    view1: View
    matches: Tensor | None = None
    match_scores: Tensor | None = None
    probability: Tensor | None = None
    prediction: PredictedPose | None = None

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


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """Runs what follows on one CPU thread, where the device is the CPU.

    A solver's tensors are too small to share out: a second thread gains little, waits for a busy neighbour, and splits
    sums at other places, so that the digits of a pose would depend on the machine's number of cores.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def broke_down(error: Exception) -> RelativePose:
    """The failure of a pair whose numbers linear algebra broke down on."""
    told = (str(error) or type(error).__name__).splitlines()[0]
    return RelativePose.failure(f"the solver broke down on these numbers ({told})")


class Solver(Part, ABC):
    """Base of all solvers: checks the options and the input, then calls ``_solve``.

    A subclass defines ``Options`` (a frozen dataclass with the defaults), says what it ``needs``, and implements
    ``_solve``. The same seed gives the same pose.
    """

    kind = "solver"
    needs: ClassVar[Literal["matches", "probability"]]
    needs_prediction: ClassVar[bool] = False  # whether it takes the pose that a pair model predicts
    min_correspondences: ClassVar[int] = 3

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if getattr(self, "needs", None) not in ("matches", "probability"):
            raise self.broken('must say what it needs: needs = "matches", or needs = "probability"')

    @property
    def calibrated_as(self) -> str:
        """The name by which calibrations know the solver with its options."""
        return self.name

    def suited_to(self, depth_kind: str) -> Solver:
        """The solver for depth of this kind, see ``DepthSource.depth_kind``; "" is the features' own."""
        return self

    @property
    def uses_depth_maps(self) -> bool:
        """Whether these options make the solver look at ``View.depth_map``."""
        return bool(getattr(self.options, "icp", False))

    @property
    def tolerance_m(self) -> float | None:
        """How far apart 3-D points may be and still agree, metres; None where pixels decide."""
        return None

    def solve(self, problem: PoseProblem, seed: int | torch.Generator = 0) -> RelativePose:
        """Estimate ``cam1_from_cam0`` of one pair.

        Args:
            problem: the two views with matches or probability, as ``needs`` says.
            seed: an int or a generator on the problem's device.

        Returns:
            The pose, or a failure with its reason; never a made-up pose. Numbers that linear algebra breaks down on,
            or a K that cannot be inverted, are such a failure.

        Raises:
            ValueError: the problem lacks what this solver needs.
            PartError: the solver returned something else, or has a bug.
        """
        if getattr(problem, self.needs) is None:
            raise ValueError(f"{type(self).__name__} needs a problem with {self.needs}")
        for name, view in (("first", problem.view0), ("second", problem.view1)):
            if not view.has_usable_camera:
                return RelativePose.failure(f"K of the {name} image is not finite or cannot be inverted")
        device = problem.view0.keypoints.device
        generator = seed if isinstance(seed, torch.Generator) else torch.Generator(device).manual_seed(seed)
        try:
            with torch.no_grad(), one_thread(device), self.running(*BREAKDOWNS):
                found = self._solve(problem, generator)
        except BREAKDOWNS as error:
            return broke_down(error)
        return self._checked(found)

    @abstractmethod
    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose: ...

    def _checked(self, found: object) -> RelativePose:
        if not isinstance(found, RelativePose):
            raise self.broken(f"returned {type(found).__name__}, but must return RelativePose")
        finite = bool(np.isfinite(found.R).all() and np.isfinite(found.t).all())
        if found.success and not finite:
            raise self.broken("returned a pose that is not finite, but must return a failure with its reason")
        if not found.success and (finite or not found.reason):
            raise self.broken("returned a failure with a pose or without a reason; use RelativePose.failure")
        if not (0 <= found.confidence <= 1 and math.isfinite(found.score)):
            raise self.broken(f"returned confidence {found.confidence} and score {found.score}")
        if found.correspondences.shape != (len(found.inliers), 2) or found.inliers.dtype != bool:
            shapes = f"{found.correspondences.shape} and {found.inliers.dtype} {found.inliers.shape}"
            raise self.broken(f"returned correspondences and inliers of shape {shapes}, not (M, 2) and bool (M,)")
        return found
