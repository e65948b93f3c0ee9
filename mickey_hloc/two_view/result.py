"""What goes into the estimate of a pair in memory, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pycolmap

from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Camera
from mickey_hloc.io.features import ImageFeatures
from mickey_hloc.io.intrinsics import Intrinsics, check_camera
from mickey_hloc.solvers import PoseProblem


@dataclass(frozen=True, eq=False)
class Photo:
    """An image with its camera.

    Attributes:
        name: for messages, and what depth files are found by: a path relative to the image folder.
        image: (H, W, 3) uint8 RGB.
        K: (3, 3) intrinsics, pixels; the centre of the top-left pixel is (0, 0).
        lens: COLMAP's camera, where it distorts; K is then that of its pinhole part.
        focal_is_guessed: K has a focal length that nobody knows; the pose then has half the confidence.
    """

    name: str
    image: np.ndarray
    K: np.ndarray
    lens: pycolmap.Camera | None = None
    focal_is_guessed: bool = False

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3 or 0 in self.image.shape:
            raise InputError(f"{self.name} must be (H, W, 3) uint8 RGB, got {self.image.dtype} {self.image.shape}.")
        if self.K.shape != (3, 3) or not np.isfinite(self.K).all() or (np.diag(self.K) == 0).any():
            raise InputError(f"K of {self.name} must be an invertible (3, 3) matrix of pixels.")
        check_camera(self.camera.intrinsics, f"K of {self.name}")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def camera(self) -> Camera:
        """The camera, with its lens."""
        intrinsics = Intrinsics(np.asarray(self.K, dtype=np.float64), *self.size)
        return Camera(intrinsics, self.lens, self.focal_is_guessed)


@dataclass(frozen=True, eq=False)
class TwoViewResult:
    """The pose and what led to it.

    Attributes:
        pose: the relative pose cam1_from_cam0, or a failure.
        problem: keypoints, depths and K of both views, as the solver saw them.
        features: of both images.
        seconds: time by stage.
    """

    pose: RelativePose
    problem: PoseProblem
    features: tuple[ImageFeatures, ImageFeatures]
    seconds: dict[str, float]
