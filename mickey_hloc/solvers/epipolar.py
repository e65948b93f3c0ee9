"""Relative motions up to scale from 2D-2D matches, by OpenCV or PoseLib."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from mickey_hloc.errors import MissingDependencyError
from mickey_hloc.solvers.base import PoseProblem


@dataclass(frozen=True)
class EpipolarSettings:
    """How the robust estimation runs.

    Attributes:
        max_error_px: inlier threshold. probability: of having drawn a set of inliers only when the drawing stops.
        seed: in [0, 2^31).
    """

    max_error_px: float
    max_iterations: int
    probability: float
    seed: int
    backend: Literal["opencv", "poselib"] = "opencv"


def motions(problem: PoseProblem, matches: Tensor, settings: EpipolarSettings) -> list[tuple[Tensor, Tensor]]:
    """All motions that the essential matrix and the homography of matches (M, 2) allow.

    The homography is there for planar scenes: they allow two essential matrices, of which a robust estimator finds
    one at random.

    Returns:
        Rotations (3, 3) and unit translations (3,), the latter up to sign; none for fewer than five matches.
    """
    if len(matches) < 5:
        return []
    E = essential_matrix(problem, matches, settings)
    found = [] if E is None else _of_essential_matrix(E)
    found += _of_homography(problem, matches, settings)
    like = problem.view0.keypoints
    return [(torch.from_numpy(R).to(like), torch.from_numpy(direction).to(like)) for R, direction in found]


def essential_matrix(problem: PoseProblem, matches: Tensor, settings: EpipolarSettings) -> np.ndarray | None:
    """(3, 3) float64 with x1^T E x0 = 0 in normalised coordinates; None where none is found."""
    kp0, kp1, K0, K1 = arrays(problem, matches)
    backend = _with_poselib if settings.backend == "poselib" else _with_opencv
    return backend(kp0, kp1, K0, K1, settings)


def arrays(problem: PoseProblem, matches: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints (M, 2) and intrinsics (3, 3) of both views, float64."""
    view0, view1 = problem.view0, problem.view1
    tensors = view0.keypoints[matches[:, 0]], view1.keypoints[matches[:, 1]], view0.K, view1.K
    kp0, kp1, K0, K1 = (tensor.cpu().double().numpy() for tensor in tensors)
    return kp0, kp1, K0, K1


def _of_essential_matrix(E: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    R1, R2, direction = cv2.decomposeEssentialMat(E)
    return [(np.ascontiguousarray(R), direction[:, 0].copy()) for R in (R1, R2)]


def _of_homography(
    problem: PoseProblem, matches: Tensor, settings: EpipolarSettings
) -> list[tuple[np.ndarray, np.ndarray]]:
    kp0, kp1, K0, K1 = arrays(problem, matches)
    H, _ = cv2.findHomography(kp0, kp1, params=_usac(settings))
    return [] if H is None or not np.isfinite(H).all() else motions_of_homography(H, K0, K1)


def motions_of_homography(H: np.ndarray, K0: np.ndarray, K1: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rotations (3, 3) and unit translations (3,), up to sign, that map a plane as H (3, 3) does in pixels."""
    _, rotations, translations, _ = cv2.decomposeHomographyMat(np.linalg.inv(K1) @ H @ K0, np.eye(3))
    found = []
    for R, column in zip(rotations, translations, strict=True):
        length = np.linalg.norm(column)
        # Without translation every direction is as good: its length will turn out to be zero.
        direction = column[:, 0] / length if length > 1e-9 else np.array([0.0, 0.0, 1.0])
        if np.isfinite(R).all() and np.isfinite(direction).all():
            found.append((np.ascontiguousarray(R), direction))
    return found


def _usac(settings: EpipolarSettings) -> cv2.UsacParams:
    """MAGSAC++ scores, as the flag USAC_MAGSAC chooses them, with a seed."""
    params = cv2.UsacParams()
    params.score = cv2.SCORE_METHOD_MAGSAC
    params.loMethod = cv2.LOCAL_OPTIM_SIGMA
    params.final_polisher = cv2.MAGSAC
    params.threshold = settings.max_error_px
    params.confidence = settings.probability
    params.maxIterations = settings.max_iterations
    params.randomGeneratorState = settings.seed
    return params


def _with_opencv(
    kp0: np.ndarray, kp1: np.ndarray, K0: np.ndarray, K1: np.ndarray, settings: EpipolarSettings
) -> np.ndarray | None:
    E, _ = cv2.findEssentialMat(kp0, kp1, K0, K1, np.zeros(4), np.zeros(4), _usac(settings))
    return E if E is not None and E.shape == (3, 3) and bool(np.isfinite(E).all()) else None


def _with_poselib(
    kp0: np.ndarray, kp1: np.ndarray, K0: np.ndarray, K1: np.ndarray, settings: EpipolarSettings
) -> np.ndarray | None:
    try:
        import poselib
    except ImportError as error:
        raise MissingDependencyError(
            "The poselib backend needs PoseLib: pip install 'mickey-hloc[solvers]', or choose backend=opencv."
        ) from error
    cameras = [
        {"model": "PINHOLE", "width": 1, "height": 1, "params": [K[0, 0], K[1, 1], K[0, 2], K[1, 2]]} for K in (K0, K1)
    ]
    ransac = {
        "max_epipolar_error": settings.max_error_px,
        "max_iterations": settings.max_iterations,
        "success_prob": settings.probability,
        "seed": settings.seed,
    }
    pose, info = poselib.estimate_relative_pose(kp0, kp1, *cameras, ransac, {})
    if info["num_inliers"] < 5:
        return None
    x, y, z = pose.t / max(np.linalg.norm(pose.t), 1e-12)
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ pose.R
