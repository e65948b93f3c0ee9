"""Two photos in, a metric pose out: features, depth, matching and solver in one call, without files between them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from mickey_hloc.depth import get_depth_source
from mickey_hloc.depth.mickey import DepthSamples, MickeyDepth
from mickey_hloc.errors import InputError
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.images import image_to_tensor
from mickey_hloc.model.focal import FOCAL_CORRECTIONS, metric_keypoints
from mickey_hloc.model.matching import match_with_ratio_test, mutual_nearest_neighbours
from mickey_hloc.model.mickey import MetricKeypoints, MicKey
from mickey_hloc.registry import make_options, unknown_name
from mickey_hloc.solvers import PoseProblem, View, get_solver
from mickey_hloc.weights.checkpoints import load_model

FEATURES = {"mickey": "metric keypoints", "sift": "RootSIFT with a ratio test; needs a depth source"}


@dataclass(frozen=True, eq=False)
class Photo:
    """An image with its camera.

    Attributes:
        name: for messages, and what depth files are found by: a path relative to the image folder.
        image: (H, W, 3) uint8 RGB.
        K: (3, 3) intrinsics, pixels; the centre of the top-left pixel is (0, 0).
    """

    name: str
    image: np.ndarray
    K: np.ndarray

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3 or 0 in self.image.shape:
            raise InputError(f"{self.name} must be (H, W, 3) uint8 RGB, got {self.image.dtype} {self.image.shape}.")
        if self.K.shape != (3, 3) or not np.isfinite(self.K).all() or abs(np.linalg.det(self.K)) < 1e-9:
            raise InputError(f"K of {self.name} must be an invertible (3, 3) matrix of pixels.")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True)
class TwoViewOptions:
    """What to run.

    Attributes:
        feature: "mickey" or "sift".
        weights, encoder, device, precision: see ``load_model``; for MicKey's features or depth.
        depth: a depth source, see ``mickey_hloc.depth.SPECS``. Default: MicKey's own.
        solver: see ``mickey_hloc.solvers.SOLVERS``. Default: probabilistic for mickey, procrustes for sift.
        solver_options: options of that solver.
        max_ratio: of SIFT's ratio test.
        resize_max: MicKey sees larger images shrunk to this longer side, pixels; "trained": the model's own.
        focal_correction: "none", "depth" or "resize", see ``mickey_hloc.model.focal``.
    """

    feature: str = "mickey"
    weights: str = "mickey"
    encoder: str | None = None
    device: str | None = None
    precision: str = "auto"
    depth: str = "mickey"
    solver: str | None = None
    solver_options: Mapping[str, Any] = field(default_factory=dict)
    max_ratio: float = 0.9
    resize_max: int | Literal["trained"] | None = "trained"
    focal_correction: str = "none"

    def __post_init__(self) -> None:
        if self.feature not in FEATURES:
            raise unknown_name("feature", self.feature, FEATURES)
        if self.focal_correction not in FOCAL_CORRECTIONS:
            raise unknown_name("focal correction", self.focal_correction, FOCAL_CORRECTIONS)


@dataclass(frozen=True, eq=False)
class TwoViewResult:
    """The pose and what led to it.

    Attributes:
        pose: the relative pose cam1_from_cam0, or a failure.
        problem: keypoints, depths and K of both views, as the solver saw them.
        keypoint_scores: (N0,) and (N1,), of the keypoints in the problem.
        seconds: time by stage.
    """

    pose: RelativePose
    problem: PoseProblem
    keypoint_scores: tuple[Tensor, Tensor]
    seconds: dict[str, float]


class TwoViewEstimator:
    """Estimates relative poses of pairs; weights are loaded once, when first needed.

    Args:
        options: what to run.
        image_dir: folder that photo names are relative to, for depth read from files.

    Raises:
        InputError: an unknown name, or a combination that cannot work.
    """

    def __init__(self, options: TwoViewOptions, image_dir: Path | None = None) -> None:
        self.options = options
        default = "probabilistic" if options.feature == "mickey" else "procrustes"
        self.solver_name = options.solver or default
        self.solver = get_solver(self.solver_name, **options.solver_options)
        if self.solver.needs == "probability" and options.feature != "mickey":
            raise InputError(f"Solver '{self.solver_name}' needs MicKey's probabilities; choose another for sift.")
        self.needs_model = options.feature == "mickey" or options.depth == "mickey"
        own_depth = options.depth == "mickey"
        self.depth = None if own_depth else get_depth_source(options.depth, image_dir=image_dir)

    @cached_property
    def model(self) -> MicKey:
        """The network."""
        o = self.options
        return load_model(o.weights, encoder=o.encoder, device=o.device, precision=o.precision)

    def estimate(self, photo0: Photo, photo1: Photo, seed: int = 0) -> TwoViewResult:
        """The relative pose ``cam1_from_cam0`` of two photos, with the time of every stage.

        Raises:
            InputError: weights or depth that cannot be used.
        """
        seconds: dict[str, float] = {}
        photos = (photo0, photo1)
        with _timed(seconds, "weights"):
            _ = self.model if self.needs_model else None
        with _timed(seconds, "features"), torch.inference_mode():
            metric = self._metric_keypoints(photos) if self.needs_model else None
            features = metric if metric and self.options.feature == "mickey" else tuple(map(self._sift, photos))
        with _timed(seconds, "depth"):
            views = tuple(self._view(i, photos[i], features[i], metric) for i in (0, 1))
        with _timed(seconds, "matching"), torch.inference_mode():
            problem = self._problem(views[0], views[1], features)
        with _timed(seconds, "solver"):
            reason = next((f"{p.name} is of a single colour" for p in photos if _is_blank(p)), "")
            pose = RelativePose.failure(reason) if reason else self.solver.solve(problem, seed)
        scores = features[0].keypoint_scores[0].cpu(), features[1].keypoint_scores[0].cpu()
        return TwoViewResult(pose, problem, scores, seconds)

    def _metric_keypoints(self, photos: tuple[Photo, Photo]) -> tuple[MetricKeypoints, MetricKeypoints]:
        o = self.options
        size = self.model.options.training_size_px if o.resize_max == "trained" else o.resize_max
        first, second = (
            metric_keypoints(self.model, image_to_tensor(p.image), torch.from_numpy(p.K), o.focal_correction, size)
            for p in photos
        )
        return first, second

    @cached_property
    def _sift_extractor(self) -> Any:
        from mickey_hloc.features.sift import SiftExtractor

        return SiftExtractor()

    def _sift(self, photo: Photo) -> MetricKeypoints:
        found = self._sift_extractor.extract(image_to_tensor(photo.image))[0]
        arrays = {name: torch.from_numpy(value)[None] for name, value in found.items()}
        n = arrays["keypoints"].shape[1]
        return MetricKeypoints(**arrays, depths=torch.full((1, n), torch.nan), grid_shape=(1, n))

    def _view(
        self, i: int, photo: Photo, features: MetricKeypoints, metric: tuple[MetricKeypoints, MetricKeypoints] | None
    ) -> View:
        keypoints = features.keypoints[0].cpu()
        if self.depth is not None:
            depths = self.depth.depths(photo.name, keypoints)
        elif self.options.feature == "mickey":
            depths = features.depths[0].cpu()
        else:
            assert metric is not None
            samples = DepthSamples(metric[i].keypoints[0].cpu(), metric[i].depths[0].cpu(), photo.size)
            depths = MickeyDepth({photo.name: samples}).depths(photo.name, keypoints)
        depth_map = None
        if self.depth is not None and self.solver.uses_depth_maps:
            depth_map = self.depth.depth_map(photo.name)
        return View(keypoints, depths, torch.from_numpy(photo.K).float(), photo.size, depth_map)

    def _problem(self, view0: View, view1: View, features: tuple[MetricKeypoints, ...]) -> PoseProblem:
        a, b = features
        if self.options.feature == "sift":
            matches, scores = match_with_ratio_test(a.descriptors[0], b.descriptors[0], self.options.max_ratio)
            return PoseProblem(view0, view1, matches=matches, match_scores=scores)
        if self.solver.needs == "probability":
            return PoseProblem(view0, view1, probability=self.model.correspondence_probability(a, b)[0].cpu())
        matches, scores = mutual_nearest_neighbours(self.model.match(a, b)[0])
        return PoseProblem(view0, view1, matches=matches.cpu(), match_scores=scores.cpu())


def estimate_relative_pose(
    image0: np.ndarray, image1: np.ndarray, K0: np.ndarray, K1: np.ndarray, seed: int = 0, **options: Any
) -> RelativePose:
    """The metric relative pose of two images; for many pairs keep a ``TwoViewEstimator``.

    Args:
        image0, image1: (H, W, 3) uint8 RGB; their sizes may differ.
        K0, K1: (3, 3) intrinsics, pixels.
        seed: the same seed gives the same pose.
        options: see ``TwoViewOptions``, e.g. ``weights="mickey"``.

    Returns:
        cam1_from_cam0 in metres, or a failure with its reason.

    Raises:
        InputError: an unknown option, weights or depth that cannot be used.
    """
    photo0 = Photo("image0", np.asarray(image0), np.asarray(K0, dtype=np.float64))
    photo1 = Photo("image1", np.asarray(image1), np.asarray(K1, dtype=np.float64))
    estimator = TwoViewEstimator(make_options(TwoViewOptions, options, where="estimate_relative_pose"))
    return estimator.estimate(photo0, photo1, seed).pose


def _is_blank(photo: Photo) -> bool:
    return bool((photo.image == photo.image[:1, :1]).all())


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
