"""What speaks for an estimated pose: plain numbers, gathered by the solvers, weighed by ``mickey_hloc.confidence``."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

_LEAST_NOISE = 0.003  # of depth, relative


@dataclass(frozen=True)
class Evidence:
    """Evidence for one estimate. Lengths in the image are shares of its diagonal: sizes of images do not matter.

    The correspondences that are judged are the matches with usable depth; where a solver works on a probability, they
    are its mutual best pairs.

    Attributes:
        num_correspondences: M, judged correspondences, distinct ones (see ``num_inliers``).
        num_inliers: how many of them agree with the pose in the solver's own terms; several keypoints in one spot
            count as one.
        minimal: correspondences that define a pose of this solver, which always agree with it.
        probability_sum, probability_total: sum of match probabilities over the inliers, over all judged ones.
        pixel_inliers, pixel_probability: number and probabilities of the inliers that also agree in pixels: within
            0.5 % of the diagonal of the epipolar line, and within 1.5 % of each other by the depths.
        epipolar_error, reprojection_error: medians over the inliers, shares of the diagonal.
        depth_disagreement: median |log(depth by the pose / depth of the other view)| over the inliers.
        depth_log_ratio: |log| of the ratio of both depth maps' scales, as the pose sees it.
        log10_nfa: log10 of the number of equally supported poses expected if keypoints were paired at random.
        local_log10_nfa: the same in pixels, against pairs with keypoints near the true partner: wrong matches of two
            rooms are right about the rough position in the image, and not about more.
        spread: square root of the inliers' area in the image, as a share of the image's, the smaller of both views.
        rotation_std_deg: predicted standard deviation of the rotation about its least certain axis.
        line_distance: median distance of the inliers from the line that most of them lie on, share of the diagonal, the
            smaller of both images: on a line the rotation is not determined, whatever noise makes of the depths.
        vcre_std: predicted VCRE if errors of points were alike in all directions, as a share of 10 % of the diagonal.
        scale_vcre: the same for depth maps whose scales are wrong by 10 %, each for itself: residuals do not show that.
        depth_spread: standard deviation of the logarithms of the judged keypoints' depths, the smaller of both views; 0
            for a depth that is the same everywhere and says nothing about the scene.
        rival_share: support by depth of the other motion that the inliers' plane allows, as a multiple of the pose's; 0
            where they lie on none (see ``solvers/plane.py``).
        rotation_deg, distance_m: size of the estimated motion.
    """

    num_correspondences: float = 0.0
    num_inliers: float = 0.0
    minimal: float = 3.0
    probability_sum: float = 0.0
    probability_total: float = 0.0
    pixel_inliers: float = 0.0
    pixel_probability: float = 0.0
    epipolar_error: float = math.inf
    reprojection_error: float = math.inf
    depth_disagreement: float = math.inf
    depth_log_ratio: float = math.inf
    log10_nfa: float = math.inf
    local_log10_nfa: float = math.inf
    spread: float = 0.0
    rotation_std_deg: float = math.inf
    line_distance: float = 0.0
    vcre_std: float = math.inf
    scale_vcre: float = math.inf
    depth_spread: float = math.inf
    rival_share: float = 0.0
    rotation_deg: float = 0.0
    distance_m: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if math.isnan(getattr(self, field.name)):  # what cannot be computed speaks for nothing, as the default does
                object.__setattr__(self, field.name, field.default)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all attributes, in their order."""
        return tuple(field.name for field in fields(cls))

    @property
    def line_sigmas(self) -> float:
        """Distance of the inliers from a line (``line_distance``) in standard errors that the noise of depth gives it.

        Noise moves a point along its ray by its relative error times its depth; seen under an angle a, its distance
        from the line is a times its depth. Images are taken to have a diagonal of 1.5 focal lengths.
        """
        noise = max(self.depth_disagreement, _LEAST_NOISE) / (0.6745 * math.sqrt(2))  # from the median of differences
        return 1.5 * self.line_distance / noise * math.sqrt(self.num_inliers) if math.isfinite(noise) else math.inf

    @property
    def inlier_share(self) -> float:
        """Share of the judged correspondences that agree, beyond those that define the pose; in [0, 1]."""
        free = self.num_correspondences - self.minimal
        return min(max((self.num_inliers - self.minimal) / free, 0.0), 1.0) if free > 0 else 0.0
