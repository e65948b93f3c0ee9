"""Parts as a user would write them, outside of the package: one of each slot, on nothing but the public names."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pycolmap
import torch
from torch import Tensor

from mickey_hloc.depth import DenseDepthSource
from mickey_hloc.depth.dense import DenseOptions
from mickey_hloc.features import Extractor, ExtractorOptions
from mickey_hloc.matching import Matcher, MatcherOptions
from mickey_hloc.pair_models import PairMatches, PairModel, PairModelOptions
from mickey_hloc.registry import CheckedOptions, require
from mickey_hloc.solvers import PoseProblem, RelativePose, Solver


@dataclass(frozen=True)
class CornerOptions(ExtractorOptions):
    """Attributes: max_keypoints: maximum number of keypoints."""

    max_keypoints: int = 800


class CornerExtractor(Extractor):
    """Shi-Tomasi corners, described by SIFT."""

    Options = CornerOptions
    datasets = frozenset({"descriptors", "keypoint_scores"})
    default_matcher = "support.own_parts:RatioMatcher"

    def _extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        return [self._describe((image.mean(dim=0).numpy() * 255).astype(np.uint8)) for image in images]

    def _describe(self, grey: np.ndarray) -> dict[str, np.ndarray]:
        corners = cv2.goodFeaturesToTrack(grey, self.options.max_keypoints, 0.01, 3)
        keypoints = [
            cv2.KeyPoint(float(x), float(y), 12.0) for x, y in np.reshape([] if corners is None else corners, (-1, 2))
        ]
        keypoints, descriptors = cv2.SIFT_create().compute(grey, keypoints)
        descriptors = np.zeros((0, 128)) if descriptors is None else np.sqrt(descriptors / descriptors.sum(1)[:, None])
        return {
            "keypoints": np.array([k.pt for k in keypoints]).reshape(-1, 2),
            "descriptors": descriptors.T,
            "keypoint_scores": np.linspace(1, 0, len(keypoints)),
        }


@dataclass(frozen=True)
class RatioOptions(MatcherOptions):
    """Attributes: max_ratio: best over second-best distance."""

    max_ratio: float = 0.85

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "max_ratio", 0 < self.max_ratio <= 1, "in (0, 1]")


class RatioMatcher(Matcher):
    """Mutual nearest neighbours with a ratio test."""

    Options = RatioOptions
    needs = frozenset({"descriptors"})

    def _match(self, features0, features1) -> tuple[Tensor, Tensor]:
        distances = torch.cdist(features0["descriptors"].T, features1["descriptors"].T)
        best = distances.topk(min(2, distances.shape[1]), largest=False)
        ratio = best.values[:, 0] / best.values[:, -1].clamp(min=1e-9)
        mutual = distances.argmin(dim=0)[best.indices[:, 0]] == torch.arange(len(distances))
        kept = mutual & (ratio < self.options.max_ratio)
        return torch.where(kept, best.indices[:, 0], -1), torch.where(kept, 1 - ratio, 0.0)


class CornerPairs(PairModel):
    """Both of them at once, with one depth for everything: a model that has depth of its own."""

    @dataclass(frozen=True)
    class Options(PairModelOptions):
        depth_m: float = 2.0

    has_depth = True

    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches:
        found = [CornerExtractor().extract(image[None])[0] for image in (image0, image1)]
        features0, features1 = ({key: torch.from_numpy(value) for key, value in side.items()} for side in found)
        partners, scores = RatioMatcher().match(features0, features1)
        matched = partners >= 0
        depths = torch.full((int(matched.sum()),), self.options.depth_m)
        keypoints0, keypoints1 = features0["keypoints"][matched], features1["keypoints"][partners[matched]]
        return PairMatches(keypoints0, keypoints1, scores[matched], depths, depths)


@dataclass(frozen=True)
class MapOptions(DenseOptions):
    """Attributes: metres_per_unit: of the 16-bit values."""

    metres_per_unit: float = 0.001


class MapDepth(DenseDepthSource):
    """``support.own_parts:MapDepth:<suffix>``: 16-bit depth maps beside the images."""

    Options = MapOptions

    def _load_map(self, image_name: str, image_size: tuple[int, int]) -> Tensor:
        path = self.image_path(image_name).with_suffix(f".{self.argument}.png")
        units = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        return torch.from_numpy(units.astype(np.float32)) * self.options.metres_per_unit


@dataclass(frozen=True)
class AlignOptions(CheckedOptions):
    """Attributes: max_error_m: of an inlier. draws: number of draws."""

    max_error_m: float = 0.05
    draws: int = 300


class AlignSolver(Solver):
    """Aligns three drawn points with their partners, the draw with most inliers wins; no probability of chance."""

    Options = AlignOptions
    needs = "matches"

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose:
        usable0, usable1 = problem.view0.usable, problem.view1.usable
        matches = problem.matches[usable0[problem.matches[:, 0]] & usable1[problem.matches[:, 1]]]
        if len(matches) < self.min_correspondences:
            return RelativePose.failure(f"{len(matches)} matches with depth, at least 3 are needed", matches.numpy())
        points0, points1 = problem.view0.points()[matches[:, 0]], problem.view1.points()[matches[:, 1]]
        best = torch.zeros(len(matches), dtype=torch.bool)
        for _ in range(self.options.draws):
            drawn = torch.randperm(len(matches), generator=generator)[:3]
            R, t = _align(points0[drawn], points1[drawn])
            inliers = (points0 @ R.mT + t - points1).norm(dim=-1) < self.options.max_error_m
            best = inliers if inliers.sum() > best.sum() else best
        if best.sum() < 10:
            return RelativePose.failure(f"{int(best.sum())} inliers", matches.numpy())
        R, t = _align(points0[best], points1[best])
        motion = pycolmap.Rigid3d(torch.cat([R, t[:, None]], dim=1).double().numpy())
        share = float(best.float().mean())
        return RelativePose(True, motion, float(best.sum()), share, matches.numpy(), best.numpy())


def _align(points0: Tensor, points1: Tensor) -> tuple[Tensor, Tensor]:
    """R and t with points1 = R points0 + t (Kabsch)."""
    mean0, mean1 = points0.mean(dim=0), points1.mean(dim=0)
    U, _, Vt = torch.linalg.svd((points1 - mean1).mT @ (points0 - mean0))
    sign = torch.diag(torch.tensor([1.0, 1.0, float(torch.linalg.det(U @ Vt).sign())]))
    R = U @ sign @ Vt
    return R, mean1 - R @ mean0


class BuggyExtractor(CornerExtractor):
    """Looks for what is not there."""

    def _extract(self, images: Tensor) -> list[dict[str, np.ndarray]]:
        return [{"keypoints": {}["corners"]} for _ in images]


class LyingExtractor(CornerExtractor):
    """Returns descriptors that are no numbers."""

    def _describe(self, grey: np.ndarray) -> dict[str, np.ndarray]:
        found = super()._describe(grey)
        return {**found, "descriptors": np.full_like(found["descriptors"], np.nan)}


class UnfinishedExtractor(Extractor):
    """Does not say how it extracts."""


class ClosedExtractor(CornerExtractor):
    """Takes no options."""

    def __init__(self) -> None:
        super().__init__()


class LyingMatcher(RatioMatcher):
    """Returns partners that are not there."""

    def _match(self, features0, features1) -> tuple[Tensor, Tensor]:
        matches0, scores0 = super()._match(features0, features1)
        return matches0 + len(features1["keypoints"]), scores0


class LyingDepth(MapDepth):
    """Gives a map of another shape."""

    def _load_map(self, image_name: str, image_size: tuple[int, int]) -> Tensor:
        return super()._load_map(image_name, image_size).flatten()


class LyingSolver(AlignSolver):
    """Makes up a pose where it has none."""

    def _solve(self, problem: PoseProblem, generator: torch.Generator) -> RelativePose:
        return RelativePose(False, pycolmap.Rigid3d(), reason="no idea")


class LyingPairs(CornerPairs):
    """Promises depth and has none."""

    def _match(self, image0: Tensor, image1: Tensor) -> PairMatches:
        found = super()._match(image0, image1)
        return PairMatches(found.keypoints0, found.keypoints1, found.scores)


class NoPart:
    """A class of something else."""


NO_CLASS = 1
