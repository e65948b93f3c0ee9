"""Two photos in, a metric pose out: features, depth, matching and solver in one call, without files between them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from mickey_hloc.depth.base import DepthSource
from mickey_hloc.depth.mickey import DepthSamples, MickeyDepth
from mickey_hloc.depth.sources import get_depth_source
from mickey_hloc.errors import InputError
from mickey_hloc.features.base import Extractor, describe_images
from mickey_hloc.features.mickey import DEFAULT_WEIGHTS, MickeyExtractor
from mickey_hloc.geometry.predicted_pose import PredictedPose
from mickey_hloc.geometry.relative_pose import RelativePose
from mickey_hloc.io.cameras import Cameras
from mickey_hloc.io.features import TRAINING_FOCAL_KEY, ImageFeatures, in_memory
from mickey_hloc.io.image_batches import prepare_image
from mickey_hloc.io.matches import matches_of_partners
from mickey_hloc.io.pair_keypoints import features_and_matches_of
from mickey_hloc.matching import Matcher
from mickey_hloc.matching.mickey import dual_softmax
from mickey_hloc.pair_models import PairModel
from mickey_hloc.pair_models.base import match_photos
from mickey_hloc.registry import make_options
from mickey_hloc.two_view.method import Method
from mickey_hloc.two_view.problem import Matches, ProblemBuilder, correspondences_for
from mickey_hloc.two_view.result import Photo, TwoViewResult
from mickey_hloc.two_view.solving import solve_pair

Arrays = dict[str, np.ndarray]
T = TypeVar("T")
_RECENT: list[TwoViewEstimator] = []  # of estimate_relative_pose: the weights of its last method stay loaded


class TwoViewEstimator:
    """Estimates relative poses of pairs; weights are loaded once, when they are first needed.

    Args:
        method: what to run.
        image_dir: folder that photo names are relative to, for depth read from files.
        cache: keeps the features and matches of photos by their names, which must then be unique; several estimators
            may share one. None: nothing is kept.

    Raises:
        InputError: an unknown name, or a combination that cannot work.

    Example:
        A wall at 2 m, seen again by a camera that went sideways until the picture had moved by 20 pixels: 0.2 m.

        >>> import numpy as np
        >>> from mickey_hloc import Method, Photo, TwoViewEstimator
        >>> bricks = np.random.default_rng(0).integers(0, 255, (30, 40, 1), dtype=np.uint8)
        >>> wall = bricks.repeat(8, axis=0).repeat(8, axis=1).repeat(3, axis=2)  # 240 x 320 pixels
        >>> K = np.array([[200.0, 0, 119.5], [0, 200, 119.5], [0, 0, 1]])
        >>> photo0, photo1 = Photo("0.png", wall[:, :240], K), Photo("1.png", wall[:, 20:260], K)
        >>> result = TwoViewEstimator(Method(feature="sift", depth="constant:2")).estimate(photo0, photo1)
        >>> result.pose.success, [round(x, 2) + 0.0 for x in result.pose.t.tolist()]
        (True, [-0.2, 0.0, 0.0])
        >>> len(result.problem.matches) > 50, "solver" in result.seconds
        (True, True)
    """

    def __init__(
        self, method: Method, image_dir: Path | None = None, cache: MutableMapping[Any, Any] | None = None
    ) -> None:
        self.method, self.parts, self.image_dir, self.cache = method, method.resolve(), image_dir, cache

    @cached_property
    def builder(self) -> ProblemBuilder:
        """Makes the problems."""
        parts, softmax = self.parts, None
        if parts.on_descriptors:
            assert isinstance(parts.extractor, MickeyExtractor)
            softmax = dual_softmax(parts.extractor.attributes(), DEFAULT_WEIGHTS)
        kind = correspondences_for(parts.solver, parts.on_descriptors)
        return ProblemBuilder(kind, softmax, parts.solver.uses_depth_maps, self.method.focal_correction)

    @cached_property
    def depth(self) -> DepthSource | None:
        """Where depths come from that are not the features' own and not MicKey's in memory."""
        if self.parts.depth is None or self.parts.depth_extractor is not None:
            return None
        return get_depth_source(self.parts.depth, image_dir=self.image_dir, **self.method.depth_options)

    def estimate(self, photo0: Photo, photo1: Photo, seed: int | None = None) -> TwoViewResult:
        """The relative pose ``cam1_from_cam0`` of two photos, with the time of every stage.

        Args:
            seed: of the solver's draws. Default: the method's.

        Raises:
            InputError: weights or depth that cannot be used.
        """
        photos, seed = (photo0, photo1), self.method.seed if seed is None else seed
        (arrays0, arrays1, matches), prediction, seconds = self._match(photos)
        features = self._in_memory(arrays0), self._in_memory(arrays1)
        with _timed(seconds, "depth"):
            if self.depth is not None and self.depth.uses_cameras:
                self.depth.cameras = Cameras({photo.name: photo.camera for photo in photos}, Path("the photos"))
            view0, view1 = (
                self.builder.view(photo.name, found, photo.camera, self._depth_of(photo))
                for photo, found in zip(photos, features, strict=True)
            )
        with _timed(seconds, "solver"):
            problem, pose = solve_pair(
                self.builder, self.parts.solver, view0, view1, matches, seed, self.parts.acceptance, prediction
            )
        return TwoViewResult(pose, problem, features, seconds)

    def match(self, photos: Sequence[Photo]) -> tuple[tuple[Arrays, Arrays, Matches | None], dict[str, float]]:
        """Features of two photos and their matches, with the time of each stage.

        Raises:
            InputError: weights that cannot be used.
        """
        found, _, seconds = self._match(photos)
        return found, seconds

    def _match(
        self, photos: Sequence[Photo]
    ) -> tuple[tuple[Arrays, Arrays, Matches | None], PredictedPose | None, dict[str, float]]:
        """As ``match``, with the pose that a pair model predicts."""
        seconds: dict[str, float] = {}
        with _timed(seconds, "weights"):
            for extractor in (self.parts.extractor, self.parts.depth_extractor):
                _ = extractor.model if isinstance(extractor, MickeyExtractor) else None
        if self.parts.pair_model is not None:
            seconds["features"] = 0.0
            with _timed(seconds, "matching"):
                found, prediction = self._match_with(self.parts.pair_model, photos)
            return found, prediction, seconds
        assert self.parts.extractor is not None
        with _timed(seconds, "features"):
            arrays0, arrays1 = (self._extract(self.parts.extractor, photo) for photo in photos)
        matcher = self.parts.matcher
        if matcher is None:  # the problem is made from descriptors
            return (arrays0, arrays1, None), None, {**seconds, "matching": 0.0}
        matcher.prepare(self.parts.extractor.attributes())
        key = (matcher.name, repr(matcher.identity()), self.parts.extractor.tag(), *(photo.name for photo in photos))
        with _timed(seconds, "matching"):
            matches = self._once(key, lambda: _matches(matcher, arrays0, arrays1))
        return (arrays0, arrays1, matches), None, seconds

    def _match_with(
        self, model: PairModel, photos: Sequence[Photo]
    ) -> tuple[tuple[Arrays, Arrays, Matches], PredictedPose | None]:
        intrinsics = [photo.K for photo in photos]
        told = repr([K.tolist() for K in intrinsics]) if model.uses_cameras else ""
        key = (model.name, repr(model.identity()), told, *(photo.name for photo in photos))
        images = [photo.image for photo in photos]
        arrays = self._once(key, lambda: match_photos(model, images, intrinsics))
        return features_and_matches_of(arrays), PredictedPose.from_arrays(arrays)

    def _extract(self, extractor: Extractor, photo: Photo) -> Arrays:
        return self._once((extractor.tag(), photo.name), lambda: extract_photo(extractor, photo))

    def _once(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """What the cache has under a key, made where it has nothing."""
        if self.cache is None:
            return make()
        if key not in self.cache:
            self.cache[key] = make()
        kept: T = self.cache[key]
        return kept

    def depth_map(self, photo: Photo) -> torch.Tensor | None:
        """(H, W) metres of a photo, unknown = NaN or <= 0; None where the method's depth is not dense.

        Raises:
            InputError: there is no depth of this photo.
        """
        return None if self.depth is None else self.depth.depth_map(photo.name)

    def _in_memory(self, arrays: Arrays) -> ImageFeatures:
        attributes = {} if self.parts.extractor is None else self.parts.extractor.attributes()
        focal = attributes.get(TRAINING_FOCAL_KEY)
        return in_memory(arrays, None if focal is None else float(focal))

    def _depth_of(self, photo: Photo) -> DepthSource | None:
        extractor = self.parts.depth_extractor
        if extractor is None:
            return self.depth
        focal = extractor.attributes().get(TRAINING_FOCAL_KEY)
        found = in_memory(self._extract(extractor, photo), None if focal is None else float(focal))
        assert found.depths is not None
        samples = DepthSamples(
            torch.from_numpy(found.keypoints), torch.from_numpy(found.depths), photo.size, found.learned_focal
        )
        return MickeyDepth({photo.name: samples}, **self.method.depth_options)


def extract_photo(extractor: Extractor, photo: Photo) -> Arrays:
    """The arrays that a features file would have of a photo.

    Raises:
        InputError: the extractor cannot process it; the message names it.
    """
    K = photo.K
    size = extractor.network_size(photo.size, float(K[0, 0] + K[1, 1]) / 2)
    image = torch.from_numpy(prepare_image(photo.image, extractor.preprocessing, size))
    try:
        return describe_images(extractor, image[None], [photo.size])[0]
    except InputError as error:
        raise InputError(f"{photo.name}: {error}") from error


def _matches(matcher: Matcher, arrays0: Arrays, arrays1: Arrays) -> Matches:
    partners, scores = matcher.match(_as_stored(arrays0), _as_stored(arrays1))
    return matches_of_partners(partners.numpy(), scores.numpy())


def _as_stored(arrays: Arrays) -> dict[str, torch.Tensor]:
    """As matchers read them from a features file."""
    kept = {key: value for key, value in arrays.items() if key != "uncertainty"}  # an attribute there, no dataset
    return {key: torch.from_numpy(np.asarray(value, dtype=np.float32)) for key, value in kept.items()}


def estimate_relative_pose(
    image0: np.ndarray, image1: np.ndarray, K0: np.ndarray, K1: np.ndarray, seed: int = 0, **options: Any
) -> RelativePose:
    """The metric relative pose of two images; the weights of the last method stay loaded for the next call.

    Args:
        image0, image1: (H, W, 3) uint8 RGB; their sizes may differ.
        K0, K1: (3, 3) intrinsics, pixels.
        seed: the same seed gives the same pose.
        options: see ``Method``, e.g. ``weights="small"``.

    Returns:
        cam1_from_cam0 in metres, or a failure with its reason.

    Raises:
        InputError: an unknown option, weights or depth that cannot be used.

    Example:
        >>> import numpy as np
        >>> from mickey_hloc import estimate_relative_pose
        >>> grey, K = np.full((48, 64, 3), 128, np.uint8), np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
        >>> pose = estimate_relative_pose(grey, grey, K, K, feature="sift", depth="constant:2")
        >>> pose.success, pose.reason
        (False, 'image0 has no keypoints (is it of a single colour?)')
    """
    method = make_options(Method, options, where="estimate_relative_pose")
    photo0 = Photo("image0", np.asarray(image0), np.asarray(K0, dtype=np.float64))
    photo1 = Photo("image1", np.asarray(image1), np.asarray(K1, dtype=np.float64))
    return _recent_estimator(method).estimate(photo0, photo1, seed).pose


def _recent_estimator(method: Method) -> TwoViewEstimator:
    """The estimator of the last call where its method was the same."""
    if not _RECENT or _RECENT[0].method != method:
        _RECENT[:] = [TwoViewEstimator(method)]
    return _RECENT[0]


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
